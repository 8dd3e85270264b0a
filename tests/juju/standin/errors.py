"""What can go wrong in the stand-in, by who has to do something about it."""

from __future__ import annotations


class JujuError(Exception):
    """The stand-in was asked for something that cannot be; the message says what there is instead."""


class ToolError(Exception):
    """A hook tool refuses: the text goes to its standard error after `ERROR `.

    `code` is Juju's: 2 where the arguments are wrong, 1 where the command failed.
    """

    def __init__(self, text: str, *, code: int = 1) -> None:
        """Keep the text as Juju words it."""
        super().__init__(text)
        self.code = code
