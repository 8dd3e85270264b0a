"""Upstream's name, for the one module path that deployers write down: `masakari.wsgi.api`. Everything else is `vmha`."""
