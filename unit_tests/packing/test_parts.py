"""The parts of packing that need no index: what is chosen, what is evened out, what is copied."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from packing import even, pack, tree, wheels
from packing.commands import CannotPack, run
from packing.requirements import pins

ROOT = Path(__file__).resolve().parents[2]

PINNED = """\
# a comment
one==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
two==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:cc
three==3.0 ; sys_platform == 'win32' or implementation_name == 'pypy' \\
    --hash=sha256:dd
"""


def test_pins_are_those_of_the_python_that_is_packed_for() -> None:
    """Conditions are evaluated for the charm's Python and platform, not for those of whoever packs, and are dropped."""
    assert [str(pin) for pin in pins(PINNED, python="3.11")] == ["one==1.0 --hash=sha256:aa --hash=sha256:bb"]
    assert [pin.name for pin in pins(PINNED, python="3.12")] == ["one", "two"]


@pytest.mark.parametrize("name", ["service", "charm"])
def test_every_pin_of_ours_can_be_read(name: str) -> None:
    """The requirement files are read whole: each pin has a version and hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = pins(text, python="3.12")
    assert len(found) > 5
    assert all(pin.version and pin.hashes for pin in found)


def zipped(path: Path, names: list[str], *, manifest: str, mode: int) -> Path:
    """Write a zip as a tool would, with times, modes and an order of its own."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            entry = zipfile.ZipInfo(name, date_time=(2026, 1, len(names), 0, 0, 0))
            entry.external_attr = (stat.S_IFREG | mode) << 16
            file.writestr(entry, manifest if name == even.MANIFEST else f"content of {name}")
    return path


def test_zips_of_the_same_files_are_the_same(tmp_path: Path) -> None:
    """Order, times, modes but for the executable bit, folders, and charmcraft's own clock make no difference."""
    first = zipped(
        tmp_path / "1",
        ["b", even.MANIFEST, "a"],
        manifest="charmcraft-started-at: '2026-01-01'\nbases: []\n",
        mode=0o600,
    )
    second = zipped(
        tmp_path / "2",
        ["x/", "a", "b", even.MANIFEST],
        manifest="charmcraft-started-at: '2027'\nbases: []\n",
        mode=0o664,
    )
    for source in (first, second):
        even.rewrite_zip(source, source.with_suffix(".even"), seconds=1_700_000_000)
    assert (tmp_path / "1.even").read_bytes() == (tmp_path / "2.even").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.even") as file:
        assert file.namelist() == ["a", "b", even.MANIFEST]
        assert {entry.date_time for entry in file.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        assert file.read(even.MANIFEST) == b"charmcraft-started-at: '2023-11-14T22:13:20Z'\nbases: []\n"


def test_what_can_be_executed_stays_so(tmp_path: Path) -> None:
    """dispatch keeps its bit."""
    source = zipped(tmp_path / "1", ["dispatch"], manifest="", mode=0o700)
    even.rewrite_zip(source, tmp_path / "2", seconds=0)
    with zipfile.ZipFile(tmp_path / "2") as file:
        assert stat.S_IMODE(file.infolist()[0].external_attr >> 16) == 0o755
    assert os.access(ROOT / "dispatch", os.X_OK)


def test_a_tar_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    """The description comes first, since a unit reads only that far on most hooks; owner and time are nobody's."""
    folder = tmp_path / "wheels"
    (folder / "any").mkdir(parents=True)
    (folder / "release.json").write_text("{}")
    (folder / "any" / "a.whl").write_text("wheel")
    even.write_tar(folder, tmp_path / "1.tar", first=("release.json",))
    os.utime(folder / "any" / "a.whl", (1, 1))
    even.write_tar(folder, tmp_path / "2.tar", first=("release.json",))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert [(each.name, each.uid, each.mtime) for each in tar] == [("release.json", 0, 0), ("any/a.whl", 0, 0)]


def test_a_release_is_named_after_its_content(tmp_path: Path) -> None:
    """Another byte, or another name, is another digest; the same files elsewhere are the same."""
    digests = []
    for number, (name, text) in enumerate((("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(text)
        digests.append(wheels.digest_of(folder))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_wheels_for_every_python_are_packed_once(tmp_path: Path) -> None:
    """A wheel that each Python got is shared; one that only one of them got is not."""
    for python, names in (("3.11", ("pure.whl", "old.whl")), ("3.12", ("pure.whl", "new.whl"))):
        (tmp_path / wheels.tag(python)).mkdir()
        for name in names:
            (tmp_path / wheels.tag(python) / name).touch()
    assert list(wheels.shared(tmp_path)) == [("pure.whl", "cp311")]


def test_only_sources_are_copied(tmp_path: Path) -> None:
    """What git ignores is not packed; what is new and not ignored is. Modes lose the umask of whoever checked out."""
    for name, text in ((".gitignore", "*.log\n"), ("src/a.py", ""), ("src/b.log", ""), ("run", "")):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    (tmp_path / "tree" / "run").chmod(0o700)
    subprocess.run(("git", "init", "-q", str(tmp_path / "tree")), check=True, timeout=60)
    tree.copy_files(tmp_path / "tree", tmp_path / "copy", ("src", "run"))
    copied = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert copied == {"src/a.py", "run"}
    assert stat.S_IMODE((tmp_path / "copy" / "run").stat().st_mode) == 0o755


def test_a_place_that_is_missing_is_named(tmp_path: Path) -> None:
    """A tree without a part of the charm is refused with the part's name."""
    with pytest.raises(CannotPack, match="there is no dispatch in"):
        tree.copy_files(tmp_path, tmp_path / "copy", ("dispatch",))


def test_sources_are_the_same_or_not(tmp_path: Path) -> None:
    """The checksum of a tree is that of its paths, contents and what can be executed; who may read it does not count."""
    digests = []
    for number, (name, text, mode) in enumerate(
        (("a", "1", 0o644), ("a", "1", 0o600), ("a", "1", 0o755), ("a", "2", 0o644), ("b", "1", 0o644))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
        digests.append(tree.digest(folder))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_the_youngest_packs_stay(tmp_path: Path) -> None:
    """Of packs that are kept the ones that were used last stay."""
    for number in range(pack.KEPT + 2):
        (tmp_path / f"{number}").mkdir()
        os.utime(tmp_path / f"{number}", (number, number))
    os.utime(tmp_path / "0", (100, 100))
    pack._prune(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"0", *map(str, range(3, pack.KEPT + 2))}


def test_a_step_that_fails_says_what_it_needs() -> None:
    """A program that is missing, or fails, is one message with the reason in front and its last words."""
    with pytest.raises(CannotPack, match=r"it needs this: .*nothing"):
        run(("/nothing",), why="it needs this")
    with pytest.raises(CannotPack, match=r"it needs this: .* failed with 1\n  last words"):
        run((sys.executable, "-c", "import sys; sys.exit('last words')"), why="it needs this")


def test_everything_that_is_packed_is_there() -> None:
    """Every file and folder of the charm is among the sources."""
    known = tree.sources(ROOT)
    for place in pack.SOURCES:
        assert any(name == place or name.startswith(f"{place}/") for name in known), place


def test_the_charms_readme_is_complete() -> None:
    """It names every endpoint and every action, and links to nothing that a packed charm does not have."""
    text = (ROOT / pack.README).read_text()
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())
    endpoints = {name for side in ("requires", "provides", "peers") for name in metadata[side]}
    actions = set(yaml.safe_load((ROOT / "actions.yaml").read_text()))
    assert endpoints | actions <= set(re.findall(r"`([a-z-]+)`", text))
    assert re.findall(r"\]\((?!https:)", text) == []


def test_the_charm_imports_only_what_is_packed() -> None:
    """Of the service, no module of the charm names anything but the table of options and the version."""
    packed = {"vmha", "vmha.__version__", "vmha.options"}
    files = [
        ROOT / "src" / "charm.py",
        *(ROOT / "src" / "masakari_charm").rglob("*.py"),
        *(ROOT / "actions").glob("*.py"),
    ]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module]
            assert not [name for name in names if name.split(".")[0] == "vmha" and name not in packed], file
