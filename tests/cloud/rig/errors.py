"""The one error of this package: something of the cloud did not do what it must."""


class RigError(Exception):
    """Says what could not be done and which log file tells why."""
