"""What the charm knows and does, apart from the events of Juju themselves, which `charm.py` takes."""
