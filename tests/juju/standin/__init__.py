"""A stand-in for the Juju 3.6 agent and model: enough of both to run a packed charm's hooks on several units."""
