"""Packages and archives: what is missing comes, from where the operator says."""

from __future__ import annotations

import pytest

from masakari_charm.workload import origin, packages
from masakari_charm.workload.machine import Answer, Trouble
from unit_tests.charm.workload.fake_system import FakeSystem

NOBLE = 'NAME="Ubuntu"\nVERSION_CODENAME=noble\n'


def test_only_what_is_missing_is_installed(system: FakeSystem) -> None:
    """Packages that are there are not asked for again, and with all of them there apt is not run."""
    system.packages.add("haproxy")
    packages.install(system.machine, "distro", ("haproxy", "python3-venv"))
    assert system.changes[-1].endswith(" install --no-install-recommends python3-venv")
    system.forget()
    packages.install(system.machine, "distro", ("haproxy", "python3-venv"))
    assert system.changes == []


def test_an_archive_that_is_away_is_tolerated(system: FakeSystem) -> None:
    """Where the lists cannot be fetched, packages come from the lists of before."""
    system.answers["apt-get -y -q -o DPkg::Lock::Timeout=300 update"] = Answer(code=100, err="E: away\n")
    packages.install(system.machine, "distro", ("haproxy",))
    assert "haproxy" in system.packages


def test_a_package_that_cannot_be_had_is_named(system: FakeSystem) -> None:
    """apt's last words and what to do are the trouble."""
    words = "apt-get -y -q -o DPkg::Lock::Timeout=300 -o"
    system.answers[words] = Answer(code=100, err="E: Unable to locate package haproxy\n")
    with pytest.raises(
        Trouble, match=r"cannot install haproxy: .*Unable to locate package haproxy; see that this unit"
    ):
        packages.install(system.machine, "distro", ("haproxy",))


def test_an_archive_is_added_once(system: FakeSystem) -> None:
    """A new openstack-origin is added and its lists are fetched, once; another one again."""
    system.machine.path("/etc").mkdir()
    system.machine.path("/etc/os-release").write_text(NOBLE)
    added: list[str] = []
    for archive in ("cloud:noble-epoxy", "cloud:noble-epoxy", "caracal", "cloud:noble-flamingo"):
        packages.install(system.machine, archive, (), add_archive=added.append)
    assert added == ["cloud-archive:cloud-archive:epoxy", "cloud-archive:cloud-archive:flamingo"]
    assert [words.split()[-1] for words in system.changes] == ["update", "update"]


def test_upgrade_touches_nothing_else(system: FakeSystem) -> None:
    """The action upgrades the charm's packages where they are installed, and no others."""
    packages.upgrade(system.machine, ("haproxy",))
    assert system.changes[-1].endswith(" install --no-install-recommends --only-upgrade haproxy")


@pytest.mark.parametrize(
    ("archive", "wanted"),
    [
        ("distro", "distro"),
        ("caracal", "distro"),
        ("cloud:caracal", "distro"),
        ("cloud:noble-caracal", "distro"),
        ("epoxy", "cloud-archive:cloud-archive:epoxy"),
        ("cloud:epoxy", "cloud-archive:cloud-archive:epoxy"),
        ("cloud-archive:epoxy", "cloud-archive:cloud-archive:epoxy"),
        ("proposed", "proposed"),
        ("cloud:noble-updates/epoxy", "cloud:noble-updates/epoxy"),
        ("ppa:me/mine", "ppa:me/mine"),
        ("deb http://mirror/ubuntu noble main", "deb http://mirror/ubuntu noble main"),
    ],
)
def test_the_grammar_of_openstack_origin(archive: str, wanted: str) -> None:
    """The series' own release changes nothing, newer ones come from the cloud archive, the rest is charmhelpers' own."""
    assert origin.resolve(archive, NOBLE) == wanted


def test_another_series_is_refused() -> None:
    """An archive for another series is refused with the option's name."""
    with pytest.raises(Trouble, match="openstack-origin cloud:jammy-epoxy is not for noble; correct the option"):
        origin.resolve("cloud:jammy-epoxy", NOBLE)


def test_charmhelpers_refuses_other_systems() -> None:
    """Where charmhelpers is missing, or does not know the system, the trouble names the option: no traceback."""
    with pytest.raises(Trouble, match="openstack-origin"):
        origin.add("no-such-thing")
