"""The charm under a Juju without a controller: see README.md beside this file."""
