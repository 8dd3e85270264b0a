"""The agent's end of the hook tools: a unix socket per unit, one call after another."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.juju.standin.tools import Answer

Handler = Callable[[str, str, str, list[str], str], Answer]
"""Answers a call: name, context id, folder, arguments, standard input."""


class Server:
    """Listens on a socket and answers each call in a thread of its own; the handler keeps the order."""

    def __init__(self, path: Path, handler: Handler) -> None:
        """Listen at once."""
        self.path = path
        self._handler = handler
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A path below a test's folder may be longer than a socket's name may be; one by a descriptor is not.
        with folder_name(path.parent) as folder:
            self._listener.bind(f"{folder}/{path.name}")
        path.chmod(0o666)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, name=f"agent {path}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=60)
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Read a call, answer it. A caller that was killed meanwhile gets no answer."""
        with connection:
            try:
                call = read_call(connection)
                if call is None:
                    return
                fields, standard_input = call
                name, context, folder, *arguments = fields
                answer = self._handler(name, context, folder, arguments, standard_input)
                output = answer.output.encode("utf-8", "surrogateescape")
                errors = answer.errors.encode("utf-8", "surrogateescape")
                connection.sendall(b"%d %d\n" % (answer.code, len(output)) + output + errors)
            except (BrokenPipeError, ConnectionResetError):
                return


def read_call(connection: socket.socket) -> tuple[list[str], str] | None:
    """Return the fields of a call and its standard input, None from a caller that went away."""
    with connection.makefile("rb") as stream:
        first = stream.readline().split()
        if len(first) != 2:
            return None
        head, standard_input = (stream.read(int(length)) for length in first)
    fields = [field.decode("utf-8", "surrogateescape") for field in head.split(b"\0")]
    return fields, standard_input.decode("utf-8", "surrogateescape")


@contextmanager
def folder_name(folder: Path) -> Iterator[str]:
    """A short name of a folder while the block runs."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
