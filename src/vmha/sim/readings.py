"""What the engine reads of the simulated Nova's rows, as its client would have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.model import Instance, Migration

if TYPE_CHECKING:
    from vmha.sim.rows import MigrationRecord, Server

MEMORY_MB = 512
"""Of a server, for each of its vcpus."""


def as_instance(server: Server) -> Instance:
    """Say what a list of Nova says of a server."""
    return Instance(
        uuid=server.uuid,
        name=server.name,
        host=server.host,
        vm_state=server.vm_state,
        task_state=server.task_state,
        image_backed=server.image_backed,
        local_extra=bool(server.ephemeral_gb or server.swap_mb),
        metadata=tuple(sorted(server.metadata.items())),
        vcpus=server.vcpus,
        memory_mb=MEMORY_MB * server.vcpus,
        extra_specs=tuple(sorted(server.extra_specs.items())),
        image=server.image,
    )


def migration(record: MigrationRecord) -> Migration:
    """Say what Nova's list of migrations says of a record."""
    return Migration(
        id=record.id,
        instance=record.instance,
        kind=record.kind,
        source=record.source,
        destination=record.destination,
        status=record.status,
        uuid=record.uuid,
    )
