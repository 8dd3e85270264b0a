"""The later release that the unit goes to: what makes it another one. Needs neither root nor packing."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory

from tests.systemd.releases import LATER, ROOT, copy_later, newest_step


def test_the_later_release_has_one_more_step(tmp_path: Path) -> None:
    """Its schema goes on where this tree's ends, with one step, and its version is another."""
    copy = copy_later(tmp_path / "copy")
    migrations = "src/vmha/adapters/db/migrations"
    here, there = (ScriptDirectory(str(tree / migrations)) for tree in (ROOT, copy))
    assert here.get_current_head() == newest_step(ROOT)
    (head,) = there.get_heads()
    assert there.get_revision(head).down_revision == newest_step(ROOT)
    assert (copy / "src/vmha/__init__.py").read_text().rstrip().endswith(f'"{LATER}"')
