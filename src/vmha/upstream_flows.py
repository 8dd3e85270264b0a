"""Checks `[taskflow_driver_recovery_flows]`, in which deployers of upstream's name the steps of a recovery.

Here the steps are fixed: their order is what keeps a recovery safe. A flow that names upstream's own tasks alone is accepted; a task that
somebody wrote himself would not be run, and whoever relies on it must know that before the first failure.
"""

from __future__ import annotations

from oslo_config import cfg, types

from vmha.errors import ConfigurationError

GROUP = "taskflow_driver_recovery_flows"
FLOWS = (
    "host_auto_failure_recovery_tasks",
    "host_rh_failure_recovery_tasks",
    "instance_failure_recovery_tasks",
    "process_failure_recovery_tasks",
)
TASKS = (
    "no_op",
    "disable_compute_service_task",
    "prepare_HA_enabled_instances_task",
    "evacuate_instances_task",
    "stop_instance_task",
    "start_instance_task",
    "confirm_instance_active_task",
    "disable_compute_node_task",
    "confirm_compute_node_disabled_task",
)
PARTS = ("pre", "main", "post")


def check_flows(config: cfg.ConfigOpts) -> None:
    """Raise `ConfigurationError` where a flow names a task that upstream does not have, or cannot be read."""
    kind = types.Dict(bounds=False, value_type=types.List(bounds=True, item_type=types.String(quotes=True)))
    config.register_opts([cfg.Opt(name, type=kind) for name in FLOWS], group=GROUP)
    for name in FLOWS:
        try:
            flow = config[GROUP][name] or {}
        except (cfg.ConfigSourceValueError, cfg.TemplateSubstitutionError) as error:
            raise ConfigurationError(
                f"[{GROUP}] {name} cannot be used: it must be like pre:[task],main:[task,task],post:[task]; leave it out, the steps are "
                "fixed"
            ) from error
        _check(name, flow)


def _check(option: str, flow: dict[str, list[str]]) -> None:
    parts = [part for part in flow if part not in PARTS]
    if parts:
        raise ConfigurationError(
            f"[{GROUP}] {option} has a part {parts[0]}; known are {', '.join(PARTS)}; leave the option out"
        )
    foreign = [task for tasks in flow.values() for task in tasks if task not in TASKS]
    if foreign:
        raise ConfigurationError(
            f"[{GROUP}] {option} names the task {foreign[0]}, which is not upstream's: no tasks of others are run, and what it does would be "
            "missing from every recovery; leave it out of the flow, and see docs/operate/workflows.md for what can be chosen"
        )
