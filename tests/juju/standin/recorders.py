"""The recorders that a box has, by the command for which each stands."""

from __future__ import annotations

import re

from tests.juju.standin.machine import Machine, Recorder
from tests.juju.standin.systemd import systemctl
from tests.juju.standin.tools import Answer


def apt_get(machine: Machine, arguments: list[str]) -> Answer:
    """Note what is installed and removed. An option may stand before or after, with a value after -o."""
    words: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word in ("-o", "--option", "-t", "-c"):
            waiting = waiting[1:]
        elif not word.startswith("-"):
            words.append(word)
    if words[:1] == ["install"]:
        for name in words[1:]:
            machine.lay_down(name.partition("=")[0])
    elif words[:1] in (["remove"], ["purge"]):
        for name in words[1:]:
            machine.packages.pop(name, None)
    return Answer(output="".join(f"{word} (recorded, not run)\n" for word in words[:1]))


def dpkg_query(machine: Machine, arguments: list[str]) -> Answer:
    """Say which packages the recorder of apt-get installed, in the format that was asked for."""
    names = [word for word in arguments if not word.startswith("-")]
    template = next((word.partition("=")[2] for word in arguments if word.startswith(("-f=", "--showformat="))), "")
    found = [name for name in names if name in machine.packages]
    missing = [name for name in names if name not in machine.packages]
    output = "".join(described(name, machine.packages[name], template or "${Package}\\n") for name in found)
    errors = "".join(f"dpkg-query: no packages found matching {name}\n" for name in missing)
    return Answer(code=1 if missing else 0, output=output, errors=errors)


def described(name: str, version: str, template: str) -> str:
    """Return an installed package in dpkg-query's own format language."""
    known = {
        "Package": name,
        "Version": version,
        "Status": "install ok installed",
        "db:Status-Status": "installed",
        "db:Status-Abbrev": "ii ",
    }
    line = re.sub(r"\$\{([\w:-]+)[^}]*\}", lambda found: known.get(found[1], ""), template)
    return line.replace("\\n", "\n")


def haproxy(machine: Machine, arguments: list[str]) -> Answer:
    """Accept a configuration that is there and holds a frontend; `haproxy -c` of the real one checks more."""
    if "-c" not in arguments:
        return Answer()
    path = next((arguments[place + 1] for place, word in enumerate(arguments[:-1]) if word == "-f"), "")
    file = machine.root() / path.lstrip("/")
    if not file.is_file():
        return Answer(code=1, errors=f"[ALERT] Could not open configuration file {path}\n")
    if not re.search(r"^(frontend|listen) ", file.read_text(), re.MULTILINE):
        return Answer(code=1, errors="[ALERT] no frontend\n")
    return Answer(output="Configuration file is valid (recorded, not checked by haproxy)\n")


def no_output(_: Machine, __: list[str]) -> Answer:
    """Succeed; the call is noted."""
    return Answer()


RECORDERS: dict[str, Recorder] = {
    "systemctl": systemctl,
    "apt-get": apt_get,
    "apt": apt_get,
    "dpkg-query": dpkg_query,
    "haproxy": haproxy,
    **dict.fromkeys(
        (
            "add-apt-repository",
            "apt-key",
            "apt-mark",
            "debconf-set-selections",
            "dpkg",
            "journalctl",
            "systemd-analyze",
            "systemd-tmpfiles",
            "update-ca-certificates",
            "update-rc.d",
        ),
        no_output,
    ),
}
# Where each of them lies on Debian and Ubuntu; haproxy comes with its package.
FOLDERS = {"update-ca-certificates": "usr/sbin", "update-rc.d": "usr/sbin"}
FOLDER = "usr/bin"
