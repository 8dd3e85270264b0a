"""What the APIs of the cloud were asked, from their own access logs."""

import collections
import dataclasses
import re

from tests.cloud.rig import layout
from tests.cloud.rig.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One line of an access log. `time` is when the answer was sent, in seconds since 1970."""

    time: float
    method: str
    path: str
    query: str
    status: int
    milliseconds: int
    microversion: str
    user_agent: str

    @property
    def shape(self) -> str:
        """Return method and path with every id replaced, so that like requests count as one."""
        path = re.sub(r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "/{id}", self.path)
        return f"{self.method} {re.sub(r'/[0-9a-f]{32}', '/{id}', path)}"


class AccessLog:
    """The access log of one HTTP server."""

    def __init__(self, settings: Settings, server: str) -> None:
        self.path = layout.access_log(settings, server)

    def mark(self) -> int:
        """Return a place in the log, to read from later."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int = 0, *, agent: str = "") -> list[Request]:
        """List the requests after a mark whose user agent contains `agent`."""
        with self.path.open("rb") as log:
            log.seek(mark)
            lines = log.read().decode(errors="replace").splitlines()
        requests = (_parse(line) for line in lines)
        return [request for request in requests if request and agent in request.user_agent]

    def count(self, mark: int = 0, *, agent: str = "") -> dict[str, int]:
        """Count the requests after a mark by their shape, the most frequent first."""
        counter = collections.Counter(request.shape for request in self.since(mark, agent=agent))
        return dict(counter.most_common())


def _parse(line: str) -> Request | None:
    fields = line.split("\t")
    if len(fields) != 8:
        return None
    time, method, path, query, status, milliseconds, microversion, agent = fields
    return Request(float(time), method, path, query, int(status), int(milliseconds), microversion, agent)
