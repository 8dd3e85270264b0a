"""What an operator does with the charm on a real Juju. Each story leaves the units as it found them, unless its docstring says otherwise."""

from __future__ import annotations

import json

from tests.functional.models import Model, wait_until

APP = "masakari"
SETTLE_SECONDS = 900.0
PAUSED = "Paused. Use 'resume' action to resume normal service."
SERVICES = ("masakari-api", "masakari-engine")


def units_become_active(model: Model) -> None:
    """Every unit says that it is ready."""
    for unit in model.units(APP):
        wait_until(lambda unit=unit: is_ready(model, unit), f"an active {unit}", seconds=SETTLE_SECONDS)  # type: ignore[misc]


def is_ready(model: Model, unit: str) -> bool:
    """Tell whether a unit says that it is ready."""
    shown = model.shown(unit)
    return shown.status == "active" and shown.message.startswith("Unit is ready")


def api_answers(model: Model) -> None:
    """The API of every unit tells its versions to whoever asks, on port 15868, with TLS or without."""
    for unit in model.units(APP):
        asked = " || ".join(
            f"curl --silent --insecure --max-time 20 {scheme}://$(hostname -I | cut -d' ' -f1):15868/"
            for scheme in ("https", "http")
        )
        assert "v1" in model.shell(unit, asked), unit


def pause_lasts_until_resume(model: Model) -> None:
    """A paused unit stays paused through a hook, its services stopped; resume starts them with what was configured meanwhile."""
    unit = model.units(APP)[-1]
    assert model.act(unit, "pause").is_done
    assert running(model, unit) == []
    model.configure(APP, debug=True)
    wait_until(lambda: model.shown(unit).message == PAUSED, f"a paused {unit}", seconds=SETTLE_SECONDS)
    assert running(model, unit) == []
    assert model.act(unit, "resume").is_done
    model.configure(APP, debug=False)
    units_become_active(model)
    assert running(model, unit) == list(SERVICES)


def restart_starts_what_was_named(model: Model) -> None:
    """restart-services gives the named service another process, and leaves the other alone."""
    unit = model.units(APP)[0]
    before = {name: process(model, unit, name) for name in SERVICES}
    assert model.act(unit, "restart-services", services="masakari-engine").is_done
    after = {name: process(model, unit, name) for name in SERVICES}
    assert after["masakari-api"] == before["masakari-api"]
    assert after["masakari-engine"] not in (before["masakari-engine"], "0")


def questions_are_answered(model: Model) -> None:
    """The actions that ask give results that can be read, and refuse what cannot be: on a service without segments and BMCs."""
    unit = model.units(APP)[0]
    listed = model.act(unit, "list-recoveries")
    assert (listed.is_done, json.loads(listed.results["json"])) == (True, [])
    assert not model.act(unit, "show-recovery", recovery="no-such-recovery").is_done
    word = model.act(unit, "confirm-host-down", host="no-such-host", reason="a functional test", by="nobody")
    assert not word.is_done
    assert "nothing was recorded" in word.message
    checked = model.act(unit, "fencing-check")
    assert (checked.is_done, checked.results["outcome"]) == (True, "0 of 0 BMCs answer")
    ready = model.act(unit, "check-readiness")
    assert not ready.is_done
    assert ready.results["segments"].startswith("NOT OK: ")
    assert ready.results["monitors"].startswith("UNKNOWN: ")


def unknown_parameters_are_refused(model: Model) -> None:
    """Juju itself refuses a parameter that an action does not know."""
    acted = model.act(model.units(APP)[0], "list-recoveries", everything="yes")
    assert not acted.is_done
    assert "everything" in acted.message


def upgrades_wait_for_their_action(model: Model) -> None:
    """Without action-managed-upgrade the action is skipped, with it there is nothing to switch to; packages can be upgraded."""
    unit = model.units(APP)[0]
    skipped = model.act(unit, "openstack-upgrade")
    assert skipped.results["outcome"] == "action-managed-upgrade config is False, skipped upgrade."
    model.configure(APP, action_managed_upgrade=True)
    wait_until(
        lambda: model.act(unit, "openstack-upgrade").results["outcome"] == "no upgrade available",
        "the option's effect",
        seconds=SETTLE_SECONDS,
    )
    assert model.act(unit, "package-upgrade").is_done
    model.configure(APP, action_managed_upgrade=False)
    units_become_active(model)


def running(model: Model, unit: str) -> list[str]:
    """Name our services that run on a unit."""
    asked = "; ".join(f"systemctl is-active {name} || true" for name in SERVICES)
    words = model.shell(unit, asked).split()
    return [name for name, word in zip(SERVICES, words, strict=True) if word == "active"]


def process(model: Model, unit: str, service: str) -> str:
    """Return the number of a service's main process, 0 for none."""
    return model.shell(unit, f"systemctl show --property MainPID --value {service}").strip()
