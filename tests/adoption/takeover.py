"""One takeover after docs/operate/migrating.md: upstream's database, the guide's commands, our service on a simulated cloud, a dead host."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.adoption.clouds import Answers, Cloud
from vmha.sim.record import Fact, read_lines
from vmha.sim.stage import Option, Stage

GUIDE = Path(__file__).parents[2] / "docs" / "operate" / "migrating.md"
RELEASE = "22.0.0"
HOSTS = ("c1", "c2", "c3", "c4")
VICTIM = HOSTS[0]
INSTANCES = 4
PATIENCE_SECONDS = 90.0
COMMAND_SECONDS = 90.0
BIN = Path(sys.executable).parent
CHOICE = ("masakari-status upgrade check", "masakari-manage fencing check", "masakari-manage db sync")
"""The commands whose answer differs with the operator's choice, and the one that nothing goes without."""

LEFT_OVER: tuple[Option, ...] = (
    ("DEFAULT", "wait_period_after_service_update", "60"),
    ("DEFAULT", "notification_delay_max", "0"),
    ("host_failure", "evacuate_all_instances", "True"),
)
"""What stands in a file of upstream's and means nothing here."""


@dataclass(slots=True, kw_only=True)
class End:
    """A choice of the operator's: what the inventory says, None for that of the simulated cloud with all BMCs.

    `in_full` is whether each command of the guide is run; otherwise only those that differ with the choice.
    """

    name: str
    inventory: str | None
    in_full: bool = False
    is_over: Callable[[dict[str, Any]], bool] = lambda recovery: recovery["outcome"] is not None


@dataclass(slots=True, kw_only=True)
class Told:
    """What came of a takeover. `said` has what each command of the guide printed, by section and command.

    `recovery` and `notification` are as they stood when the failure had come to its end, or to its wait.
    """

    before: Answers = field(default_factory=dict)
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[tuple[str, str], int] = field(default_factory=dict)
    recovery: dict[str, Any] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    notification: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    facts: list[Fact] = field(default_factory=list)
    after: Answers = field(default_factory=dict)
    version_after: str = ""

    @property
    def sentences(self) -> list[str]:
        """What the timeline says."""
        return [line["sentence"] for line in self.timeline]

    def hosts_named(self, section: str) -> set[str]:
        """Return the hosts that `upgrade check` named in a section: those without a fence method."""
        words = re.sub(r"[|\s]+", " ", self.said[section, "masakari-status upgrade check"])
        return set(re.findall(r"\b(c\d+) \(", words))


def guide() -> dict[str, list[str]]:
    """Return the guide's commands by section, without what goes before a program: those of ours and of the OpenStack client."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)[1:]:
        lines = re.findall(
            r"^ {4,}(?:runuser -u masakari -- )?(?:\$NEW/)?((?:masakari-|openstack ).*)$", part, re.MULTILINE
        )
        found[part.partition("\n")[0]] = lines
    return found


class Takeover:
    """Plays one of the three ends."""

    def __init__(self, folder: Path, url: str, end: End) -> None:
        self.end = end
        self.told = Told()
        self.upstream = Cloud(RELEASE, url, folder)
        self._stage = Stage(folder, say=lambda _: None, hosts=len(HOSTS), options=self._options(folder, url))
        self._guide = guide()

    def _options(self, folder: Path, url: str) -> tuple[Option, ...]:
        options = (("database", "connection", url), ("taskflow", "connection", url), *LEFT_OVER)
        if self.end.inventory is None:
            return options
        path = folder / "chosen.yaml"
        path.touch(mode=0o600)
        path.write_text(self.end.inventory)
        return (*options, ("fencing", "inventory", str(path)))

    def play(self) -> Told:
        """Follow the guide from the first command to the last, with a failure in between."""
        self.upstream.configure()
        self.told.before = self.upstream.make_fleet(*HOSTS)
        try:
            self._stage.start_cloud(f"{VICTIM}={INSTANCES},c2=1")
            self._follow("Before")
            self._follow("The swap")
            self._stage.start_service()
            self._follow("After")
            self._fail()
            self._follow("The way back", UUID=self.told.recovery["uuid"])
            self._wait(lambda: self._recovery()["outcome"] is not None)
            self.told.timeline = self._stage.timeline(self.told.recovery["uuid"])
            self._stage.terminate("engine-1")
        finally:
            self._stage.tear_down()
        self.told.facts = read_lines(self._stage.record)
        self.told.log = (self._stage.folder / "engine-1.log").read_text()
        self.told.after, self.told.version_after = self.upstream.read(), self.upstream.version()
        self.upstream.sync_upstream()
        return self.told

    def _follow(self, section: str, **words: str) -> None:
        """Run the section's commands, with words of the guide's replaced; exit codes are the test's business."""
        for command in self._guide[section]:
            # Before the swap the OpenStack client asks upstream's API, which is no server here.
            is_for_upstream = section == "The swap" and command.startswith("openstack")
            if (self.end.in_full or command in CHOICE) and not is_for_upstream:
                self._run(section, command, words)

    def _run(self, section: str, command: str, words: dict[str, str]) -> None:
        program, *arguments = (words.get(word, word) for word in shlex.split(command))
        ours = self._stage.configure("guide") if program.startswith("masakari-") else []
        done = subprocess.run(
            [str(BIN / program), *ours, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
            env=self._environment(),
        )
        self.told.said[section, command] = done.stdout + done.stderr
        self.told.codes[section, command] = done.returncode

    def _environment(self) -> dict[str, str]:
        cloud = self._stage.cloud
        names = (
            "auth_url",
            "username",
            "password",
            "project_name",
            "user_domain_name",
            "project_domain_name",
            "region_name",
        )
        login = {f"OS_{name.upper()}": str(cloud[name]) for name in names}
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        # Wide enough for a table of `upgrade check` to stay as it is.
        return {**kept, **login, "HOME": str(self._stage.folder)}

    def _fail(self) -> None:
        """Let a host die, be reported, and wait for what is to come of it."""
        self._stage.inject("host_crashes", host=VICTIM)
        self._stage.report(VICTIM)
        self._wait(lambda: bool(self._stage.recoveries()) and self.end.is_over(self._recovery()))
        self.told.recovery = self._recovery()
        (uuid,) = self.told.recovery["notifications"]
        self.told.notification = self._stage.client().get(f"/notifications/{uuid}").json()["notification"]

    def _recovery(self) -> dict[str, Any]:
        (recovery,) = self._stage.recoveries()
        return self._stage.recovery(recovery["uuid"])

    def _wait(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < until, json.dumps(self._recovery(), indent=1)
            self._stage.wait(0.3, "what is to come")
