"""Plays a scenario file: why, the cloud, commands in virtual time, and below the line what must come of them.

    why: A host whose kernel died is fenced and its instances run elsewhere.
    cloud: hosts=3 instances=6
    policy: shared_storage=true

    100    host_crashes host=c1
    100    report c1
    @evacuation-accepted   kill engine-1
    700    end
    ---
    (recorded)

A command is a fault of `vmha.sim.faults` with its arguments (an instance by its name), or one of: `report HOST [METHOD]`, `suspect HOST` (a
report with host_status UNKNOWN), `report_instance INSTANCE [EVENT...]`, `leftover_instance INSTANCE` (reported to upstream's engine, from
which we took over), `report_process HOST stopped|started`, `confirm HOST BY WHY...` (`confirm_off`: and that it is off), `reject HOST BY
WHY...` (or an instance, or a process), `return HOST BY WHY...` and `kill_return HOST` (see `operator.py`), `kill|start|pause|wake ENGINE`,
`database_away SECONDS`, `database_clock_steps SECONDS`, `set OPTION=VALUE`, `end`, and those of `humans.py`. Before it stands the time in
seconds, or `@` and the name of a reason: then it happens when that reason first reaches the timeline, or with `@reason+SECONDS` so long
after. `instances:` takes `state=`, `task=`, `disk=` (volume, image, ephemeral), `ha=` (the metadata HA_Enabled), `priority=`, `flavor=` and
`image=` (the priority by metadata, flavor and image), `tpm=` (a virtual one) and `vcpus=` for all, and `vm1.state=` and so on for one.
`cloud:` takes the vcpus of one host by its name, `zones:` the availability zone of hosts, `aggregates:` aggregates with their hosts, as
in `rack1=c1,c4`, and `name@zone=c1` for one of a zone.
`unprotected:` names hosts without a BMC, `detector:` segments whose monitors are believed
(there is one, `segment`), `workflow:` what is done about a `host=`, an `instance=` or a `process=`.

`python -m vmha.sim.scenario FILE ...` compares, `--rewrite` records what happened for a human to read in the diff.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmha.core.events import Confirmed, Rejected
from vmha.core.explain import Code
from vmha.core.kinds import subject_of
from vmha.core.model import RecoveryMethod
from vmha.core.policy import LocalDisk, Policy
from vmha.core.workflows import Choice, Failure, Workflow, Workflows
from vmha.sim import humans
from vmha.sim.compute import TPM
from vmha.sim.faults import FAULTS, inject
from vmha.sim.listening import ListeningStore
from vmha.sim.operator import Operator
from vmha.sim.rig import Rig
from vmha.sim.scenario_record import written
from vmha.sim.store import CRASH
from vmha.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


CLOUD = {"hosts": 3, "spares": 0, "instances": 6, "engines": 1, "vcpus": 64, "seed": 1}
WISHES = {"vcpus": "1", "state": "active", "task": "", "disk": "volume", "ha": ""}
WISHES |= {"priority": "", "flavor": "", "image": "", "tpm": ""}
LINE = "---"
HEADS = ("why", "cloud", "policy", "instances", "zones", "aggregates", "unprotected", "detector", "workflow")


class ScenarioError(Exception):
    """The file cannot be played; the text says which line and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of the script: a time or a reason's name, and words."""

    line: int
    at: float | None
    when: str | None
    words: tuple[str, ...]
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A parsed file."""

    why: str
    cloud: dict[str, int]
    server: dict[str, str]
    zones: dict[str, str]
    aggregates: dict[str, str]
    unprotected: frozenset[str]
    policy: Policy
    commands: tuple[Command, ...]
    script: str
    expected: str


def parse(text: str) -> Scenario:
    """Parse a file. Raises `ScenarioError`."""
    script, _, expected = text.partition(f"\n{LINE}\n")
    heads: dict[str, str] = {}
    commands: list[Command] = []
    for number, line in enumerate(script.splitlines(), 1):
        stripped = line.split("#", 1)[0].strip()
        name, colon, rest = stripped.partition(":")
        if not stripped:
            continue
        if colon and name in HEADS:
            heads[name] = rest.strip()
        else:
            commands.append(_command(number, stripped))
    if not heads.get("why"):
        raise ScenarioError("the file says not why it exists: begin it with 'why: ' and a sentence")
    return Scenario(
        why=heads["why"],
        cloud=CLOUD | {key: int(value) for key, value in _pairs(heads.get("cloud", "")).items()},
        server=_pairs(heads.get("instances", "")),
        zones=_pairs(heads.get("zones", "")),
        aggregates=_pairs(heads.get("aggregates", "")),
        unprotected=frozenset(heads.get("unprotected", "").split()),
        policy=_policy(
            _pairs(heads.get("policy", "")),
            Policy(
                detector_segments=frozenset(heads.get("detector", "").split()),
                workflows=_workflows(_pairs(heads.get("workflow", ""))),
            ),
        ),
        commands=tuple(commands),
        script=script,
        expected=expected,
    )


def _command(number: int, line: str) -> Command:
    when, *words = line.split()
    if not words:
        raise ScenarioError(f"line {number}: '{line}' has a time but no command")
    if when.startswith("@"):
        return _reaction(number, when[1:], tuple(words))
    try:
        return Command(line=number, at=float(when), when=None, words=tuple(words))
    except ValueError:
        raise ScenarioError(f"line {number}: '{when}' is neither a time in seconds nor @reason") from None


def _reaction(number: int, when: str, words: tuple[str, ...]) -> Command:
    name, _, delay = when.partition("+")
    code = name.upper().replace("-", "_")
    if code not in Code.__members__:
        raise ScenarioError(f"line {number}: no reason is named {name}")
    return Command(line=number, at=None, when=code, words=words, delay_seconds=float(delay or 0.0))


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


def _workflows(chosen: dict[str, str]) -> Workflows:
    return Workflows(tuple(Choice(None, Failure(kind), Workflow(name)) for kind, name in chosen.items()))


def _policy(changes: dict[str, str], policy: Policy) -> Policy:
    """Apply option=value pairs, each read as the type of the option's default."""
    known = {entry.name: getattr(policy, entry.name) for entry in fields(Policy)}
    for name, text in changes.items():
        if name not in known:
            raise ScenarioError(f"no option is named {name}")
        default = known[name]
        value: Any = LocalDisk(text) if isinstance(default, Enum) else type(default)(text)
        if isinstance(default, bool):
            value = text == "true"
        policy = replace(policy, **{name: value})
    return policy


class Player:
    """Plays one scenario from beginning to end."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        cloud = scenario.cloud
        self.world = World(cloud["seed"])
        for number in range(1, cloud["hosts"] + cloud["spares"] + 1):
            reason = "reserved" if number > cloud["hosts"] else None
            self.world.add_host(f"c{number}", vcpus=cloud.get(f"c{number}", cloud["vcpus"]), disabled_reason=reason)
        for name, zone in scenario.zones.items():
            self.world.nova.services[name].zone = zone
        for name, hosts in scenario.aggregates.items():
            name, _, zone = name.partition("@")
            self.world.nova.aggregates.add(name, *hosts.split(","), zone=zone or None)
        self.names: dict[str, str] = {}
        self.homes: dict[str, str] = {}
        for number in range(cloud["instances"]):
            self._add_server(f"c{number % cloud['hosts'] + 1}", f"vm{number + 1}")
        self.clock_ahead = 0.0
        self.store = ListeningStore(lambda: self.world.now + self.clock_ahead, self.world.new_uuid)
        self.store.listen = self.store.on_told = self._heard
        inventory = frozenset(self.world.hosts) - scenario.unprotected
        self.rig = Rig(
            self.world, engines=cloud["engines"], policy=scenario.policy, store=self.store, inventory=inventory
        )
        self.operator = Operator(self.rig)
        self.notifications = 0
        self._waiting = [command for command in scenario.commands if command.when is not None]
        self._end = 0.0

    def play(self) -> str:
        """Play to the end and return the record for the file."""
        for command in self.scenario.commands:
            if command.words[0] == "end" and command.at is not None:
                self._end = command.at
            elif command.at is not None:
                self.world.at(command.at, lambda command=command: self._do(command))  # type: ignore[misc]
        if not self._end:
            raise ScenarioError("the script has no 'end'")
        self.world.advance(self._end)
        return written(self.world, self.store, self.store.alerts, self.names, self._stopped(), self.operator.lines())

    def _add_server(self, host: str, name: str) -> None:
        wishes = WISHES | self.scenario.server
        mine = {key: wishes.get(f"{name}.{key}", wishes[key]) for key in WISHES}
        metadata = {"HA_Enabled": mine["ha"], "ha_priority": mine["priority"]}
        specs = {"ha_priority": mine["flavor"], TPM: mine["tpm"]}
        server = self.world.add_server(
            host,
            name=name,
            vcpus=int(mine["vcpus"]),
            vm_state=mine["state"],
            task_state=mine["task"] or None,
            image_backed=mine["disk"] == "image",
            ephemeral_gb=10 if mine["disk"] == "ephemeral" else 0,
            metadata={key: text for key, text in metadata.items() if text},
            extra_specs={key: text for key, text in specs.items() if text},
            image_properties={"ha_priority": mine["image"]} if mine["image"] else {},
        )
        self.names[server.uuid] = name
        self.homes[server.uuid] = host

    def _heard(self, code: str) -> None:
        for command in [command for command in self._waiting if command.when == code]:
            self._waiting.remove(command)
            self.world.after(command.delay_seconds, lambda command=command: self._do(command))  # type: ignore[misc]

    def _do(self, command: Command) -> None:
        verb, *words = command.words
        try:
            if verb in FAULTS:
                inject(self.world, verb, **self._arguments(words))
            else:
                VERBS[verb](self, *words)
        except (KeyError, TypeError, ValueError) as error:
            raise ScenarioError(
                f"line {command.line}: '{' '.join(command.words)}' cannot be done: {error!r}"
            ) from error

    def _arguments(self, words: list[str]) -> dict[str, Any]:
        known = {name: uuid for uuid, name in self.names.items()}
        given: dict[str, Any] = {}
        for key, text in _pairs(" ".join(words)).items():
            value: Any = known.get(text, text)
            given[key] = TYPES.get(key, str)(value)
        return given

    def report(self, host: str, method: str = "auto", *, says_off: bool = True) -> None:
        """Let a monitor report the host stopped; to believe it is the operator's word, where the policy says so."""
        self.notifications += 1
        if (
            host in self.scenario.unprotected
            and self.store.hosts[host].segment in self.scenario.policy.detector_segments
        ):
            self.world.note_word(host, by="operator", why="policy = detector")
        self.store.report(host, f"notification-{self.notifications}", RecoveryMethod(method), says_off=says_off)

    def report_instance(self, name: str, *event: str, is_leftover: bool = False) -> None:
        """Let the monitor of the host where it is, or was created, report that an instance failed, to us or to upstream's before us."""
        uuid = {name: uuid for uuid, name in self.names.items()}[name]
        self.notifications += 1
        said = " ".join(event) or CRASH
        notification = f"notification-{self.notifications}"
        self.store.report_instance(self.homes[uuid], uuid, notification, event=said, is_leftover=is_leftover)

    def report_process(self, host: str, state: str) -> None:
        """Let a monitor report that nova-compute of the host `stopped`, or `started`."""
        self.notifications += 1
        is_running = {"stopped": False, "started": True}[state]
        self.store.report_process(host, f"notification-{self.notifications}", is_running=is_running)

    def confirm(self, host: str, by: str, *why: str) -> None:
        """Let a human confirm."""
        self.world.note_word(host, by=by, why=" ".join(why))
        self.store.say(self._recovery(host), Confirmed(by=by, why=" ".join(why)))

    def confirm_off(self, host: str, by: str, *why: str) -> None:
        """Let a human confirm and say that the host is off."""
        self.world.note_word(host, by=by, why=" ".join(why))
        self.store.say(self._recovery(host), Confirmed(by=by, why=" ".join(why), is_off=True))

    def reject(self, host: str, by: str, *why: str) -> None:
        """Let a human reject."""
        self.store.say(self._recovery(host), Rejected(by=by, why=" ".join(why)))

    def _recovery(self, of: str) -> str:
        """Return the newest recovery of a host, or of an instance by its name."""
        uuid = {name: uuid for uuid, name in self.names.items()}.get(of, of)
        states = (row.state for row in self.store.rows.values())
        return {subject_of(state) or state.host: state.uuid for state in states}[uuid]

    def engine(self, verb: str, name: str) -> None:
        """Kill, start, pause or wake an engine."""
        getattr(self.rig.actors[name], verb)()

    def database_away(self, seconds: str) -> None:
        """Let the database answer no engine for a while."""
        self.store.away_until = self.store.clock() + float(seconds)

    def database_clock_steps(self, seconds: str) -> None:
        """Set the database's clock forward, or back; from then on the record's times are that much off."""
        self.clock_ahead += float(seconds)

    def set_option(self, *pairs: str) -> None:
        """Change options, or with `workflow.KIND` what is done about a failure; engines that start later have them."""
        said = _pairs(" ".join(pairs))
        chosen = {key.removeprefix("workflow."): said.pop(key) for key in list(said) if key.startswith("workflow.")}
        policy = replace(self.rig.policy, workflows=_workflows(chosen)) if chosen else self.rig.policy
        self.rig.policy = _policy(said, policy)

    def _stopped(self) -> list[str]:
        return [
            f"{held.state.host} by {actor.name}"
            for actor in self.rig.actors.values()
            if actor.engine is not None
            for held in actor.engine.held.values()
            if held.is_stopped
        ]


TYPES: dict[str, Callable[[str], object]] = {
    "seconds": float,
    "factor": float,
    "times": int,
    "unnoticed": lambda text: text == "true",
}
"""What arguments of faults are, where they are no text."""

VERBS: dict[str, Callable[..., None]] = {
    "report": Player.report,
    "suspect": lambda player, host: player.report(host, says_off=False),
    "report_instance": Player.report_instance,
    "leftover_instance": lambda player, name: player.report_instance(name, is_leftover=True),
    "report_process": Player.report_process,
    "confirm": Player.confirm,
    "confirm_off": Player.confirm_off,
    "reject": Player.reject,
    "return": lambda player, *words: player.operator.let_back(*words),
    "kill_return": lambda player, host: player.operator.kill(host),
    "kill": lambda player, name: player.engine("kill", name),
    "start": lambda player, name: player.engine("start", name),
    "pause": lambda player, name: player.engine("pause", name),
    "wake": lambda player, name: player.engine("wake", name),
    "database_away": Player.database_away,
    "database_clock_steps": Player.database_clock_steps,
    "set": Player.set_option,
    **humans.VERBS,
}


def play_file(path: Path, *, rewrite: bool = False) -> str:
    """Play a file; return the difference to what it expects (empty: none), or record what happened."""
    scenario = parse(path.read_text())
    outcome = Player(scenario).play()
    if rewrite:
        path.write_text(f"{scenario.script.rstrip()}\n\n{LINE}\n{outcome}")
        return ""
    return "".join(
        difflib.unified_diff(
            scenario.expected.splitlines(keepends=True), outcome.splitlines(keepends=True), "expected", "happened"
        )
    )


def main() -> int:
    """Compare or rewrite the files named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m vmha.sim.scenario", description="play scenario files")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--rewrite", action="store_true", help="record what happens; read the diff before you commit it"
    )
    options = parser.parse_args()
    differing = 0
    for path in options.files:
        difference = play_file(path, rewrite=options.rewrite)
        if difference:
            differing += 1
            print(f"{path}:\n{difference}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
