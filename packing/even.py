"""Archives that are the same for the same files: sorted, one time, two modes, no owner."""

from __future__ import annotations

import io
import re
import stat
import tarfile
import time
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FIRST_ZIP_TIME = 315532800
"""1980-01-01, before which a zip file knows no time."""

MANIFEST = "manifest.yaml"
# The only line of charmcraft's that says when it ran.
_STARTED = re.compile(rb"^(charmcraft-started-at: ).*$", flags=re.MULTILINE)


def rewrite_zip(source: Path, target: Path, *, seconds: int) -> None:
    """Write the files of a zip anew, evened out; `seconds` is the time that all of them get."""
    moment = time.gmtime(max(seconds, FIRST_ZIP_TIME))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in sorted(old.infolist(), key=lambda entry: entry.filename):
            if entry.is_dir():
                continue
            data = old.read(entry)
            if entry.filename == MANIFEST:
                data = _STARTED.sub(rb"\1'" + time.strftime("%Y-%m-%dT%H:%M:%SZ", moment).encode() + b"'", data)
            fresh = zipfile.ZipInfo(entry.filename, date_time=moment[:6])
            fresh.create_system = 3  # Unix, whose modes follow
            fresh.external_attr = (stat.S_IFREG | even_mode(entry.external_attr >> 16)) << 16
            # A wheel is compressed already.
            fresh.compress_type = zipfile.ZIP_STORED if entry.filename.endswith(".whl") else zipfile.ZIP_DEFLATED
            new.writestr(fresh, data, compresslevel=9)


def even_mode(mode: int) -> int:
    """Keep of a mode only whether the file can be executed: the rest is the umask of whoever packs."""
    return 0o755 if mode & 0o100 else 0o644


def write_tar(folder: Path, target: Path, *, first: Sequence[str]) -> None:
    """Write the files of a folder to a tar file, those of `first` first, the others sorted."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in (*first, *(name for name in names if name not in first)):
            data = (folder / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
