"""Whose word a command records, and why."""

from __future__ import annotations

import argparse
import getpass
import os

from vmha.core.words import LONGEST_LINE, is_line


def printable(text: str) -> str:
    """Take a reason or a name from the command line, by the API's rule. Raises what argparse prints."""
    said = text.strip()
    if not is_line(said):
        raise argparse.ArgumentTypeError("it must be printable text on one line; nothing was recorded")
    if len(said) > LONGEST_LINE:
        raise argparse.ArgumentTypeError(
            f"it has {len(said)} characters, and {LONGEST_LINE} can be kept: shorten it; nothing was recorded"
        )
    return said


def person(named: str | None) -> str:
    """Return the name given with --by, or who types: whom sudo served, else the user of the system."""
    if named is not None and named.strip():
        return named.strip()
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container may run a user id that has no name
        return f"user id {os.getuid()}"
