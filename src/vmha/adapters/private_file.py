"""Reads files with a secret: only their owner may read them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO


class Unreadable(Exception):
    """A file with a secret cannot be read, or others can read it too; the text says what to do."""


def read_private(path: Path) -> str:
    """Return the text of a file that only its owner may read. The mode is that of the file which is read.

    Raises `Unreadable`, and `FileNotFoundError` where there is none.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS_MAY:
                raise Unreadable(f"its mode is {mode:04o} and others may read it; run: chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror}); check the file and its owner") from error
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8 text; write it again as UTF-8") from error
