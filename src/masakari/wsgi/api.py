"""`masakari.wsgi.api:application`, which files of uwsgi and mod_wsgi name since upstream's time."""

from vmha.api.wsgi import application

__all__ = ["application"]
