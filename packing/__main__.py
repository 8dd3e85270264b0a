"""Packs the masakari charm of a tree: lays everything out, lets charmcraft pack it, and evens out what two packs would differ in.

    dist/masakari.charm                the charm: code, its pure Python libraries, wheels of the service for Python 3.11 and 3.12
    dist/wheels-VERSION-DIGEST.tar     the same wheels, as the charm's resource `wheels` takes them; those of before are removed

Rules:
1. Two packs of one commit hold the same files with the same bytes. Times are the commit's, modes are two, the order is sorted.
2. Everything that comes from a package index is pinned by hash in requirements/. What was fetched is kept in .packing/, and so are the
   youngest packs, for the test suites.
3. Without charmcraft there is no charm: there is no second way to pack it, and a step that cannot be done says what it needs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from packing.commands import CannotPack
from packing.pack import pack

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Pack, and say where the files are; exit 1 with one line where it cannot be done."""
    parser = argparse.ArgumentParser(prog="packing", description="Packs the masakari charm.")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the sources to pack (default: this tree)")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the charm goes (default: dist)")
    options = parser.parse_args()
    try:
        packed = pack(options.tree.resolve(), options.output.resolve(), work=ROOT / ".packing")
    except CannotPack as error:
        print(f"packing: {error}", file=sys.stderr)
        return 1
    for path in (packed.charm, packed.wheels):
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
