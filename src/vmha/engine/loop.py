"""The engine: `run_once()` reads, decides, stores, orders, and says when to look again.

What it remembers between two calls is only a copy: a recovery that could not be stored, or whose lease is gone, is dropped and read
anew by whoever claims it next.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vmha.core import events, kinds
from vmha.core.budgets import budgets
from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code, because
from vmha.core.guards import allowed_failures
from vmha.core.invariants import Broken
from vmha.core.model import Recovery
from vmha.core.words import is_word
from vmha.engine.clockwatch import ClockWatch
from vmha.errors import ClaimRefused, Conflict, LeaseLost, LettersWaiting, ProofRefused, StoreUnavailable
from vmha.logs import log
from vmha.ports import Change, Order, TimelineEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmha.core.explain import Reason
    from vmha.core.incidents import Incident
    from vmha.core.model import Proof
    from vmha.core.policy import Policy
    from vmha.ports import Claimed, Clock, Lease, LeaseTerms, Store

logger = logging.getLogger(__name__)

REDECIDE_TIMES = 3
"""How often a step is decided anew after the database refused it, before the recovery is dropped and read from scratch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that came back for an order of a recovery."""

    recovery: str
    order: str
    event: events.Event


class Executor(Protocol):
    """Carries orders out and collects the answers."""

    def submit(self, order: Order, lease: Lease) -> None:
        """Take an order; returns at once."""

    def drain(self) -> list[Reply]:
        """Return the answers that came since the last call."""


@dataclass(slots=True, kw_only=True)
class Held:
    """An incident that this engine owns: the stored state, its version, and facts not yet decided on."""

    state: Incident
    version: int
    lease: Lease
    pending: list[tuple[events.Event, str | None, int | None]] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    is_stopped: bool = False
    alerted_at: float = 0.0
    trouble: str | None = None
    """Why it could not even be stored that it is stopped; that is told once, and tried again with each round."""


@dataclass(slots=True, kw_only=True)
class Engine:
    """One engine over one database. Not thread safe: one thread calls `run_once()`."""

    name: str
    store: Store
    executor: Executor
    clock: Clock
    policy: Policy
    terms: LeaseTerms
    new_uuid: Callable[[], str]
    poll_seconds: float = 1.0
    limit: int = 64
    others_limit: int = 8
    held: dict[str, Held] = field(default_factory=dict)
    renewed_at: float = -math.inf
    away_since: float | None = None
    watch: ClockWatch = field(default_factory=ClockWatch)
    quiet_until: float = 0.0
    trouble: str | None = None

    def run_once(self) -> float:
        """Do all that is to do now; return for how many seconds nothing more will be, unless something arrives.

        A database that is away costs this round, nothing else: facts in hand are kept for the next.
        """
        for reply in self.executor.drain():
            self._receive(reply)
        try:
            pause = self._round()
        except StoreUnavailable as error:
            self._note_away(error)
            return self.poll_seconds
        self._note_back()
        return pause

    def _note_away(self, error: StoreUnavailable) -> None:
        """Say once that the database is away, not in each round."""
        if self.away_since is None:
            self.away_since = self.clock.monotonic()
            detail = str(error).partition("\n")[0]
            log(logger, "database-away", level=logging.WARNING, engine=self.name, detail=detail)

    def _note_back(self) -> None:
        if self.away_since is not None:
            log(logger, "database-back", engine=self.name, away_seconds=self.clock.monotonic() - self.away_since)
            self.away_since = None

    def _round(self) -> float:
        now = self._look_at_clock()
        self._look_at_database(now)
        for held in list(self.held.values()):
            if not held.pending and (held.state.wake_at or 0.0) <= now:
                held.pending.append((events.Ticked(), None, None))
            if held.is_stopped:
                self._tend_stopped(held, now)
            elif held.pending:
                self._step(held)
        return self._until_next(now)

    def _look_at_clock(self) -> float:
        """Read the database's clock; where it jumped, no lease and no proof from before is worth anything."""
        before = self.clock.monotonic()
        now = self.store.now()
        seconds = self.watch.jump(before, now, self.clock.monotonic())
        if seconds:
            self._begin_anew(seconds, now)
        return now

    def _begin_anew(self, seconds: float, now: float) -> None:
        """Give up all that is held, and claim nothing until orders that are under way anywhere are over: a claim reads power first."""
        given_up, self.held = list(self.held.values()), {}
        quiet_seconds = self.terms.lease_seconds + self.terms.claim_after_seconds
        self.renewed_at, self.quiet_until = -math.inf, self.clock.monotonic() + quiet_seconds
        log(
            logger,
            "database-clock-jumped",
            level=logging.ERROR,
            engine=self.name,
            seconds=seconds,
            database_now=now,
            given_up=len(given_up),
            says=f"keep the clocks of the database's servers in step; recoveries go on in {quiet_seconds:g} s",
        )
        for held in given_up:
            if not any(order.effect.is_order for order in held.orders.values()):
                self.store.release(held.lease)

    def _look_at_database(self, now: float) -> None:
        """Renew, claim what is free, and fetch letters. Whatever goes wrong with that, what is held goes on."""
        try:
            self._renew(now)
            limit, others = self._room()
            for claimed in self.store.claim(self.name, self.terms, limit=limit, others=others):
                self._take(claimed)
            for recovery, letters in self.store.inbox(self.held).items():
                self._open_letters(self.held[recovery], letters)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a defect here may not end what goes on
            if repr(error) != self.trouble:
                says = "cannot renew, claim or read letters; what is held goes on; report this"
                log(logger, "look-failed", level=logging.CRITICAL, engine=self.name, detail=repr(error), says=says)
                self.trouble = repr(error)
            return
        self.trouble = None

    def _room(self) -> tuple[int, int]:
        """Return how many more hosts are taken, and how many other incidents: many of those may not keep a failed host waiting.

        Those that wait do next to nothing, and take no place away from a new failure.
        """
        if self.clock.monotonic() < self.quiet_until:
            return 0, 0
        hosts = others = 0
        for held in self.held.values():
            if not held.state.phase.is_wait:
                is_host = isinstance(held.state, Recovery)
                hosts, others = hosts + is_host, others + (not is_host)
        return max(self.limit - hosts, 0), max(self.others_limit - others, 0)

    def release_all(self) -> None:
        """Give everything back, so that another engine need not wait for the leases to end. Call it when no order is under way."""
        for held in self.held.values():
            self.store.release(held.lease)
        self.held.clear()

    def _receive(self, reply: Reply) -> None:
        held = self.held.get(reply.recovery)
        if held is not None and reply.order in held.orders:
            del held.orders[reply.order]
            held.pending.append((reply.event, reply.order, None))

    def _renew(self, now: float) -> None:
        """Sign on and renew the leases once a third of their time has passed; forget what was lost."""
        if now - self.renewed_at < self.terms.lease_seconds / 3:
            return
        self.store.sign_on(self.name)
        if self.held:
            kept = self.store.renew([held.lease for held in self.held.values()], self.terms)
            for recovery in set(self.held) - kept:
                self._drop(recovery, "lease lost to another engine")
        self.renewed_at = now

    def _take(self, claimed: Claimed) -> None:
        is_stopped = kinds.is_stopped(claimed.recovery)
        held = Held(state=claimed.recovery, version=claimed.version, lease=claimed.lease, is_stopped=is_stopped)
        self.held[claimed.recovery.uuid] = held
        log(logger, "claimed", recovery=claimed.recovery.uuid, host=claimed.recovery.host, epoch=claimed.lease.epoch)
        if claimed.lease.epoch > 1:
            held.pending.append((events.TakenOver(engine=self.name, before=claimed.before), None, None))

    def _open_letters(self, held: Held, letters: Iterable[tuple[int, events.Event]]) -> None:
        known = {letter for _, _, letter in held.pending}
        held.pending.extend((event, None, number) for number, event in letters if number not in known)

    def _step(self, held: Held) -> None:
        """Decide on all facts in hand, store the outcome in one transaction, then send the orders."""
        for _ in range(REDECIDE_TIMES):
            try:
                change = self._think(held)
                held.version = self.store.commit(held.lease, held.version, change)
            except (ProofRefused, ClaimRefused) as error:
                log(logger, "decided-anew", level=logging.WARNING, recovery=held.state.uuid, detail=str(error))
                continue
            except LettersWaiting as error:
                log(logger, "decided-anew", recovery=held.state.uuid, detail=str(error))
                self._open_letters(held, self.store.inbox([held.state.uuid]).get(held.state.uuid, ()))
                continue
            except (LeaseLost, Conflict) as error:
                self._drop(held.state.uuid, str(error))
                return
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - a broken promise or a defect stops this recovery, not the engine
                self._stop(held, error)
                return
            self._adopt(held, change)
            return
        self._drop(held.state.uuid, "the database refused the step again and again")

    def _think(self, held: Held) -> Change[Any]:
        """Decide on each fact in turn, and check the promises after each."""
        now = self.store.now()
        around = self.store.surroundings(
            held.state,
            brake_window_seconds=self.policy.brake_window_seconds,
            quarantine_window_seconds=self.policy.quarantine_window_seconds,
        )
        state, orders, reasons, revoked = held.state, list[Order](), list["Reason"](), list[tuple["Proof", str]]()
        for event in sorted((event for event, _, _ in held.pending), key=kinds.turn):
            decision = kinds.decide(state, event, now, self.policy, around, new_uuid=self.new_uuid())
            orders += [Order(id=self.new_uuid(), recovery=state.uuid, effect=effect) for effect in decision.effects]
            reasons += decision.reasons
            revoked += decision.revoked
            state = decision.state
        has_word = isinstance(state, Recovery) and state.word is not None
        return Change(
            now=now,
            before=held.state,
            after=state,
            orders=tuple(orders),
            answered=tuple(order for _, order, _ in held.pending if order is not None),
            handled=tuple(letter for _, _, letter in held.pending if letter is not None),
            timeline=tuple(TimelineEntry(at=now, reason=reason) for reason in reasons),
            revoked=tuple(revoked),
            power_off_slots=None if has_word else allowed_failures(around, self.policy),
            slot_seconds=self.policy.brake_window_seconds,
            budgets=budgets(state, self.policy) if isinstance(state, Recovery) else (),
        )

    def _adopt(self, held: Held, change: Change[Any]) -> None:
        """Take the stored change for true: speak, send, and let go of what has ended."""
        held.state, held.pending, held.trouble = change.after, [], None
        for entry in change.timeline:
            log(
                logger,
                entry.reason.code.name.lower().replace("_", "-"),
                recovery=held.state.uuid,
                says=entry.reason.sentence,
            )
        for order in change.orders:
            if not isinstance(order.effect, Alert):
                held.orders[order.id] = order
            self.executor.submit(order, held.lease)
        if kinds.has_ended(held.state):
            self.held.pop(held.state.uuid, None)

    def _stop(self, held: Held, error: Exception) -> None:
        """Stop a recovery whose promises do not hold, or that cannot be decided, and say so: a human must look."""
        detail = str(error) if isinstance(error, Broken) else f"the engine has a defect: {error!r}"
        if held.trouble is None:
            log(
                logger,
                "promise-broken",
                level=logging.CRITICAL,
                recovery=held.state.uuid,
                host=held.state.host,
                detail=detail,
            )
            if not isinstance(error, Broken):
                logger.error("traceback of the defect", exc_info=error)
        reason = because(Code.PROMISE_BROKEN, host=held.state.host, detail=detail)
        if self._store_end(held, kinds.stopped(held.state, reason, self.store.now()), ()):
            # Not before it is stored: where the database was away, the promise is found broken once more and told then.
            held.is_stopped, held.pending = True, []

    def _tend_stopped(self, held: Held, now: float) -> None:
        """Alert again on schedule, and where a human says anything else: only a reject ends a recovery that was stopped (P4)."""
        for event, _, letter in held.pending:
            if isinstance(event, events.Rejected) and letter is not None:
                reason = kinds.why_rejected(held.state, event.by, event.why)
                letters = tuple(number for _, _, number in held.pending if number is not None)
                if self._store_end(held, kinds.rejected(held.state, reason, now), letters):
                    self.held.pop(held.state.uuid, None)
                return
        unheeded = tuple(letter for event, _, letter in held.pending if letter is not None and is_word(event))
        held.pending = []
        if unheeded or now - held.alerted_at >= self.policy.alert_interval_seconds:
            self._store_end(held, held.state, unheeded)

    def _store_end(self, held: Held, after: Incident, handled: tuple[int, ...]) -> bool:
        """Store how a stopped recovery stands, and alert. False: it is dropped, or could not be stored and is tried again."""
        ends, is_new = kinds.has_ended(after), after != held.state
        kind = AlertKind.ENDED if ends else AlertKind.STOPPED if is_new else AlertKind.REMINDER
        order = Order(id=self.new_uuid(), recovery=after.uuid, effect=Alert(after.host, after.reason, kind))
        now = self.store.now()
        change: Change[Any] = Change(
            now=now,
            before=held.state,
            after=after,
            orders=(order,),
            answered=(),
            handled=handled,
            timeline=(TimelineEntry(at=now, reason=after.reason),) if is_new else (),
            revoked=(),
        )
        try:
            held.version = self.store.commit(held.lease, held.version, change)
        except (LeaseLost, Conflict) as lost:
            self._drop(after.uuid, str(lost))
            return False
        except LettersWaiting:
            return False  # the next round reads them
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - nor may what cannot be stored end the engine
            if held.trouble != repr(error):
                held.trouble, uuid = repr(error), after.uuid
                log(
                    logger,
                    "stop-not-stored",
                    level=logging.CRITICAL,
                    recovery=uuid,
                    host=after.host,
                    detail=held.trouble,
                )
            return False
        held.state, held.alerted_at, held.trouble = after, now, None
        self.executor.submit(order, held.lease)
        return True

    def _drop(self, recovery: str, why: str) -> None:
        held = self.held.pop(recovery, None)
        if held is not None:
            log(logger, "dropped", level=logging.WARNING, recovery=recovery, host=held.state.host, why=why)

    def _until_next(self, now: float) -> float:
        """Return the seconds until the next wake-up, renewal or look at the database, whichever is first."""
        wakes = [
            held.state.wake_at - now
            for held in self.held.values()
            if held.state.wake_at is not None and not held.is_stopped and held.trouble is None
        ]
        bounds = [self.poll_seconds, *wakes]
        if self.held:
            bounds.append(self.terms.lease_seconds / 3)
        return max(0.0, min(bounds))
