"""Masakari's REST API v1, as upstream's clients speak it, and our own resources beside it.

Read `routes.py` for what exists, `app.py` for what surrounds it, `endpoint.py` for the steps that each request takes.
"""
