"""See `masakari.wsgi.api`."""
