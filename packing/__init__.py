"""Packs the masakari charm: `make charms`, or `python -m packing --help`."""
