"""The command line of the cloud."""

import argparse
import sys
import time

from tests.cloud.rig import lifecycle
from tests.cloud.rig.errors import RigError
from tests.cloud.rig.settings import load

VERBS = {
    "install": "install packages and environments, and start nothing",
    "up": "install what is missing and start whatever does not run",
    "status": "print what runs; exit 1 if anything does not",
    "down": "end everything, keep the data",
    "wipe": "end everything and delete the data",
}


def main() -> int:
    """Do what the verb says; return the exit code."""
    epilog = "\n".join(f"  {verb:<9}{text}" for verb, text in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.cloud.rig",
        description=__doc__,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=VERBS)
    verb = parser.parse_args().verb
    try:
        return _run(verb)
    except RigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(verb: str) -> int:
    began = time.monotonic()
    if verb == "status":
        return 0 if lifecycle.status(load(), _say) else 1
    if verb == "install":
        lifecycle.install(_say)
        _say(f"installed; {time.monotonic() - began:.1f} s")
    else:
        {"up": lifecycle.up, "down": lifecycle.down, "wipe": lifecycle.wipe}[verb](load(), _say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
