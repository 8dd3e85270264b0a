"""`vmha.api.wsgi:application`: the API for gunicorn, uWSGI, mod_wsgi and any other WSGI server.

The configuration is masakari.conf, and masakari.conf.d, in the folder that OS_MASAKARI_CONFIG_DIR names, else in /etc/masakari. It is
read when this module is imported; `ConfigurationError` is raised where it cannot be used, and the server does not start. Nothing is
opened before the first request, so that a server may import it before it forks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vmha.threads import choose_threads

choose_threads()

from vmha.cli.serving import begin, name_paste_files  # noqa: E402 - oslo comes after the choice of threads
from vmha.wiring import build_api, build_database, build_doorbell  # noqa: E402

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

PROGRAM = "masakari-api"


def build() -> WSGIApplication:
    """Build the API as the configuration says. Raises `ConfigurationError`."""
    settings = begin(PROGRAM, _arguments())
    name_paste_files(settings)
    return build_api(settings, build_database(settings), build_doorbell(settings))


def _arguments() -> list[str]:
    """Name the files; the words of the command line are the server's."""
    named = os.environ.get("OS_MASAKARI_CONFIG_DIR")
    if named is None:
        return []
    folder = Path(named)
    more = folder / "masakari.conf.d"
    arguments = ["--config-file", str(folder / "masakari.conf")]
    return [*arguments, "--config-dir", str(more)] if more.is_dir() else arguments


application = build()
