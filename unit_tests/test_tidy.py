"""The house rules that a program can check: lengths, imports, orphans, reasons, pins, what may not land."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "src" / "vmha"
# The longest that still fits on a screen, and the longest that is still read in one sitting.
FUNCTION_LINES = 60
FILE_LINES = 400
# A table is looked up, not read: the charm takes the options as one file, and they grow with each; an enumeration is one class.
TABLES = frozenset({SERVICE / "options.py", SERVICE / "core" / "codes.py"})
# What the core may take from the standard library: data, types, arithmetic; nothing that touches the world.
PURE = frozenset(
    """
    __future__ abc bisect collections copy dataclasses enum fractions functools hashlib heapq itertools json
    math operator re statistics string textwrap types typing unicodedata
    """.split()  # noqa: SIM905 (a list of so many names would be as many lines)
)
# An option is plain data, so that the charm can read the table without the service.
PLAIN = frozenset({"__future__", "collections", "dataclasses", "enum", "types", "typing"})


def python_files(*folders: str) -> list[Path]:
    """Return the project's Python files below these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def label(path: Path) -> str:
    """Name a file in a test's id by its place in the tree."""
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function in a tree, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(path: Path) -> set[str]:
    """Return every module that a file names in an import, and `module.name` for each name taken from one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the service."""
    parts = path.relative_to(SERVICE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def pins(name: str) -> dict[str, list[str]]:
    """Return a requirement file as pinned requirement -> its hashes."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        text = line.strip().removesuffix("\\").strip()
        if text.startswith("--hash="):
            found[next(reversed(found))].append(text)
        elif text:
            found[text] = []
    return found


def tracked_files() -> list[Path]:
    """Return the files that are, or would be, committed."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=30)
    names = {name for name in answer.stdout.decode().split("\0") if name}
    return sorted(path for name in names if (path := ROOT / name).is_file() and path.name != "LICENSE")


@pytest.mark.parametrize("path", python_files("src"), ids=label)
def test_functions_fit_on_a_screen(path: Path) -> None:
    """No function of the source is longer than a screen."""
    long = {
        f"{node.name} at line {node.lineno}": length
        for node in functions(ast.parse(path.read_text()))
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert not long, f"longer than {FUNCTION_LINES} lines: {long}"


@pytest.mark.parametrize("path", python_files("src"), ids=label)
def test_files_are_read_in_one_sitting(path: Path) -> None:
    """No file of the source is longer than a sitting, but for tables."""
    assert path in TABLES or len(path.read_text().splitlines()) <= FILE_LINES


def test_every_module_is_used() -> None:
    """Every module is reached by imports, or by its name, from a console script or a verb of the Makefile."""
    modules = {module_name(path): path for path in python_files("src/vmha") if "migrations" not in path.parts}
    reached: set[str] = set()
    waiting = [name for name in entry_points() if name in modules]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        package = name.rpartition(".")[0]
        waiting += [found for found in (package, *named_modules(modules[name])) if found in modules]
    orphans = sorted(set(modules) - reached)
    assert not orphans, f"nothing leads to {orphans}"


def entry_points() -> set[str]:
    """Return the modules that are started by name: console scripts, entry points, the Makefile's `-m`, `__main__`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    scripts = [target for group in (project["scripts"], *project["entry-points"].values()) for target in group.values()]
    verbs = re.findall(r"-m (vmha[\w.]*)", (ROOT / "Makefile").read_text())
    # What WSGI servers are told to import under upstream's name.
    served = {name for path in python_files("src/masakari") for name in imports(path)}
    started = {target.partition(":")[0] for target in scripts} | set(verbs) | served
    return started | {f"{name}.__main__" for name in started} | {"vmha.__main__"}


def named_modules(path: Path) -> set[str]:
    """Return what a file imports, and what it names in a string to start it as a process."""
    return imports(path) | set(re.findall(r"\bvmha(?:\.\w+)+", path.read_text()))


@pytest.mark.parametrize("path", python_files("src/vmha/core"), ids=label)
def test_core_imports_nothing_that_touches_the_world(path: Path) -> None:
    """The core imports itself, the errors and the pure part of the standard library, and nothing else."""
    foreign = {
        name
        for name in imports(path)
        if name.split(".")[0] not in PURE and not name.startswith(("vmha.core", "vmha.errors"))
    }
    assert not foreign


def test_options_and_the_package_root_are_plain_data() -> None:
    """Reading the option table loads neither the rest of the service nor any library."""
    for path in (SERVICE / "options.py", SERVICE / "upstream.py", SERVICE / "__init__.py"):
        assert {name.split(".")[0] for name in imports(path)} <= PLAIN, path


def test_scenarios_say_why() -> None:
    """There are scenarios, and each opens with the reason why it is there."""
    scenarios = sorted((ROOT / "unit_tests" / "scenarios").rglob("*.scenario"))
    assert scenarios
    for path in scenarios:
        lines = (line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))
        key, _, reason = next(lines, "").partition(":")
        assert key == "why", f"{label(path)} does not open with why:"
        assert len(reason.split()) > 2 or next(lines, "").startswith(" "), f"{label(path)} gives no reason"


@pytest.mark.parametrize("path", python_files("unit_tests", "tests"), ids=label)
def test_tests_say_what_holds(path: Path) -> None:
    """Every test module and every test has a docstring."""
    tree = ast.parse(path.read_text())
    silent = [node.name for node in functions(tree) if node.name.startswith("test_") and not ast.get_docstring(node)]
    if path.name.startswith("test_") and not ast.get_docstring(tree):
        silent.append("the module")
    assert not silent


def test_console_scripts_exist() -> None:
    """Every console script and entry point names a function that is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group in (project["scripts"], *project["entry-points"].values()):
        for target in group.values():
            module, _, function = target.partition(":")
            assert callable(getattr(importlib.import_module(module), function))


def test_every_pin_has_a_version_and_hashes() -> None:
    """Every requirement is pinned to one version and to the hashes of its files."""
    for name in ("service.txt", "charm.txt", "test.txt"):
        loose = [pin for pin, hashes in pins(name).items() if "==" not in pin or not hashes]
        assert not loose, name


def test_the_tests_run_on_the_pins_of_the_service() -> None:
    """The environment of the tests holds the very versions that the service is installed with."""
    assert pins("service.txt").items() <= pins("test.txt").items()


def test_one_version_serves_service_charm_and_tests() -> None:
    """What the charm is tested with is what it is packed with, and what it shares with the service is the same."""
    charm = pins("charm.txt")
    tested = {pin.partition("==")[0]: pin for pin in pins("test.txt")}
    assert not [pin for pin in charm if tested.get(pin.partition("==")[0], pin) != pin]
    # charmhelpers is no wheel, and what only it needs is in no test.
    assert {pin.partition("==")[0] for pin in charm} - set(tested) <= {"charmhelpers", "netaddr", "pbr"}


def test_nothing_names_this_machine_or_an_index() -> None:
    """No committed file names a package index, a home or a workplace: a clone works wherever it stands."""
    # Each in two halves, so that this file does not name them either.
    halves = (
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ("--find", "-links"),
        ("pypi.org/", "simple"),
        ("files.python", "hosted"),
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/wo", "rk/"),
        ("/opt/", "pypi"),
        ("/opt/", "wheels"),
    )
    forbidden = re.compile("|".join(rf"(?<![\w.]){re.escape(first + second)}" for first, second in halves))
    found = [
        f"{label(path)}:{number}: {line.strip()[:100]}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert not found
