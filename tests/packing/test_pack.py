"""The charm as `make charms` packs it, with the real charmcraft: twice the same, complete, small, and usable as it is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from masakari_charm.plan import CONFIG_FILE, FENCING_FILE, File, Plan, Report, Service
from masakari_charm.workload.converge import converge
from masakari_charm.workload.machine import Answer, Command, Machine, run_process
from packing import pack, tree
from packing.pack import Packed
from packing.wheels import PYTHONS
from unit_tests.charm.workload.fake_system import FakeSystem

PYTHON = "/usr/bin/python3"
ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".packing"
# Fetching charmcraft and the wheels is part of the first test on a fresh machine.
pytestmark = pytest.mark.timeout(600)


# Of an earlier pack, and of somebody else.
OLDER, FOREIGN = "wheels-0.0.9-0123456789ab.tar", ("wheels-of-mine.tar", "notes.txt")


@dataclass(frozen=True)
class Twice:
    """Two packs of one tree, and the first one unpacked."""

    first: Packed
    second: Packed
    unpacked: Path


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    """Pack two copies of this tree, the second with another umask, time zone and working folder; what was fetched is shared.

    The first pack is the one that the other suites use, where there is one of this tree already.
    """
    folder = tmp_path_factory.mktemp("packing")
    copies, work, output = (folder / "one", folder / "two"), folder / "work", folder / "second"
    tree.copy_files(ROOT, copies[0], pack.SOURCES)
    shutil.copytree(*copies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", str(tree.commit_seconds(ROOT)))
        first = pack.kept(copies[0], work=KEPT)
        patch.setenv("SOURCE_DATE_EPOCH", str(packed_at(first.charm)))
        patch.setenv("TZ", "Pacific/Kiritimati")
        work.mkdir()
        for kept in (*KEPT.glob("wheels-*"), *KEPT.glob("charmcraft-*")):
            (work / kept.name).symlink_to(kept)
        output.mkdir()
        for name in (OLDER, *FOREIGN):
            (output / name).touch()
        before = os.umask(0o077)
        try:
            second = pack.pack(copies[1], output, work=work)
        finally:
            os.umask(before)
    with zipfile.ZipFile(first.charm) as charm:
        charm.extractall(folder / "unpacked")
    return Twice(first, second, folder / "unpacked")


def packed_at(charm: Path) -> int:
    """Return the time that a charm was given: of a commit before, where nothing that is packed has changed since."""
    with zipfile.ZipFile(charm) as archive:
        text = archive.read("manifest.yaml").decode()
    (started,) = re.findall(r"^charmcraft-started-at: '(.+)'$", text, flags=re.MULTILINE)
    return int(datetime.fromisoformat(started).timestamp())


def checksums(path: Path) -> dict[str, str]:
    """Return the checksum of every file of a charm."""
    with zipfile.ZipFile(path) as charm:
        return {name: hashlib.sha256(charm.read(name)).hexdigest() for name in charm.namelist()}


def test_two_packs_are_the_same(twice: Twice) -> None:
    """Every file has the same name and checksum in both, the whole charm too, and so has the resource."""
    assert checksums(twice.first.charm) == checksums(twice.second.charm)
    assert twice.first.charm.read_bytes() == twice.second.charm.read_bytes()
    assert twice.first.wheels.name == twice.second.wheels.name
    assert twice.first.wheels.read_bytes() == twice.second.wheels.read_bytes()


def test_the_suites_of_a_tree_share_one_pack(twice: Twice) -> None:
    """Who asks for the pack of the same sources gets the one that is there, byte for byte and untouched."""
    before = twice.first.charm.stat()
    assert pack.kept(twice.unpacked.parent / "one", work=KEPT) == twice.first
    after = twice.first.charm.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_older_wheels_go(twice: Twice) -> None:
    """A pack leaves one file for the resource in its folder: an older one goes, and what is somebody else's stays."""
    names = {path.name for path in twice.second.charm.parent.iterdir()}
    assert names == {"masakari.charm", twice.second.wheels.name, *FOREIGN}


def test_it_carries_its_own_readme(twice: Twice) -> None:
    """The charm's README.md is written for who deploys the charm, not the repository's."""
    assert (twice.unpacked / "README.md").read_text() == (ROOT / "docs" / "charm" / "README.md").read_text()


def test_it_is_small(twice: Twice) -> None:
    """The charm has at most 80 MB, with the wheels for two Pythons in it."""
    assert twice.first.charm.stat().st_size <= 80_000_000


def test_it_holds_what_it_should(twice: Twice) -> None:
    """The four YAML files, code, libraries, templates, actions and wheels are in it, and nothing that tools or tests left."""
    names = set(checksums(twice.first.charm))
    top = {name.split("/")[0] for name in names}
    assert top == {
        *("LICENSE", "README.md", "actions.yaml", "config.yaml", "manifest.yaml", "metadata.yaml"),
        *("actions", "dispatch", "icon.svg", "lib", "src", "templates", "wheels"),
    }
    assert {name for name in names if name.startswith("src/vmha")} == {"src/vmha/__init__.py", "src/vmha/options.py"}
    wanted = {name for name in tree.sources(ROOT) if name.startswith(("src/masakari_charm/", "templates/", "actions/"))}
    assert wanted <= names
    assert not [name for name in names if re.search(r"__pycache__|\.pyc$|\.git|unit_tests", name)]


def test_its_libraries_are_pure(twice: Twice) -> None:
    """No file beside the service's wheels is compiled for a machine or a Python."""
    compiled = [
        path
        for path in twice.unpacked.rglob("*")
        if path.is_file() and path.suffix != ".whl" and path.read_bytes()[:4] in (b"\x7fELF", b"MZ\x90\x00")
    ]
    assert compiled == []


def test_every_wheel_is_pinned_by_hash(twice: Twice) -> None:
    """Each wheel's checksum stands in the requirements beside it, and each Python has what only it can use."""
    wheels = twice.unpacked / "wheels"
    pinned = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", (wheels / "requirements.txt").read_text()))
    found = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels.rglob("*.whl")}
    assert set(found.values()) <= pinned
    for folder in ("cp311", "cp312"):
        assert [path for path in found if path.parent.name == folder and "sqlalchemy" in path.name]
    assert [path.name for path in found if path.name.startswith("vmha-")]


@pytest.mark.parametrize("python", sorted({sys.executable, PYTHON}))
def test_its_libraries_are_all_that_it_imports(python: str, twice: Twice) -> None:
    """The charm's own modules and actions can be imported with nothing but what it carries."""
    actions = sorted(path.stem for path in (twice.unpacked / "actions").glob("[a-z]*.py"))
    program = "import sys; sys.path[:0] = sys.argv[1:4]; import charm, charmhelpers, masakari_charm.workload.removal\n"
    program += "".join(f"import actions.{name}\n" for name in actions)
    program += "print(charm.ops.__file__, charm.__file__)"
    paths = [str(twice.unpacked / name) for name in ("lib", "src", ".")]
    answer = subprocess.run(
        (python, "-I", "-S", "-B", "-c", program, *paths), capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert all(path.startswith(str(twice.unpacked)) for path in answer.stdout.split())


class Unit:
    """A machine in a folder with a real Python, pip and service; systemd, apt, accounts and haproxy are the unit tests' model."""

    def __init__(self, root: Path, *, python: str) -> None:
        self.system = FakeSystem(root)
        self.machine = Machine(root=root, runner=self.run, accounts=self.system, python=python)

    def run(self, command: Command) -> Answer:
        """Run what comes from the charm for real, as whoever runs the test."""
        ours = (self.machine.python, str(self.machine.path("/opt/masakari")))
        is_real = command.argv[0].startswith(ours)
        return run_process(replace(command, user=None)) if is_real else self.system.run(command)


def python_with_wheels() -> str:
    """Return a Python of this machine that the charm has wheels for; the system's own first, as on a unit."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in (PYTHON, sys.executable):
        answer = subprocess.run((python, "-c", program), capture_output=True, text=True, check=True, timeout=60)
        if answer.stdout.strip() in PYTHONS:
            return python
    pytest.skip(f"needs Python {' or '.join(PYTHONS)}, as the charm's units have")


def plan(root: Path, wheels: str, **options: str) -> Plan:
    """Plan API and engine on SQLite, with options of [recovery]."""
    recovery = "".join(f"{name} = {value}\n" for name, value in options.items())
    content = (
        f"[DEFAULT]\nhost = unit-0\nstate_path = {root}\nauth_strategy = noauth2\n"
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1/v3\nusername = masakari\npassword = pw\n"
        f"[fencing]\ninventory = {FENCING_FILE}\n[recovery]\n{recovery}"
    )
    inventory = "hosts: {c1: {ipmi: {address: 10.0.0.7, user: admin, password: pw}}}\n"
    return Plan(
        wheels=wheels,
        files=(
            File(path=CONFIG_FILE, content=content, mode=0o640, group="masakari"),
            File(path=FENCING_FILE, content=inventory, mode=0o600, owner="masakari", group="masakari", is_secret=True),
        ),
        services=(Service(name="masakari-engine", reads=(CONFIG_FILE, FENCING_FILE), runs_release=True),),
        is_complete=True,
        may_migrate=True,
    )


def test_a_unit_installs_from_it_alone(twice: Twice, tmp_path: Path) -> None:
    """The packed wheels become a release without an index; its own programs check the configuration and make the tables."""
    unit = Unit(tmp_path, python=python_with_wheels())
    unit.machine.path("/wheels.tar").write_bytes(twice.first.wheels.read_bytes())
    follower = replace(plan(tmp_path, "/wheels.tar"), may_migrate=False)
    assert converge(follower, unit.machine) == Report(waits_for_schema=True)
    running = Report(release=twice.first.release, schema=twice.first.release)
    assert converge(plan(tmp_path, "/wheels.tar"), unit.machine) == running
    assert unit.system.active == {"masakari-engine"}
    unit.system.forget()
    assert converge(plan(tmp_path, "/wheels.tar"), unit.machine) == running
    assert unit.system.changes == []
    report = converge(plan(tmp_path, "/wheels.tar", heartbeat_silence_seconds="soon"), unit.machine)
    (problem,) = report.problems
    assert problem.what == (
        f"the configuration cannot be used: [recovery] heartbeat_silence_seconds = soon in {CONFIG_FILE} cannot be used: "
        "it must be a number from 3 to 86400 seconds"
    )
    assert "soon" not in unit.machine.path(CONFIG_FILE).read_text()
    assert unit.system.changes == []
    manage = unit.machine.path("/usr/local/bin/masakari-manage")
    assert os.readlink(manage) == "/opt/masakari/current/bin/masakari-manage"
