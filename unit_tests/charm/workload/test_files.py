"""Files are written whole, or not at all, and only where they differ."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from masakari_charm.plan import File
from masakari_charm.workload import files
from unit_tests.charm.workload.fake_system import FakeSystem

SECRET = File(path="/etc/masakari/secret", content="pässword\n", mode=0o600)


def test_a_file_gets_its_content_and_mode(system: FakeSystem) -> None:
    """The first write makes the folder and the file, the second finds nothing to do."""
    assert files.write(system.machine, SECRET)
    place = system.machine.path(SECRET.path)
    assert place.read_text(encoding="utf-8") == SECRET.content
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    inode = place.stat().st_ino
    assert not files.write(system.machine, SECRET)
    assert place.stat().st_ino == inode


def test_a_mode_that_was_changed_is_put_right(system: FakeSystem) -> None:
    """A file with the right content that others may read is written again."""
    files.write(system.machine, SECRET)
    system.machine.path(SECRET.path).chmod(0o644)
    assert files.write(system.machine, SECRET)
    assert stat.S_IMODE(system.machine.path(SECRET.path).stat().st_mode) == 0o600


def test_a_link_is_replaced_and_not_followed(system: FakeSystem) -> None:
    """Where a link stands a file is put; what the link leads to is not touched."""
    target = system.machine.path("/target")
    target.write_text("mine")
    place = system.machine.path(SECRET.path)
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    assert files.write(system.machine, SECRET)
    assert (place.is_symlink(), target.read_text()) == (False, "mine")


def test_the_rest_of_a_dead_hook_is_in_nobodys_way(system: FakeSystem) -> None:
    """A half-written file of a hook that died is overwritten, and does not stay."""
    place = system.machine.path(SECRET.path)
    place.parent.mkdir(parents=True)
    (place.parent / ".secret.fresh").write_text("half")
    files.write(system.machine, SECRET)
    assert [path.name for path in place.parent.iterdir()] == ["secret"]


def test_a_full_disk_leaves_the_old_file(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the old content stays whole, and no half file stays beside it."""
    files.write(system.machine, SECRET)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(system.machine, File(path=SECRET.path, content="new\n"))
    place = system.machine.path(SECRET.path)
    assert place.read_text(encoding="utf-8") == SECRET.content
    assert [path.name for path in place.parent.iterdir()] == ["secret"]


def test_a_link_is_moved_in_one_step(system: FakeSystem) -> None:
    """A link that leads elsewhere is changed, one that is right is left alone."""
    assert files.link(system.machine, "/a/link", "one")
    assert files.link(system.machine, "/a/link", "two")
    assert not files.link(system.machine, "/a/link", "two")
    assert os.readlink(system.machine.path("/a/link")) == "two"


def test_removal_takes_what_is_there(system: FakeSystem) -> None:
    """Files, links and folders go; what a link leads to stays, and what is not there is no trouble."""
    folder = system.machine.path("/folder")
    folder.mkdir()
    (folder / "file").write_text("")
    Path(system.machine.path("/link")).symlink_to(folder)
    assert files.remove(system.machine, "/link")
    assert (folder / "file").exists()
    assert files.remove(system.machine, "/folder")
    assert not files.remove(system.machine, "/folder")
