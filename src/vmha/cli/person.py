"""Whose word a command records."""

from __future__ import annotations

import getpass
import os


def person(named: str | None) -> str:
    """Return the name given with --by, or who types: whom sudo served, else the user of the system."""
    if named is not None and named.strip():
        return named.strip()
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container may run a user id that has no name
        return f"user id {os.getuid()}"
