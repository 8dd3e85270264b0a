"""The numbers by which `decide()` decides. Seconds unless the name says otherwise.

Every field is an option of `vmha.options`, but two: `detector_segments` are the names of the segments for which the fencing inventory says
`policy: detector`, `workflows` is what recovery.yaml says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from vmha.core.workflows import Workflows


class LocalDisk(Enum):
    """What to do with an instance whose disk may exist only on the dead host."""

    WAIT = "wait"
    REBUILD = "rebuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Frozen settings of one engine; the defaults are the product's."""

    witness_interval_seconds: float = 2.0
    heartbeat_silence_seconds: float = 30.0
    off_silence_seconds: float = 12.0
    reconnect_seconds: float = 90.0
    dispute_seconds: float = 300.0
    alert_interval_seconds: float = 300.0

    power_read_spacing_seconds: float = 2.0
    fence_attempts: int = 3
    fence_seconds: float = 45.0
    fence_retry_seconds: float = 10.0
    fence_rounds: int = 3
    unproven_read_seconds: float = 10.0
    proof_valid_seconds: float = 30.0
    proof_refresh_seconds: float = 10.0
    human_word_valid_seconds: float = 3600.0
    detector_word_valid_seconds: float = 3600.0
    detector_segments: frozenset[str] = frozenset()
    workflows: Workflows = field(default_factory=Workflows)

    brake_hosts: int = 2
    brake_percent: int = 30
    brake_window_seconds: float = 300.0
    power_offs_at_once: int = 8
    power_offs_per_hour: int = 60
    segment_power_offs_per_hour: int = 30
    quarantine_failures: int = 3
    quarantine_window_seconds: float = 86_400.0

    orders_at_once: int = 1
    moves_in_flight: int = 128
    move_attempts: int = 3
    move_retry_seconds: float = 10.0
    move_seconds: float = 300.0
    no_capacity_seconds: float = 300.0
    no_capacity_pause_seconds: float = 60.0
    answer_settle_seconds: float = 20.0
    progress_seconds: float = 4.0
    progress_end_seconds: float = 1.0
    progress_end_moves: int = 3
    nova_retry_seconds: float = 5.0
    verify_seconds: float = 30.0

    local_disk: LocalDisk = LocalDisk.WAIT
    shared_storage: bool = False
    ignore_instances_in_error_state: bool = False
    add_reserved_host_to_aggregate: bool = False
    evacuate_all_instances: bool = True
    ha_enabled_instance_metadata_key: str = "HA_Enabled"
    priority_key: str = "ha_priority"
    default_priority: int = 100
    trust_tenant_metadata: bool = False
    read_images: bool = True

    process_all_instances: bool = False
    instance_ha_key: str = "HA_Enabled"
    verify_interval: float = 1.0
    wait_period_after_power_off: float = 180.0
    wait_period_after_power_on: float = 60.0
    instance_settle_seconds: float = 180.0
    instance_restarts_per_hour: int = 3

    process_disable_reason: str = "Masakari detected process failed."
