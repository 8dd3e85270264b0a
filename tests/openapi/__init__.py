"""Requests that schemathesis makes from the API's own description."""
