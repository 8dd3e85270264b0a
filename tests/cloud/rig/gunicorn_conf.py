"""How the OpenStack APIs are served; gunicorn reads this file inside each project's environment.

The application, its port and its workers come in the environment: OpenStack's WSGI modules parse the command
line themselves, so there must be nothing on it. An access log line is eight fields between tabs: time, method,
path, query, status, milliseconds, microversion, user agent.
"""

import os
import time

from gunicorn.glogging import Logger  # type: ignore[import-not-found, import-untyped, unused-ignore] # here only


class EpochLogger(Logger):  # type: ignore[misc] # its base is unknown to the type checker, see above
    """Writes times as seconds since 1970, so that lines of several logs can be put in order."""

    def now(self) -> str:
        """Return the time of an access log line."""
        return f"{time.time():.3f}"


wsgi_app = os.environ["RIG_WSGI_APP"]
bind = os.environ["RIG_WSGI_BIND"]
workers = int(os.environ["RIG_WSGI_WORKERS"])
threads = int(os.environ["RIG_WSGI_THREADS"])
accesslog = os.environ["RIG_WSGI_ACCESS_LOG"]
access_log_format = "\t".join(
    ("%(t)s", "%(m)s", "%(U)s", "%(q)s", "%(s)s", "%(M)s", "%({x-openstack-nova-api-version}i)s", "%(a)s")
)
logger_class = EpochLogger
# An API call may wait long for Nova's own RPC; gunicorn must not kill the worker meanwhile.
timeout = 300
graceful_timeout = 5
backlog = 512
worker_tmp_dir = "/dev/shm"
