"""Upstream's own clients, unmodified, against our API with real tokens."""
