"""Judges what happened by the record alone. It shares no code with the engine, and no idea of how a recovery should go.

What it holds against a run:

* TWO_GUESTS: two guests of one instance ran at the same time on two hosts. The unforgivable one.
* SOURCE_WAS_ON: Nova took an evacuation from a host whose power was on at that moment.
* LATE_ORDER: the same, but when the order left, the host was off; a network or an API held it up.
* CAME_BACK: the same, but the host had been read OFF twice and was switched on less than a proof's age after the last reading: no
  engine can know, and guests do not start by themselves on a host that comes back.
* NO_PROOF: Nova took an evacuation from a host that had not been read OFF twice, two seconds apart, since the last reading of ON and
  the last power-off order, nor had a human taken responsibility.
* HEALTHY_HOST_SHOT: a power-off was ordered against a machine that had been well for a while.
* EVACUATED_TWICE: Nova took a second evacuation of an instance from a host while the first was not over.
* OTHERS_SERVICE: an engine enabled a compute service that an operator had disabled, or that was forced down.
* LET_BACK_EARLY: forced_down was cleared for a host by somebody who is no operator, in mid-recovery, or while an evacuation from there
  was not over or not cleaned up, a guest of before still ran there, or its nova-compute had not lived since it was switched on.
* Of orders to stop or start a guest, see `checker_guests.py`.
* STALE_OWNER: an engine gave an order for a host after another engine had begun to, without having taken it over again. (An engine
  that takes over the second time, or a second failure of the host, is known by a `claim` fact.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmha.sim.checker_guests import GuestRules
from vmha.sim.violations import OUTSIDERS, Kind, Violation, is_outsider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vmha.sim.record import Fact

# Two readings of one moment are one reading; the rule asks for two seconds, and stored times are rounded.
READINGS_APART_SECONDS = 2.0 - 0.01

# How old the youngest reading of a proof may be when an order leaves; the service's own default.
PROOF_AGE_SECONDS = 30.0

# How long ago a nova-compute may have died that was let back as one that lived: its last heartbeat is watched for, and then looked at.
LIVED_SECONDS = 60.0

# Who lets hosts back in the simulator. Over HTTP it has an engine's name, and clears what an engine never does.
RETURN = "return"


@dataclass(slots=True)
class _Host:
    is_on: bool = True
    off_since: float | None = None
    on_since: float | None = None
    off_readings: list[float] = field(default_factory=list)
    proof_of_last_life: float | None = None
    has_word: bool = False
    disabled_by: str | None = None
    owner: str | None = None
    former_owners: set[str] = field(default_factory=set)
    is_forced_down: bool = False
    forced_down_at: float = 0.0
    forced_by_recovery: bool = False
    has_recovery: bool = False
    alive_until: float | None = None
    is_alive: bool = True
    not_cleaned_up: set[int] = field(default_factory=set)

    def was_off(self, at: float) -> bool:
        """Tell whether the power was off at a time in its last but one stretch."""
        if self.off_since is None or self.on_since is None:
            return False
        return self.off_since <= at <= self.on_since


def check(facts: Iterable[Fact], *, well_seconds: float = 20.0) -> list[Violation]:
    """Return every violation, in order. A machine counts as well after `well_seconds` without any fault."""
    checker = Checker(well_seconds=well_seconds)
    for fact in facts:
        checker.hear(fact)
    return checker.violations


class Checker:
    """Hears one fact after the other, so that it can also watch a live record."""

    def __init__(self, *, well_seconds: float = 20.0) -> None:
        self.violations: list[Violation] = []
        self._well_seconds = well_seconds
        self._hosts: dict[str, _Host] = {}
        self._running: dict[str, set[str]] = {}
        self._in_flight: dict[tuple[str, str], set[int]] = {}
        self._destinations: dict[int, str | None] = {}
        self._guests = GuestRules()
        self._started_at: dict[tuple[str, str], float] = {}
        self._arrived_at: dict[int, float] = {}
        self._believed: dict[str, str | None] = {}
        self._hear: dict[str, Callable[[Fact], None]] = {
            "power": self._power,
            "guest": self._guest,
            "bmc": self._bmc,
            "service": self._service,
            "evacuation": self._evacuation,
            "migration": self._migration,
            "word": self._word,
            "claim": self._claim,
            "compute": self._compute,
            "recovery": self._recovery,
            "server": self._server,
        }

    def hear(self, fact: Fact) -> None:
        """Take one more fact into account."""
        handler = self._hear.get(fact["what"])
        if handler is not None:
            handler(fact)
        self.violations += self._guests.hear(fact)

    # Truth

    def _power(self, fact: Fact) -> None:
        host = self._host(fact["host"])
        host.is_on = fact["on"]
        if host.is_on:
            # A new life of the host: what was read and promised before does not hold for it.
            host.proof_of_last_life = host.off_readings[-1] if proves_off(host.off_readings) else None
            host.off_readings.clear()
            host.has_word = False
            host.on_since = fact["at"]
            host.alive_until = None
        else:
            host.off_since = fact["at"]

    def _guest(self, fact: Fact) -> None:
        instance, name = fact["instance"], fact["host"]
        hosts = self._running.setdefault(instance, set())
        if not fact["runs"]:
            hosts.discard(name)
            return
        for other in sorted(hosts - {name}):
            sentence = f"a guest of {instance} started on {name} ({fact['why']}) while one ran on {other}"
            self._blame(Kind.TWO_GUESTS, fact, name, sentence)
        hosts.add(name)
        self._started_at[instance, name] = fact["at"]

    # Orders

    def _bmc(self, fact: Fact) -> None:
        host = self._host(fact["host"])
        if fact["order"] == "read":
            if fact["outcome"] == "off":
                host.off_readings.append(fact["at"])
            elif fact["outcome"] == "on":
                host.off_readings.clear()
        elif fact["order"] == "off":
            host.off_readings.clear()
            self._ordered(fact, fact["host"], "a power-off")
            self._check_shot(fact)

    def _check_shot(self, fact: Fact) -> None:
        well = fact["well_seconds"]
        if fact["outcome"] != "taken" or well is None or well < self._well_seconds:
            return
        if not (self._host(fact["host"]).has_word or self._host(fact["machine"]).has_word):
            sentence = f"{fact['caller']} ordered {fact['machine']} off, which had been well for {well:.0f} s"
            self._blame(Kind.HEALTHY_HOST_SHOT, fact, fact["machine"], sentence)

    def _service(self, fact: Fact) -> None:
        host, caller = self._host(fact["host"]), fact["caller"]
        self._service_enabled(fact, host)
        is_cleared = host.is_forced_down and not fact["forced_down"]
        if fact["forced_down"] and not host.is_forced_down:
            host.forced_down_at = fact["at"]
        host.is_forced_down = fact["forced_down"]
        if fact["orders_down"] and caller != RETURN:
            self._ordered(fact, fact["host"], "forced_down")
            host.forced_by_recovery = host.has_recovery
        elif is_cleared and not is_outsider(caller):
            for why in self._why_early(fact["host"], fact["at"]):
                sentence = f"{caller} let {fact['host']} back {why}"
                self._blame(Kind.LET_BACK_EARLY, fact, fact["host"], sentence)

    def _service_enabled(self, fact: Fact, host: _Host) -> None:
        """Blame who enabled what was not theirs to enable, and keep in mind who disabled."""
        caller = fact["caller"]
        # A return takes back what we disabled also where others forced it down, which it leaves as it is.
        was_down = fact["forced_down"] and caller != RETURN
        if not is_outsider(caller) and not fact["disabled"] and (was_down or host.disabled_by in OUTSIDERS):
            why = "was forced down" if was_down else f"the {host.disabled_by} had disabled"
            sentence = f"{caller} enabled the service of {fact['host']}, which {why}"
            self._blame(Kind.OTHERS_SERVICE, fact, fact["host"], sentence)
        if not fact["disabled"]:
            host.disabled_by = None
        elif host.disabled_by is None:
            host.disabled_by = caller

    def _why_early(self, name: str, at: float) -> Iterator[str]:
        """Say what stood against clearing forced_down."""
        host = self._host(name)
        if host.has_recovery and host.forced_by_recovery:
            yield "in the middle of its recovery"
        if host.not_cleaned_up:
            yield f"although evacuations {sorted(host.not_cleaned_up)} were not cleaned up"
        on_it = {instance for instance, hosts in self._running.items() if name in hosts}
        before = {instance for instance in on_it if self._started_at[instance, name] < host.forced_down_at}
        strange = sorted(instance for instance in before if self._believed.get(instance) not in (None, name))
        if strange:
            yield f"while guests of {strange} ran there, as before it was forced down"
        alive_at = at if host.is_alive else host.alive_until
        if alive_at is None or at - alive_at > LIVED_SECONDS:
            yield "although its nova-compute had not come back"

    def _compute(self, fact: Fact) -> None:
        host = self._host(fact["host"])
        if host.is_alive:
            host.alive_until = fact["at"]
        host.is_alive = fact["state"] == "alive"

    def _recovery(self, fact: Fact) -> None:
        self._host(fact["host"]).has_recovery = fact["is_open"]
        self._host(fact["host"]).forced_by_recovery = False

    def _server(self, fact: Fact) -> None:
        self._believed[fact["instance"]] = None if fact["vm_state"] == "deleted" else fact["host"]

    def _evacuation(self, fact: Fact) -> None:
        if fact["outcome"] != "taken":
            return
        self._ordered(fact, fact["source"], f"the evacuation of {fact['instance']}")
        self._check_proof(fact)
        first = self._in_flight.setdefault((fact["instance"], fact["source"]), set())
        if any(self._may_still_land(migration) for migration in first):
            sentence = (
                f"Nova took a second evacuation of {fact['instance']} from {fact['source']}, by {fact['caller']}, "
                f"while migration {min(first)} was not over"
            )
            self._blame(Kind.EVACUATED_TWICE, fact, fact["source"], sentence)
        first.add(fact["migration"])

    def _may_still_land(self, migration: int) -> bool:
        """Tell whether an evacuation that is not over can start a guest: not where the destination had begun it and lost its power since."""
        destination = self._destinations.get(migration)
        if destination is None:
            return True
        host = self._host(destination)
        began = self._arrived_at.get(migration)
        return host.is_on and (began is None or host.off_since is None or host.off_since < began)

    def _check_proof(self, fact: Fact) -> None:
        host, source = self._host(fact["source"]), fact["source"]
        order = f"Nova took the evacuation of {fact['instance']} by {fact['caller']}"
        if host.has_word:
            return
        if host.is_on and fact["sent_at"] < fact["at"] and host.was_off(fact["sent_at"]):
            self._blame(Kind.LATE_ORDER, fact, source, f"{order} late, when {source} was on again")
        elif (
            host.is_on
            and host.proof_of_last_life is not None
            and fact["at"] - host.proof_of_last_life < PROOF_AGE_SECONDS
        ):
            self._blame(Kind.CAME_BACK, fact, source, f"{order} when {source} had just been switched on again")
        elif host.is_on:
            self._blame(Kind.SOURCE_WAS_ON, fact, source, f"{order} while the power of {source} was on")
        elif not proves_off(host.off_readings):
            sentence = f"{order} from {source}, which had been read OFF at {host.off_readings or 'no time'}"
            self._blame(Kind.NO_PROOF, fact, source, sentence)

    def _migration(self, fact: Fact) -> None:
        if fact["status"] == "pre-migrating":
            self._arrived_at.setdefault(fact["migration"], fact["at"])
        self._destinations[fact["migration"]] = fact["destination"]
        if fact["kind"] == "evacuation":
            awaited = self._host(fact["source"]).not_cleaned_up
            is_open = fact["status"] in ("accepted", "pre-migrating", "done")
            (awaited.add if is_open else awaited.discard)(fact["migration"])
        if fact["kind"] == "evacuation" and fact["status"] not in ("accepted", "pre-migrating"):
            self._in_flight.get((fact["instance"], fact["source"]), set()).discard(fact["migration"])

    # Owners and humans

    def _word(self, fact: Fact) -> None:
        self._host(fact["host"]).has_word = True

    def _claim(self, fact: Fact) -> None:
        if fact.get("subject") is None:
            self._own(self._host(fact["host"]), fact["engine"])

    def _ordered(self, fact: Fact, name: str, what: str) -> None:
        host, caller = self._host(name), fact["caller"]
        if is_outsider(caller):
            return
        if caller in host.former_owners:
            sentence = f"{caller} gave {what} for {name} after {host.owner} had taken it over"
            self._blame(Kind.STALE_OWNER, fact, name, sentence)
        else:
            self._own(host, caller)

    @staticmethod
    def _own(host: _Host, engine: str) -> None:
        if host.owner not in (None, engine):
            host.former_owners.add(str(host.owner))
        host.owner = engine
        host.former_owners.discard(engine)

    def _host(self, name: str) -> _Host:
        return self._hosts.setdefault(name, _Host())

    def _blame(self, kind: Kind, fact: Fact, host: str, sentence: str) -> None:
        self.violations.append(Violation(kind=kind, at=fact["at"], host=host, sentence=sentence))


def proves_off(readings: list[float]) -> bool:
    """Tell whether two readings of OFF are far enough apart."""
    return len(readings) >= 2 and readings[-1] - readings[0] >= READINGS_APART_SECONDS
