"""A release of the service that does nothing but answer: small enough to be installed on three units in seconds.

Its wheels have the layout that the charm's resource `wheels` takes, and are installed by the charm's own code with a real venv and
pip. Its `masakari-manage` asks `Database` in the test's process; its API and engine are only there for systemd's recorder to find.
The real release under a real systemd and against a real MariaDB is another suite's business (tests/systemd).
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.juju.standin.machine import Machine
from tests.juju.standin.tools import Answer

# What actions ask about.
ASKED = ("recovery", "fencing", "readiness", "host")
# What `masakari-manage db check` ends with where the schema is older than the release needs.
BEHIND = 3
PROGRAM = """\
#!python
import os, sys
os.environ["STANDIN_NAME"] = "masakari-manage"
os.execv("/run/standin/client", ["client", "schema={schema}", *sys.argv[1:]])
"""
IDLE = "#!python\n"


def name_of(schema: int) -> str:
    """Return the name of the release that needs a schema."""
    return f"{schema}.0-standin"


def pack(target: Path, *, schema: int = 1) -> Path:
    """Write the wheels of a release that needs a schema as one tar file, its description first."""
    wheel_name, wheel = build_wheel(schema)
    digest = hashlib.sha256(wheel).hexdigest()
    pythons = sorted({f"{sys.version_info[0]}.{sys.version_info[1]}", "3.11", "3.12", "3.13"})
    described = {"name": name_of(schema), "version": f"{schema}.0", "pythons": pythons}
    with tarfile.open(target, "w") as archive:
        add(archive, "release.json", json.dumps(described).encode())
        add(archive, "requirements.txt", f"standin-release=={schema}.0 --hash=sha256:{digest}\n".encode())
        add(archive, f"any/{wheel_name}", wheel)
    return target


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Put a file into a tar."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


def build_wheel(schema: int) -> tuple[str, bytes]:
    """Return a wheel's name and content: three programs and no package."""
    stem = f"standin_release-{schema}.0"
    scripts = {
        "masakari-manage": PROGRAM.format(schema=schema),
        "masakari-api": IDLE,
        "masakari-engine": IDLE,
    }
    files = {f"{stem}.data/scripts/{name}": text for name, text in scripts.items()}
    files[f"{stem}.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: standin-release\nVersion: {schema}.0\n"
    files[f"{stem}.dist-info/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{stem}.dist-info/RECORD"] = record + f"{stem}.dist-info/RECORD,,\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            # pip makes a program of a script that was one when it was packed.
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, text)
    return f"{stem}-py3-none-any.whl", content.getvalue()


def digest(text: str) -> str:
    """Return a digest as a wheel's RECORD holds it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass(slots=True)
class Database:
    """The one database behind every unit's router: its schema, and who may come in. `calls` is verb, release's schema.

    `service` answers what actions ask of `masakari-manage`, which this release knows nothing of.
    """

    schema: int = 0
    password: str = "router-gave-this"
    is_up: bool = True
    calls: list[tuple[str, int]] = field(default_factory=list)
    service: Callable[[list[str]], Answer] | None = None

    def manage(self, machine: Machine, arguments: list[str]) -> Answer:
        """Answer a call of `masakari-manage`: config check, db check, db sync, and what `service` answers."""
        if self.service is not None and set(arguments) & set(ASKED):
            return self.service(arguments[arguments.index("--config-file") + 2 :])
        words = [word for word in arguments if not word.startswith("-")]
        schema = int(words[0].removeprefix("schema="))
        path = next((word for word in words if word.endswith(".conf")), "")
        verb = " ".join(word for word in words[1:] if word != path)
        self.calls.append((verb, schema))
        try:
            config = read_config(machine.root() / path.lstrip("/"))
        except (OSError, configparser.Error) as unreadable:
            return Answer(code=1, errors=f"masakari-manage: {unreadable}\n")
        if verb == "config check":
            return Answer(output="the configuration can be used\n")
        if refusal := self.refuses(config):
            return Answer(code=1, errors=f"masakari-manage: {refusal}\n")
        if verb == "db check":
            return Answer(code=BEHIND if self.schema < schema else 0)
        if verb == "db sync":
            self.schema = max(self.schema, schema)
            return Answer(output=f"the schema is {self.schema}\n")
        return Answer(code=2, errors=f"masakari-manage: the stand-in's release knows no {verb}\n")

    def refuses(self, config: configparser.ConfigParser) -> str:
        """Say why the configured user may not come in, or nothing."""
        url = urlsplit(config.get("database", "connection", fallback=""))
        if not self.is_up:
            return f"database {url.hostname}:{url.port}: connection refused"
        if url.username != "masakari" or unquote(url.password or "") != self.password:
            return f"database {url.hostname}:{url.port}: access denied for user {url.username}"
        return ""


def read_config(path: Path) -> configparser.ConfigParser:
    """Return an oslo.config file."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, default_section="none")
    parser.read_string(path.read_text())
    return parser
