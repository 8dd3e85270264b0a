"""Environments beside each other: on the model of pip, and the same with the real one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from masakari_charm.plan import RELEASES
from masakari_charm.workload import files, release
from masakari_charm.workload.machine import MAKE_ROOM, Answer, Machine, Trouble
from unit_tests.charm.workload import tiny_wheels
from unit_tests.charm.workload.fake_system import Died, FakeSystem


@dataclass
class Bench:
    """A machine, and the wheels of two releases on it."""

    machine: Machine
    first: str
    second: str

    def offer(self, name: str, *, tar: bool = False) -> release.Offer:
        """Offer one of the two, as a folder or as a tar file."""
        return release.offered(self.machine, f"/{name}.tar" if tar else f"/{name}")


def lay_out(machine: Machine) -> Bench:
    """Write both releases, and their tar files."""
    names = []
    for version in ("1.0", "2.0"):
        folder = machine.path(f"/{version}-tiny")
        names.append(tiny_wheels.lay_out(folder, version))
        tiny_wheels.pack(folder, machine.path(f"/{version}-tiny.tar"))
    return Bench(machine, *names)


@pytest.fixture(params=["model", pytest.param("real", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Give the model of pip and venv, and the real ones."""
    system = FakeSystem(tmp_path, python=tiny_wheels.PYTHON)
    if request.param == "model":
        return lay_out(system.machine)
    return lay_out(Machine(root=tmp_path, accounts=system, python=sys.executable))


@pytest.fixture
def modelled(tmp_path: Path) -> tuple[FakeSystem, Bench]:
    """Give the model alone."""
    system = FakeSystem(tmp_path, python=tiny_wheels.PYTHON)
    return system, lay_out(system.machine)


def test_two_releases_and_the_way_back(bench: Bench) -> None:
    """Both stand beside each other; `current` is switched, `previous` is the one before, and back again."""
    machine = bench.machine
    assert release.current(machine) is None
    release.make(machine, bench.offer(bench.first))
    assert release.switch(machine, bench.first)
    assert (release.current(machine), release.previous(machine)) == (bench.first, None)
    assert not release.switch(machine, bench.first)
    release.make(machine, bench.offer(bench.second, tar=True))
    assert release.current(machine) == bench.first
    assert release.switch(machine, bench.second)
    assert (release.current(machine), release.previous(machine)) == (bench.second, bench.first)
    release.make(machine, bench.offer(bench.first))
    release.switch(machine, bench.first)
    assert (release.current(machine), release.previous(machine)) == (bench.first, bench.second)
    assert not machine.path(f"{RELEASES}/.wheels").exists()


def test_programs_are_linked(bench: Bench) -> None:
    """The operator's programs are those of the current release, through it; links of others are left alone."""
    machine = bench.machine
    machine.path("/usr/local/bin").mkdir(parents=True)
    gone, other = machine.path("/usr/local/bin/masakari-gone"), machine.path("/usr/local/bin/masakari-other")
    gone.symlink_to("/opt/masakari/current/bin/masakari-gone")
    other.symlink_to("/somewhere/else")
    release.make(machine, bench.offer(bench.first))
    release.switch(machine, bench.first)
    link = machine.path("/usr/local/bin/masakari-manage")
    assert os.readlink(link) == "/opt/masakari/current/bin/masakari-manage"
    assert (gone.is_symlink(), other.is_symlink()) == (False, True)
    assert "/usr/local/bin/masakari-manage" in release.linked_programs(machine)


@pytest.mark.slow
def test_the_real_program_runs(tmp_path: Path) -> None:
    """What pip made runs through `current`, on what lies in its own release; a half-made one is made anew."""
    bench = lay_out(Machine(root=tmp_path, accounts=FakeSystem(tmp_path), python=sys.executable))
    machine = bench.machine
    half = machine.path(f"{RELEASES}/{bench.first}/bin")
    half.mkdir(parents=True)
    (half / "python").write_text("no program")
    release.make(machine, bench.offer(bench.first))
    release.switch(machine, bench.first)
    manage = machine.path("/opt/masakari/current/bin/masakari-manage")
    assert subprocess.run([manage], capture_output=True, text=True, check=True).stdout == "tiny 1.0\n"


@pytest.mark.slow
def test_real_wheels_that_were_changed_are_refused(tmp_path: Path) -> None:
    """A wheel whose hash is another is not installed, nothing stays of it, and the message names the resource."""
    bench = lay_out(Machine(root=tmp_path, accounts=FakeSystem(tmp_path), python=sys.executable))
    (wheel,) = bench.machine.path(f"/{bench.first}/any").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(Trouble, match=r"cannot install release 1\.0-tiny") as refused:
        release.make(bench.machine, bench.offer(bench.first))
    assert "resource wheels" in refused.value.problem.fix
    assert list(bench.machine.path(RELEASES).iterdir()) == []


@pytest.mark.parametrize("tar", [False, True], ids=["folder", "tar"])
def test_making_can_die_anywhere(tar: bool, modelled: tuple[FakeSystem, Bench]) -> None:
    """A hook killed while a release is made leaves one that counts for nothing, and the next hook makes it."""
    system, bench = modelled
    offer = bench.offer(bench.first, tar=tar)
    for number in range(2):
        system.dies_at = len(system.changes)
        with pytest.raises(Died):
            release.make(bench.machine, offer)
        system.dies_at = len(system.changes) + number
    system.lives()
    system.forget()
    release.make(bench.machine, offer)
    assert len(system.changes) == 2
    release.make(bench.machine, offer)
    assert len(system.changes) == 2


def test_the_oldest_goes(modelled: tuple[FakeSystem, Bench]) -> None:
    """Three releases stay: the current one, the one before, and the youngest of the others."""
    _, bench = modelled
    machine = bench.machine
    for number, name in enumerate("abcd"):
        folder = machine.path(f"{RELEASES}/{name}")
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    release.switch(machine, "a")
    assert sorted(path.name for path in machine.path(RELEASES).iterdir()) == ["a", "c", "d"]
    release.switch(machine, "c")
    machine.path(f"{RELEASES}/e").mkdir()
    release.switch(machine, "e")
    assert sorted(path.name for path in machine.path(RELEASES).iterdir()) == ["c", "d", "e"]


def test_a_python_without_wheels_is_named(modelled: tuple[FakeSystem, Bench]) -> None:
    """A unit whose Python no wheel is for is told which there are and what to do; nothing is left behind."""
    system, bench = modelled
    system.python = "3.14"
    with pytest.raises(
        Trouble, match=rf"has wheels for Python {tiny_wheels.PYTHON}, and this unit has 3\.14; deploy on"
    ):
        release.make(bench.machine, bench.offer(bench.first))
    assert system.changes == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"name": "../evil", "pythons": []}',
        '{"name": ".wheels", "pythons": []}',
        '{"name": 1, "pythons": 2}',
    ],
)
def test_a_description_that_is_none_is_refused(text: str, modelled: tuple[FakeSystem, Bench]) -> None:
    """Wheels without a usable description, as from another resource, are refused with what to attach."""
    _, bench = modelled
    bench.machine.path(f"/{bench.first}/release.json").write_text(text)
    with pytest.raises(Trouble, match=r"cannot use the wheels in /1\.0-tiny") as refused:
        bench.offer(bench.first)
    assert "make charms" in refused.value.problem.fix


def test_a_tar_that_is_cut_off_is_refused(modelled: tuple[FakeSystem, Bench]) -> None:
    """A tar file that ends in the middle leaves nothing behind."""
    _, bench = modelled
    tar = bench.machine.path(f"/{bench.first}.tar")
    offer = bench.offer(bench.first, tar=True)
    tar.write_bytes(tar.read_bytes()[:2000])
    with pytest.raises(Trouble, match="cannot unpack the wheels"):
        release.make(bench.machine, offer)
    assert list(bench.machine.path(RELEASES).iterdir()) == []


def test_a_tar_may_not_reach_outside(modelled: tuple[FakeSystem, Bench], tmp_path: Path) -> None:
    """A member that leads out of the folder is refused."""
    _, bench = modelled
    folder = bench.machine.path(f"/{bench.first}")
    (folder / "evil").symlink_to("/etc")
    tiny_wheels.pack(folder, bench.machine.path(f"/{bench.first}.tar"))
    with pytest.raises(Trouble, match="cannot unpack the wheels"):
        release.make(bench.machine, bench.offer(bench.first, tar=True))


def made(machine: Machine) -> list[str]:
    """Return what lies among the releases."""
    return sorted(path.name for path in machine.path(RELEASES).iterdir())


def test_a_release_that_is_there_is_not_made_again(modelled: tuple[FakeSystem, Bench]) -> None:
    """A second call runs no command and writes nothing, also where the wheels have gone in between."""
    system, bench = modelled
    offer = bench.offer(bench.first)
    release.make(bench.machine, offer)
    complete = bench.machine.path(f"{RELEASES}/{bench.first}/{release.COMPLETE}")
    before = complete.stat().st_mtime_ns
    system.forget()
    bench.machine.path(f"/{bench.first}").rename(bench.machine.path("/gone"))
    release.make(bench.machine, offer)
    assert (system.commands, complete.stat().st_mtime_ns) == ([], before)


def test_what_lay_half_made_is_thrown_away(modelled: tuple[FakeSystem, Bench]) -> None:
    """Nothing of an environment without its mark is used, as a hook that was killed leaves one behind."""
    _, bench = modelled
    half = bench.machine.path(f"{RELEASES}/{bench.first}")
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "masakari-evil").write_text("")
    release.make(bench.machine, bench.offer(bench.first))
    assert (half / release.COMPLETE).read_text() == f"{tiny_wheels.PYTHON}\n"
    assert not (half / "bin" / "masakari-evil").exists()


@pytest.mark.parametrize("tar", [False, True], ids=["folder", "tar"])
def test_pip_asks_no_index(tar: bool, modelled: tuple[FakeSystem, Bench]) -> None:
    """What is installed lies among the wheels, for every Python and for this one, and has the hash that is written down."""
    system, bench = modelled
    release.make(bench.machine, bench.offer(bench.first, tar=tar))
    (words,) = (words for words in system.changes if " pip install " in words)
    folder = f"{RELEASES}/.wheels" if tar else f"/{bench.first}"
    python = f"cp{tiny_wheels.PYTHON.replace('.', '')}"
    for part in (
        "--no-index",
        "--no-cache-dir",
        "--require-hashes",
        "--only-binary :all:",
        f"-f {folder}/any -f {folder}/{python}",
        f"-r {folder}/requirements.txt",
    ):
        assert f" {part}" in words
    assert made(bench.machine) == [bench.first]


@pytest.mark.parametrize("step", ["python3 -m venv", "python -m pip"])
@pytest.mark.parametrize("trouble", [Answer(code=1, err="it broke\n"), Answer(code=None), OSError(5, "I/O error")])
@pytest.mark.parametrize("tar", [False, True], ids=["folder", "tar"])
def test_a_failure_leaves_nothing_half_made(
    tar: bool, trouble: Answer | OSError, step: str, modelled: tuple[FakeSystem, Bench]
) -> None:
    """Whatever fails while a release is made: nothing of it stays, another that is there stays, and the next call makes it."""
    system, bench = modelled
    release.make(bench.machine, bench.offer(bench.second))
    offer = bench.offer(bench.first, tar=tar)
    system.answers[step] = trouble
    with pytest.raises((Trouble, OSError)):
        release.make(bench.machine, offer)
    assert made(bench.machine) == [bench.second]
    system.lives()
    release.make(bench.machine, offer)
    assert made(bench.machine) == [bench.first, bench.second]


def test_too_little_room_is_seen_before(modelled: tuple[FakeSystem, Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room is named with what there is and what is needed, before a program fills it."""
    system, bench = modelled
    usage = shutil.disk_usage("/")._replace(free=release.FULL_BYTES + 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        Trouble, match=r"no space left for release 1\.0-tiny: /opt/masakari has 16 MB, and 20 MB are"
    ) as full:
        release.make(bench.machine, bench.offer(bench.first))
    assert full.value.problem.fix == MAKE_ROOM
    assert system.changes == []


def test_a_switch_is_told_once(modelled: tuple[FakeSystem, Bench]) -> None:
    """Switching to what runs changes nothing, so that the way back is not lost by a second hook."""
    _, bench = modelled
    for name in (bench.first, bench.second):
        release.make(bench.machine, bench.offer(name))
        assert release.switch(bench.machine, name)
    for _ in range(2):
        assert not release.switch(bench.machine, bench.second)
    assert (release.current(bench.machine), release.previous(bench.machine)) == (bench.second, bench.first)


def test_a_switch_can_die_in_the_middle(modelled: tuple[FakeSystem, Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its two links, the release of before still runs, and the next hook switches."""
    _, bench = modelled
    for name in (bench.first, bench.second):
        release.make(bench.machine, bench.offer(name))
    release.switch(bench.machine, bench.first)
    real = files.link

    def dies(machine: Machine, path: str, target: str) -> bool:
        if path == release.CURRENT:
            raise Died(path)
        return real(machine, path, target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "link", dies)
        with pytest.raises(Died):
            release.switch(bench.machine, bench.second)
    assert release.current(bench.machine) == bench.first
    release.switch(bench.machine, bench.second)
    assert (release.current(bench.machine), release.previous(bench.machine)) == (bench.second, bench.first)


def test_the_one_before_is_kept_however_old(modelled: tuple[FakeSystem, Bench]) -> None:
    """The way back stays when it is the oldest of many."""
    _, bench = modelled
    for number, name in enumerate("abcde"):
        folder = bench.machine.path(f"{RELEASES}/{name}")
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    files.link(bench.machine, release.CURRENT, "releases/a")
    release.switch(bench.machine, "b")
    assert made(bench.machine) == ["a", "b", "e"]


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    """Put a member into a tar file."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = len(content), kind, "/etc/passwd"
    tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("first", ["requirements.txt", None], ids=["another", "none"])
def test_a_tar_begins_with_its_description(first: str | None, modelled: tuple[FakeSystem, Bench]) -> None:
    """A tar file of something else is refused by its first file: it is not read through, whatever its size."""
    _, bench = modelled
    with tarfile.open(bench.machine.path("/other.tar"), "w") as tar:
        if first is not None:
            add(tar, first, b"tiny\n")
    with pytest.raises(
        Trouble, match=r"cannot use the wheels in /other\.tar: ValueError: its first file is not release\.json"
    ):
        release.offered(bench.machine, "/other.tar")


@pytest.mark.parametrize("name", ["/etc/cron.d/evil", "../evil", "any/../../evil"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_a_tar_reaches_nowhere_else(name: str, kind: bytes, modelled: tuple[FakeSystem, Bench]) -> None:
    """A path that leads elsewhere is refused before anything of it is made."""
    refused_with(modelled[1], name, kind)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_a_tar_holds_files_only(kind: bytes, modelled: tuple[FakeSystem, Bench]) -> None:
    """A link or a device is refused: there are none among wheels."""
    refused_with(modelled[1], "any/odd", kind)


def refused_with(bench: Bench, name: str, kind: bytes) -> None:
    """Let a tar file with such a member be refused, and look that nothing stays."""
    offer = bench.offer(bench.first, tar=True)
    with tarfile.open(bench.machine.path(f"/{bench.first}.tar"), "a") as tar:
        add(tar, name, kind=kind)
    with pytest.raises(Trouble, match="is no plain file of it"):
        release.make(bench.machine, offer)
    assert made(bench.machine) == []
    assert not list(bench.machine.root.rglob("*evil*"))


def test_before_the_first_there_is_none(modelled: tuple[FakeSystem, Bench]) -> None:
    """A fresh machine has no release, and what lies there that is no link is none."""
    _, bench = modelled
    assert (release.current(bench.machine), release.previous(bench.machine)) == (None, None)
    bench.machine.path(release.CURRENT).mkdir(parents=True)
    assert release.current(bench.machine) is None
