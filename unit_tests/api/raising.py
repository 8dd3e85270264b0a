"""Finds where the API makes its errors, in the source, and which of those places a run came by."""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isclass, isfunction
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, get_type_hints

from unit_tests.test_tidy import SERVICE, imports, module_name
from vmha.api import faults
from vmha.errors import ConfigurationError, VmhaError

PLACES = ("vmha.api", "vmha.adapters.db")
FIRST = "vmha.api.app"


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A call in the source that makes an error: the file below src/vmha, its lines, and what is called."""

    file: str
    first_line: int
    last_line: int
    made: str

    def __str__(self) -> str:
        """Name it as an editor opens it."""
        return f"{self.file}:{self.first_line} {self.made}"


def sites() -> set[Site]:
    """Return every place of the API, and of what it uses of adapters/db, that makes an error which becomes an answer."""
    return {site for module in modules() if module is not faults for site in _sites(module)}


def modules() -> list[ModuleType]:
    """Return the modules of both places that the API imports, and those that they import."""
    return [importlib.import_module(name) for name in sorted(_reached())]


def _reached() -> set[str]:
    files = {module_name(path): path for path in SERVICE.rglob("*.py")}
    reached: set[str] = set()
    waiting = [FIRST]
    while waiting:
        name = waiting.pop()
        if name in files and name.startswith(PLACES) and name not in reached:
            reached.add(name)
            waiting += imports(files[name])
    return reached


def _sites(module: ModuleType) -> Iterator[Site]:
    path = Path(str(module.__file__))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and _makes_an_answer(resolved(node.func, module)):
            yield Site(
                str(path.relative_to(SERVICE)), node.lineno, node.end_lineno or node.lineno, ast.unparse(node.func)
            )


def resolved(function: ast.expr, module: ModuleType) -> Any:
    """Return what a name, plain or dotted, stands for in a module."""
    if isinstance(function, ast.Name):
        return getattr(module, function.id, getattr(builtins, function.id, None))
    if isinstance(function, ast.Attribute):
        return getattr(resolved(function.value, module), function.attr, None)
    return None


def _makes_an_answer(called: Any) -> bool:
    """Tell an error of ours, or what returns one. A configuration that cannot be used is no answer: the API does not start."""
    if isclass(called):
        return issubclass(called, VmhaError) and not issubclass(called, ConfigurationError)
    return (
        isfunction(called)
        and called.__module__ == faults.__name__
        and get_type_hints(called).get("return") is faults.Fault
    )


def is_foreign(raised: Any) -> bool:
    """Tell an error that is none of ours."""
    return isclass(raised) and not issubclass(raised, VmhaError)


@contextmanager
def watched() -> Iterator[set[tuple[str, int]]]:
    """Collect the file and line of whoever makes an error of ours, until the end of the context."""
    seen: set[tuple[str, int]] = set()

    def note(self: VmhaError, *arguments: object) -> None:
        Exception.__init__(self, *arguments)
        seen.add(_maker(sys._getframe(1)))

    VmhaError.__init__ = note  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del VmhaError.__init__


def _maker(frame: FrameType | None) -> tuple[str, int]:
    """Go up to the first caller that is neither a constructor nor a function that only makes faults."""
    while frame is not None and (frame.f_code.co_name == "__init__" or frame.f_code.co_filename == faults.__file__):
        frame = frame.f_back
    assert frame is not None
    path = Path(frame.f_code.co_filename)
    return (str(path.relative_to(SERVICE)) if path.is_relative_to(SERVICE) else str(path), frame.f_lineno)
