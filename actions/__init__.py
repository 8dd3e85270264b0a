"""One module per Juju action, each with `run(event, charm)`. None of these files may be executable: Juju would run it a second time."""
