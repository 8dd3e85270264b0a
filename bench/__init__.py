"""How fast a recovery is beside the bare loop, on the real cloud of tests/cloud: measured by hand, never in a test."""
