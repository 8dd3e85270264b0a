"""The seconds of the small world."""

from __future__ import annotations

from vmha.core.policy import Policy
from vmha.ports import LeaseTerms

TERMS = LeaseTerms(lease_seconds=6.0, claim_after_seconds=6.0)
ORDER_SECONDS = 4.0
POLICY = Policy(
    witness_interval_seconds=2.0,
    heartbeat_silence_seconds=4.0,
    off_silence_seconds=4.0,
    reconnect_seconds=6.0,
    dispute_seconds=1000.0,
    alert_interval_seconds=10000.0,
    power_read_spacing_seconds=2.0,
    fence_seconds=20.0,
    fence_retry_seconds=6.0,
    unproven_read_seconds=4.0,
    proof_valid_seconds=12.0,
    proof_refresh_seconds=8.0,
    brake_hosts=3,
    brake_percent=100,
    move_seconds=24.0,
    move_retry_seconds=2.0,
    answer_settle_seconds=6.0,
    progress_seconds=4.0,
    progress_end_seconds=2.0,
    nova_retry_seconds=2.0,
    verify_seconds=4.0,
)
"""Seconds that are few and even, so that a run has few moments; lease, order and margin stand to each other as in the product."""
