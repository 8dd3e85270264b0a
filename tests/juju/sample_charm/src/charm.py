#!/usr/bin/env python3
"""A charm that does a little of everything, for the tests of the stand-in itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import ops

UNIT_FILE = Path("/etc/systemd/system/sample.service")
UNIT = "[Service]\nExecStart=/bin/cat\n"
SYSTEMCTL = "/usr/bin/systemctl"


class SampleCharm(ops.CharmBase):
    """Reads everything, writes everything, on every event."""

    def __init__(self, framework: ops.Framework) -> None:
        """Observe each event with the one handler."""
        super().__init__(framework)
        for event in self.on.events().values():
            if event.event_type is not ops.ActionEvent and not issubclass(
                event.event_type, ops.LifecycleEvent | ops.ActionEvent
            ):
                framework.observe(event, self._reconcile)
        framework.observe(self.on.greet_action, self._greet)

    def _reconcile(self, event: ops.EventBase) -> None:
        hook = os.environ["JUJU_HOOK_NAME"]
        with Path("/var/log/hooks").open("a") as log:
            log.write(f"{hook}\n")
        if hook in ("stop", "remove"):
            return
        self._install()
        self._publish()
        self._follow(event)
        self.unit.open_port("tcp", 8080)
        if hook and hook == self.config["break-hook"]:
            raise RuntimeError(f"told to break in {hook}")
        self.unit.status = ops.ActiveStatus(f"{self.config['greeting']} from {self.address()}")

    def _install(self) -> None:
        if UNIT_FILE.exists():
            return
        subprocess.run(["/usr/bin/apt-get", "install", "-y", "haproxy"], check=True, capture_output=True)
        UNIT_FILE.write_text(UNIT)
        for words in (["daemon-reload"], ["enable", "sample"], ["start", "sample"]):
            subprocess.run([SYSTEMCTL, *words], check=True, capture_output=True)

    def _publish(self) -> None:
        for relation in (*self.model.relations["cluster"], *self.model.relations["web"]):
            if not relation.active:
                continue
            relation.data[self.unit]["address"] = self.address()
            relation.data[self.unit]["greeting"] = str(self.config["greeting"])
            if self.unit.is_leader() and relation.name == "web":
                relation.data[self.app]["token"] = self._token(relation)

    def _token(self, relation: ops.Relation) -> str:
        try:
            secret = self.model.get_secret(label="token")
        except ops.SecretNotFoundError:
            secret = self.app.add_secret({"token": "first"}, label="token")
        secret.grant(relation)
        return secret.get_info().id

    def _follow(self, event: ops.EventBase) -> None:
        """Read the operator's secret anew when it changed."""
        if not self.config.get("password"):
            return
        secret = self.model.get_secret(id=str(self.config["password"]), label="password")
        content = secret.get_content(refresh=isinstance(event, ops.SecretChangedEvent))
        Path("/etc/sample-password").write_text(content["password"])

    def _greet(self, event: ops.ActionEvent) -> None:
        for relation in self.model.relations["cluster"]:
            relation.data[self.unit]["greeted"] = event.params["name"]
        event.log("about to greet")
        event.set_results({"said": {"to": event.params["name"]}, "greeting": self.config["greeting"]})
        if event.params["fail"]:
            event.fail("told to fail")

    def address(self) -> str:
        """Return our address for clients."""
        return str(self.model.get_binding("public").network.bind_address)


if __name__ == "__main__":
    ops.main(SampleCharm)
