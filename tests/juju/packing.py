"""Packs the sample charm into a zip like charmcraft's, with the ops framework of the tests' own environment inside."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample_charm"
# What ops imports; all of it runs without compiled parts.
LIBRARIES = ("ops", "yaml", "websocket", "opentelemetry", "typing_extensions", "importlib_metadata", "zipp")


def pack(target: Path, *, greeting: str = "hello") -> Path:
    """Write the charm; another default greeting makes another charm to refresh to."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(SAMPLE.rglob("*")):
            if path.is_file() and path.name != "config.yaml" and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(SAMPLE))
        for name in LIBRARIES:
            for path in library(name):
                archive.write(path, Path("venv") / path.relative_to(library_root(name)))
        config = (SAMPLE / "config.yaml").read_text().replace("default: hello", f"default: {greeting}")
        archive.writestr("config.yaml", config)
    return target


def library_root(name: str) -> Path:
    """Return the folder in which a library lies."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(name)
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    assert spec.origin
    return Path(spec.origin).parent


def library(name: str) -> list[Path]:
    """Return the Python files of a library; none where this Python needs no such library."""
    if importlib.util.find_spec(name) is None:
        return []
    root = library_root(name)
    files = [root / f"{name}.py"] if (root / f"{name}.py").is_file() else list((root / name).rglob("*.py"))
    # opentelemetry finds its parts by the entry points of its distribution.
    files += [path for info in root.glob(f"{name}_api-*.dist-info") for path in info.rglob("*") if path.is_file()]
    return sorted(files)
