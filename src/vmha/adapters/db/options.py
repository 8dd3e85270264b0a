"""What deployers say of connections in [database], beside the URL. Everything else of oslo.db's group is in `vmha.upstream`, with why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from oslo_db import options as oslo_db

from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "database"
READ = (
    "connection_recycle_time",
    "max_pool_size",
    "max_overflow",
    "pool_timeout",
    "mysql_wsrep_sync_wait",
    "connection_parameters",
)
"""By oslo.db's names. What a file leaves out has a default of ours, not the library's."""


def given(config: cfg.ConfigOpts) -> Mapping[str, Any]:
    """Return those that a file sets. Raises `ConfigurationError`."""
    config.register_opts(oslo_db.database_opts, group=GROUP)
    return {name: value for name in READ if (value := _given(config, name)) is not None}


def _given(config: cfg.ConfigOpts, name: str) -> Any:
    try:
        location = config.get_location(name, GROUP)
        if location is None or location.location in (cfg.Locations.opt_default, cfg.Locations.set_default):
            return None
        return config[GROUP][name]
    except (cfg.ConfigSourceValueError, cfg.TemplateSubstitutionError) as error:
        raise ConfigurationError(f"[{GROUP}] {name} cannot be used: {error}") from error
