"""Tests on a real Juju, which need a controller: `make functional`. README.md says what else they need."""
