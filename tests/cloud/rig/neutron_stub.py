"""A Neutron that owns nothing: every list is empty and every delete succeeds.

Nova asks for an instance's ports even when the instance was booted without networks.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every request from its method and path alone."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Read the request to its end and send the empty answer that fits it."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = _empty(self.command, self.path.partition("?")[0].rstrip("/"), self._base())
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: what Nova asks here says nothing about Nova."""

    def _base(self) -> str:
        return f"http://{self.headers.get('Host', 'localhost')}"


class Server(ThreadingHTTPServer):
    """Takes bursts: an evacuation asks for many ports at once."""

    request_queue_size = 128
    daemon_threads = True


def _empty(method: str, path: str, base: str) -> tuple[int, object]:
    if method == "DELETE":
        return 204, None
    if path == "":
        link = {"rel": "self", "href": f"{base}/v2.0/"}
        return 200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}
    if path == "/v2.0":
        return 200, {"resources": []}
    if method == "GET":
        return 200, {path.rpartition("/")[2].removesuffix(".json").replace("-", "_"): []}
    return 200, {}


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
