"""Runs the programs that packing needs, and says what failed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECONDS = 900
"""How long one program may take: fetching some 80 wheels over a slow line."""


class CannotPack(Exception):
    """A step of packing cannot be done; the text says why, and what to do."""


def run(
    argv: Sequence[str], *, why: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. Raises `CannotPack` with `why` and its last words."""
    try:
        answer = subprocess.run(
            argv,
            cwd=cwd,
            env=environment,
            umask=0o022,  # whose own is narrower would pack other modes
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise CannotPack(f"{why}: {error}") from error
    if answer.returncode != 0:
        words = (answer.stderr.strip() or answer.stdout.strip()).splitlines()[-8:]
        raise CannotPack("\n  ".join((f"{why}: {argv[0]} failed with {answer.returncode}", *words)))
    return answer
