"""`python -m tests.functional [jubilant|zaza] [arguments]`: the tests on a real Juju, in an environment of their own below .functional/.

Rules:
1. Without the program juju, a controller or the packed charm nothing is run: one line says what is missing and what to do, exit 2.
2. The environment is made from requirements/functional-*.txt, by hash, and made anew when that file changes. zaza's libraries are
   years older than ours, so that it never meets them.
3. Further arguments go to pytest, or to functest-run-suite; the exit code is theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHARM = ROOT / "dist" / "masakari.charm"
ASK_SECONDS = 60
"""How long a controller may take to answer, before it counts as away."""

TEST_SECONDS = 4 * 3600
"""The longest that one test may take: a whole cloud is deployed in one."""

COMMANDS = {
    "jubilant": ("pytest", "tests/functional", f"--timeout={TEST_SECONDS}", "--juju-dump-logs"),
    "zaza": ("functest-run-suite",),
}
"""What is run for each kind of tests."""


class Missing(Exception):
    """What the tests need is not here; the text says what, and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run one kind of the tests."""
    kind, *more = arguments or ("jubilant",)
    if kind not in COMMANDS:
        print(f"tests.functional: no tests are called {kind}; there are {' and '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        controller = find_controller()
        if not CHARM.exists():
            raise Missing(f"{CHARM.relative_to(ROOT)} is not there; run: make charms")
    except Missing as missing:
        print(f"make functional cannot run: {missing}", file=sys.stderr)
        return 2
    print(f"testing {CHARM.relative_to(ROOT)} on the controller {controller}", flush=True)
    programs = prepare(kind) / "bin"
    program, *fixed = COMMANDS[kind]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ.get('PATH', '')}"}
    return subprocess.run((str(programs / program), *fixed, *more), cwd=ROOT, env=environment, check=False).returncode


def find_controller() -> str:
    """Name the controller that juju would use, after asking it for something. Raises `Missing`."""
    juju = shutil.which("juju")
    if juju is None:
        raise Missing(
            "the program juju is not on this machine; install it (snap install juju) and bootstrap a controller"
        )
    known = ask(juju, "controllers", "--format=json")
    try:
        current = json.loads(known.stdout).get("current-controller") if known.returncode == 0 else None
    except ValueError:
        current = None
    if not current:
        raise Missing("no controller is configured; run: juju bootstrap, or juju switch to one that you have")
    answer = ask(juju, "models", "--controller", str(current), "--format=json")
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines() or ["it said nothing"]
        raise Missing(f"the controller {current} does not answer ({said[-1]}); see juju show-controller, or juju login")
    return str(current)


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that asks; one that hangs has failed."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=ASK_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {ASK_SECONDS} s")


def prepare(kind: str) -> Path:
    """Make the environment for one kind of tests, unless it stands already, and return where."""
    pins = ROOT / "requirements" / f"functional-{kind}.txt"
    folder = ROOT / ".functional" / kind
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = folder / "made-from"
    if stamp.exists() and stamp.read_text() == digest:
        return folder
    print(f"making {folder.relative_to(ROOT)} from {pins.relative_to(ROOT)}", flush=True)
    subprocess.run((sys.executable, "-m", "venv", "--clear", str(folder)), check=True)
    pip = (str(folder / "bin" / "pip"), "install", "--quiet", "--no-input", "--require-hashes", "-r", str(pins))
    subprocess.run(pip, check=True)
    stamp.write_text(digest)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
