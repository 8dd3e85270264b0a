"""What a storm must have met."""

from __future__ import annotations

from vmha.core.explain import Code
from vmha.sim import repairs

REFUSALS = (
    Code.NO_WITNESS_ALL_STALE,
    Code.NO_WITNESS_NOVA_AWAY,
    Code.DISPUTED,
    Code.FALSE_ALARM,
    Code.BRAKED,
    Code.NO_DEVICE,
    Code.BMC_SILENT,
    Code.BMC_BAD_CREDENTIALS,
    Code.BMC_WRONG_IDENTITY,
    Code.BMC_ERROR,
    Code.STAYS_ON,
    Code.SIGN_OF_LIFE,
    Code.HOST_RETURNED,
    Code.PROOF_EXPIRED,
    Code.HIDDEN_INSTANCES,
    Code.LOCAL_DISK,
    Code.ASK,
    Code.NO_CAPACITY,
    Code.NO_RESERVED,
    Code.STALLED,
    Code.EVACUATION_UNANSWERED,
    Code.EVACUATION_NOT_TAKEN,
    Code.TAKEN_OVER,
    Code.CONFIRM_REFUSED_ALIVE,
    Code.REJECTED,
    Code.PAUSED,
    Code.PAUSE_OVER,
    Code.DISARMED,
    Code.ARMED_AGAIN,
    Code.CANCELLED,
    *repairs.REFUSALS,
)
"""Every way in which the engine declines, waits or asks; each must have been met in a storm of 2,000 runs."""
