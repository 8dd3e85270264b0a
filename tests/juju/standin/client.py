#!/usr/bin/python3 -SEs
"""The program under the name of every hook tool and every recorder: it hands its call to the model and prints the answer.

It starts some twenty times a hook, so it imports only what is built into the interpreter. The call goes as fields
with a NUL byte between them: name, context, folder, arguments; then an empty line and the standard input.
"""

import _socket
import posix
import sys

SOCKET = "/run/standin/agent.sock"


def main() -> None:
    """Send the call, print what comes back and end as it says."""
    name = posix.environ.get(b"STANDIN_NAME", b"").decode() or sys.argv[0].rpartition("/")[2]
    arguments = [argument.encode("utf-8", "surrogateescape") for argument in sys.argv[1:]]
    context = posix.environ.get(b"JUJU_CONTEXT_ID", b"")
    path = posix.environ.get(b"STANDIN_SOCKET", SOCKET.encode())
    # Only a tool that is told to reads: a hook's own standard input may never end.
    reads = b"--file=-" in arguments or b"\0--file\0-\0" in b"\0" + b"\0".join(arguments) + b"\0"
    standard_input = sys.stdin.buffer.read() if reads else b""
    fields = [name.encode(), context, posix.getcwd().encode(), *arguments]
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(path.decode())
    head = b"\0".join(fields)
    send(connection, b"%d %d\n" % (len(head), len(standard_input)) + head + standard_input)
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    if not answer:
        sys.stderr.write("ERROR the agent closed the connection\n")
        sys.exit(1)
    first, _, rest = answer.partition(b"\n")
    code, length = (int(part) for part in first.split())
    sys.stdout.buffer.write(rest[:length])
    sys.stdout.flush()
    sys.stderr.buffer.write(rest[length:])
    sys.stderr.flush()
    sys.exit(code)


def send(connection: _socket.socket, data: bytes) -> None:
    """Send all of it."""
    while data:
        data = data[connection.send(data) :]


main()
