"""Wheels of a few hundred bytes, laid out as the charm carries its own: real enough for a real pip."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tarfile
import zipfile
from pathlib import Path

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def lay_out(folder: Path, version: str) -> str:
    """Write a release with a program `masakari-manage` that prints its version, and return its name."""
    name = f"{version}-tiny"
    (folder / "any").mkdir(parents=True, exist_ok=True)
    wheel = _wheel(folder / "any", version)
    pin = f"tiny=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    (folder / "requirements.txt").write_text(pin)
    (folder / "release.json").write_text(json.dumps({"name": name, "pythons": [PYTHON]}))
    return name


def pack(folder: Path, tar: Path) -> None:
    """Put such a folder into a tar file, the description first."""
    with tarfile.open(tar, "w") as packed:
        for path in sorted(folder.rglob("*"), key=lambda path: (path.name != "release.json", str(path))):
            packed.add(path, str(path.relative_to(folder)), recursive=False)


def _wheel(folder: Path, version: str) -> Path:
    info = f"tiny-{version}.dist-info"
    contents = {
        "tiny.py": f"def main() -> None:\n    print('tiny {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nmasakari-manage = tiny:main\n",
    }
    lines = [f"{name},{_hash(text)},{len(text)}" for name, text in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    path = folder / f"tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(name, text)
    return path


def _hash(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
