"""The fencing inventory, out of the Juju secret that `fencing-inventory` names.

Its content goes into one file of the machine, and into nothing else: no bag, no log line, no status. A message says the name of the
option, and of what is wrong only host and key.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import ops

from masakari_charm import inventory
from masakari_charm.plan import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

OPTION = "fencing-inventory"
SHOWN_FAULTS = 3
"""How many faults a status line names; the rest is counted."""


def read_inventory(model: ops.Model, secret_id: str | None) -> tuple[str | None, Problem | None]:
    """Return the newest inventory, or what keeps it from being used; neither where the option is not set."""
    if secret_id is None:
        return None, None
    try:
        # A user's secret: to look at it is to take its newest revision.
        content = model.get_secret(id=secret_id).get_content(refresh=True)
    except ops.ModelError as error:
        # Juju says "not found" or "permission denied", as it likes: the same is to be done.
        logger.info("secret-get of %s: %s", secret_id, error)
        return None, Problem(
            what=f"{OPTION}: the secret cannot be read",
            fix=f"run: juju grant-secret NAME {model.app.name}, or correct {OPTION}",
        )
    text = content.get(inventory.KEY)
    if text is None:
        return None, Problem(
            what=f"{OPTION}: the secret has no key {inventory.KEY}",
            fix=f"run: juju update-secret NAME {inventory.KEY}#file=fencing.yaml",
        )
    found = inventory.faults(text)
    if found:
        fix = f"run: juju update-secret NAME {inventory.KEY}#file=fencing.yaml with a corrected file"
        return None, Problem(what=f"{OPTION}: {_shown(found)}", fix=fix)
    return text, None


def _shown(found: Sequence[str]) -> str:
    more = len(found) - SHOWN_FAULTS
    return ", ".join(found[:SHOWN_FAULTS]) + (f" and {more} more" if more > 0 else "")
