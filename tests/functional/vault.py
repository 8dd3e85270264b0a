"""Brings a new vault to life, so that it issues certificates. For tests only: one key, kept nowhere."""

from __future__ import annotations

import json

from tests.functional.models import Model, wait_until

UNIT = "vault/0"
COMMAND = "VAULT_ADDR=http://127.0.0.1:8200 /snap/bin/vault"
READY_SECONDS = 1800.0


def initialise(model: Model) -> None:
    """Initialise, unseal, authorise the charm, and make a root CA; a vault that runs already is left alone."""
    wait_until(lambda: model.shown(UNIT).status in ("blocked", "active"), "a vault", seconds=READY_SECONDS)
    if model.shown(UNIT).status == "active":
        return
    made = json.loads(model.shell(UNIT, f"{COMMAND} operator init -key-shares=1 -key-threshold=1 -format=json"))
    model.shell(UNIT, f"{COMMAND} operator unseal {made['unseal_keys_b64'][0]}")
    wait_until(lambda: "Unsealed" in _standing(model), "an unsealed vault", seconds=READY_SECONDS)
    token = f"VAULT_TOKEN={made['root_token']} {COMMAND} token create -ttl=10m -format=json"
    issued = json.loads(model.shell(UNIT, token))["auth"]["client_token"]
    assert model.act(UNIT, "authorize-charm", token=issued).is_done
    assert model.act(UNIT, "generate-root-ca").is_done


def _standing(model: Model) -> str:
    sealed = json.loads(model.shell(UNIT, f"{COMMAND} status -format=json || true"))["sealed"]
    return "Sealed" if sealed else "Unsealed"
