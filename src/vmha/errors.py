"""One tree of errors: a class for each thing that a caller can do differently."""

from __future__ import annotations


class VmhaError(Exception):
    """Base of everything that this service raises on purpose. The text says what failed, to what, and what to try."""


class ConfigurationError(VmhaError):
    """A setting or an inventory cannot be used; the service does not start with it."""


class LeaseLost(VmhaError):
    """Another engine owns the recovery now: forget it, write nothing, send nothing."""


class Conflict(VmhaError):
    """The stored version is not the one that was read: read again and decide again."""


class ProofRefused(VmhaError):
    """The database holds no valid proof for the order that was to be stored or sent."""


class NoLongerWanted(VmhaError):
    """The recovery went on since the order was stored: it must not be sent any more."""


class NotYet(VmhaError):
    """Something else has to end before the order may leave; it is to be asked for again."""


class LettersWaiting(VmhaError):
    """A recovery was to end while letters lie in its inbox that it did not take in: read them and decide again."""


class ClaimRefused(VmhaError):
    """Another recovery holds the reserved host, or the last slot for a power-off, that was to be claimed."""


class StoreUnavailable(VmhaError):
    """The database did not answer; nothing was decided, try again later."""


class Unstorable(VmhaError):
    """The database cannot hold a value: it is too long, or has characters that the column's character set lacks."""


class NovaUnavailable(VmhaError):
    """Nova, Placement or Keystone did not answer, or answered with a server error. A write may have been taken."""


class NovaRefused(VmhaError):
    """Nova answered with a client error: nothing was begun."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"Nova answered {status}: {detail}")
        self.status = status
        self.detail = detail


class OrderExpired(VmhaError):
    """The deadline of an order passed before it left."""


class UnknownHost(VmhaError):
    """No segment has a host of that name."""

    def __init__(self, host: str, hint: str = "") -> None:
        super().__init__(f"no segment has a host {host}; see openstack segment host list{hint}")


def words_of(error: Exception) -> str:
    """Say what went wrong in words for the timeline: of our own errors their text, of others their kind too."""
    return str(error) if isinstance(error, VmhaError) else f"unexpected {type(error).__name__}: {error}"
