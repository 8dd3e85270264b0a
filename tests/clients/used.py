"""What the tests have called of openstacksdk's proxy, so that one of them can name what none has called."""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Used:
    """The methods that came to an end without an error, each with the names of all arguments that it was given so far."""

    def __init__(self) -> None:
        self.methods: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, method: str, arguments: dict[str, Any]) -> None:
        """Write down a call that has come to its end."""
        self.methods[method].update(arguments)


class Watched:
    """openstacksdk's proxy as it is; what is called through it is written down."""

    def __init__(self, proxy: Any, used: Used) -> None:
        self._proxy = proxy
        self._used = used

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._proxy, name)
        if not inspect.ismethod(attribute):
            return attribute

        def call(*values: Any, **arguments: Any) -> Any:
            answer = attribute(*values, **arguments)
            if inspect.isgenerator(answer):
                return self._to_its_end(answer, name, arguments)
            self._used.note(name, arguments)
            return answer

        return call

    def _to_its_end(self, items: Iterator[Any], name: str, arguments: dict[str, Any]) -> Iterator[Any]:
        """Hand on what is listed; a list has come to its end when somebody has read it."""
        yield from items
        self._used.note(name, arguments)
