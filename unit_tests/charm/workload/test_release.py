"""Environments beside each other: on the model of pip, and the same with the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from masakari_charm.plan import RELEASES
from masakari_charm.workload import release
from masakari_charm.workload.machine import Machine, Trouble
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
