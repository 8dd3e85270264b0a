"""What a management controller does when it is told to: `ipmi_sim` runs this for every power command.

    python -m tests.cloud.rig.chassis FOLDER get power
    python -m tests.cloud.rig.chassis FOLDER set power 0

Each call is one JSON line in FOLDER/calls. A file in FOLDER/faults makes the controller misbehave:

    stuck     says yes to every power command and does nothing
    liar      always reads off, says yes to every command and does nothing
    slow      holds seconds: the power goes off only after them
    refuses   answers every power command with an error
    hangs     holds seconds: every answer takes that long
"""

import json
import os
import sys
import time
from pathlib import Path

from tests.cloud.rig.machine import Machine


def main(arguments: list[str]) -> int:
    """Obey one call and return the exit code; anything but 0 becomes an IPMI completion code."""
    folder, verb, *words = arguments
    faults = Path(folder) / "faults"
    began = time.time()
    if (hangs := _seconds(faults / "hangs")) is not None:
        time.sleep(hangs)
    if verb == "get":
        answer = " ".join(f"{word}:{_read(Machine(Path(folder)), word, faults)}" for word in words)
        code = 0
        print("\n".join(answer.split()))
    elif verb == "set":
        code = _set(Machine(Path(folder)), words, faults)
        answer = "refused" if code else "ok"
    else:
        code, answer = 0, "ok"
    _remember(Path(folder), {"time": began, "verb": verb, "words": words, "answer": answer})
    return code


def _read(machine: Machine, word: str, faults: Path) -> str:
    if word != "power":
        return "default" if word == "boot" else "0"
    on = machine.powered() and not (faults / "liar").exists()
    return "1" if on else "0"


def _set(machine: Machine, words: list[str], faults: Path) -> int:
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name not in ("power", "reset"):
            continue
        if (faults / "refuses").exists():
            return 1
        if (faults / "stuck").exists() or (faults / "liar").exists():
            continue
        if name == "reset":
            machine.power_off()
            machine.power_on()
        elif value == "1":
            machine.power_on()
        else:
            _power_off(machine, faults / "slow")
    return 0


def _power_off(machine: Machine, slow: Path) -> None:
    delay = _seconds(slow)
    if delay is None:
        machine.power_off()
        return
    if os.fork() == 0:
        # The child must not hold the pipe on which the controller waits for this script's answer.
        os.setsid()
        with open(os.devnull, "r+b") as null:
            for descriptor in range(3):
                os.dup2(null.fileno(), descriptor)
        time.sleep(delay)
        # A fault that was cleared meanwhile takes its late power-off with it.
        if slow.exists():
            machine.power_off()
        os._exit(0)


def _seconds(fault: Path) -> float | None:
    try:
        return float(fault.read_text())
    except FileNotFoundError:
        return None


def _remember(folder: Path, call: dict[str, object]) -> None:
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps(call) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
