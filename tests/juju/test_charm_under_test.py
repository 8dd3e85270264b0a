"""Which charm the suite runs: the packed one, and nothing else unknown to whoever reads the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from packing.commands import CannotPack
from packing.pack import Packed
from tests.juju import masakari


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody named a charm, and this is no CI."""
    for name in ("JUJU_CHARM", "CI"):
        monkeypatch.delenv(name, raising=False)


def cannot_pack(*_: object, **__: object) -> Packed:
    """Be a machine on which nothing can be packed."""
    raise CannotPack("there is no python3-apt")


def test_a_named_charm_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """JUJU_CHARM names one, and then nothing is packed."""
    monkeypatch.setattr(masakari, "kept", cannot_pack)
    monkeypatch.setenv("JUJU_CHARM", "/some/masakari.charm")
    assert masakari.find_charm(tmp_path) == (Path("/some/masakari.charm"), "JUJU_CHARM: /some/masakari.charm")


def test_the_pack_of_this_tree_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else it is the one that the suites share."""
    packed = Packed(tmp_path / "masakari.charm", tmp_path / "wheels.tar", "1.0")

    def shared(source: Path, *, work: Path) -> Packed:
        assert (source, work) == (masakari.ROOT, masakari.ROOT / ".packing")
        return packed

    monkeypatch.setattr(masakari, "kept", shared)
    assert masakari.find_charm(tmp_path)[0] == packed.charm


def test_without_a_pack_the_tree_is_run_and_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing can be packed the tree is laid out, and pytest's summary tells so, with the reason."""
    monkeypatch.setattr(masakari, "kept", cannot_pack)
    with pytest.warns(UserWarning, match="laid out as packed, since it cannot be packed here: there is no python3-apt"):
        found = masakari.unpacked(tmp_path)
    assert (found / "dispatch").is_file()
    assert (found / "lib" / "ops").is_dir()


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_in_ci_there_is_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    """With CI=true the suite fails where nothing can be packed."""
    monkeypatch.setattr(masakari, "kept", cannot_pack)
    monkeypatch.setenv("CI", value)
    with pytest.raises(CannotPack, match="there is no python3-apt"):
        masakari.find_charm(tmp_path)
