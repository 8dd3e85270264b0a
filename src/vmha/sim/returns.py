"""The `Returns` port over the store in memory. It passes the same contract tests as the SQL one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.adapters.db import records
from vmha.core.explain import Code, because
from vmha.core.model import Phase, Recovery
from vmha.core.returning import WORDS, Known, Past, ReturnRefused
from vmha.ports import TimelineEntry

if TYPE_CHECKING:
    from vmha.core.explain import Reason
    from vmha.return_ports import Hold
    from vmha.sim.store import MemoryStore, Row

TOLD = (Code.RETURNED, Code.RETURNED_AS_RESERVED)


class MemoryReturns:
    """What the database does for hosts that are let back, on plain objects."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def look(self, host: str) -> Known | None:
        """Read the host and its recoveries."""
        now, stored = self._store.now(), self._store.hosts.get(host)
        if stored is None:
            return None
        rows = self._rows(host)
        still = next((row.state for row in rows if row.state.phase is not Phase.ENDED), None)
        return Known(
            host=host,
            uuid=stored.uuid,
            now=now,
            is_reserved=stored.is_reserved,
            on_maintenance=stored.is_on_maintenance,
            open=None if still is None else (still.uuid, still.phase.value),
            claimed_by=self._claimed_by(host),
            past=tuple(self._past(row) for row in rows if row.state.phase is Phase.ENDED),
        )

    def _rows(self, host: str) -> list[Row]:
        """Return the recoveries of the host as a whole, the newest first."""
        rows = reversed(self._store.rows.values())
        return [row for row in rows if isinstance(row.state, Recovery) and row.state.host == host]

    def _claimed_by(self, host: str) -> str | None:
        return self._store.claims.get(f"reserved:{host}", (None, None))[0]

    def _past(self, row: Row) -> Past:
        state = next(each for each in self._store.failures if each.uuid == row.state.uuid)
        if state.uuid in self._store.unreadable:
            raise ReturnRefused(
                because(Code.RETURN_UNREADABLE, host=state.host, recovery=state.uuid, detail="of tomorrow")
            )
        proofs = {proof.rung for proof in self._store.proofs.values() if proof.recovery == state.uuid}
        was_proven_off = records.is_on_maintenance(state)
        by_word = was_proven_off and bool(proofs) and proofs <= WORDS
        back = [entry.reason.facts for entry in row.timeline if entry.reason.code is Code.SPARE_BACK]
        returns = {entry.reason.code for entry in row.timeline if entry.reason.code in TOLD}
        return Past(
            uuid=state.uuid,
            ended_at=state.ended_at or 0.0,
            was_proven_off=was_proven_off,
            prior=state.prior,
            by_word=by_word,
            ordered=by_word and any(move.attempts for move in state.moves),
            reserved=() if Code.RETURNED_AS_RESERVED in returns else records.spent_reserves(state),
            given_back=frozenset(dict(facts)["reserved"] for facts in back),
            joins=records.joined(state),
            is_returned=bool(returns),
        )

    def hold(self, hold: Hold, known: Known, *, ends_maintenance: bool, told: tuple[Reason, ...] = ()) -> None:
        """Take the right, after a look at what was opened since."""
        now, stored = self._store.now(), self._store.hosts.get(known.host)
        rows = self._rows(known.host)
        if stored is None or stored.uuid != known.uuid:
            raise ReturnRefused(because(Code.RETURN_CHANGED, host=known.host))
        self._demand_none_open(known.host)
        if [row.state.uuid for row in rows[:1]] != [past.uuid for past in known.past[:1]]:
            raise ReturnRefused(because(Code.RETURN_CHANGED, host=known.host))
        claimed = self._claimed_by(known.host)
        if claimed is not None and claimed != known.claimed_by:
            raise ReturnRefused(because(Code.RETURN_CLAIMED, host=known.host, recovery=claimed))
        held = self._store.held(known.host)
        if held is not None:
            other, made_at = held
            wait = made_at + other.seconds - now
            raise ReturnRefused(
                because(Code.RETURN_HELD, host=known.host, by=other.by, seconds=now - made_at, wait=wait)
            )
        self._store.holds[known.host] = (hold, now)
        if ends_maintenance:
            stored.is_on_maintenance = False
        self._tell(hold.record, now, told)

    def settle(
        self,
        hold: Hold,
        *,
        is_reserved: bool | None = None,
        on_maintenance: bool | None = None,
        keeps: bool = False,
        told: tuple[Reason, ...] = (),
    ) -> None:
        """Store what came of it, if the right still stands."""
        now = self._store.now()
        self._demand_right(hold)
        if not keeps:
            del self._store.holds[hold.host]
        stored = self._store.hosts[hold.host]
        if is_reserved is not None:
            stored.is_reserved = is_reserved
        is_failing = any(row.state.phase is not Phase.ENDED for row in self._rows(hold.host))
        if on_maintenance is not None and not is_failing:
            stored.is_on_maintenance = on_maintenance
        self._tell(hold.record, now, told)

    def forget(self, hold: Hold, told: tuple[Reason, ...]) -> None:
        """Take the host out of its segment."""
        self._demand_right(hold)
        self._demand_none_open(hold.host)
        del self._store.holds[hold.host], self._store.hosts[hold.host]
        self._tell(hold.record, self._store.now(), told)

    def _demand_none_open(self, host: str) -> None:
        for row in self._rows(host):
            if row.state.phase is not Phase.ENDED:
                phase, uuid = row.state.phase.value, row.state.uuid
                raise ReturnRefused(because(Code.RETURN_RECOVERY_OPEN, host=host, recovery=uuid, phase=phase))

    def _demand_right(self, hold: Hold) -> None:
        held = self._store.held(hold.host)
        if held is None or held[0] != hold or hold.host not in self._store.hosts:
            raise ReturnRefused(because(Code.RETURN_TOO_SLOW, host=hold.host))

    def tell(self, record: str, told: tuple[Reason, ...]) -> None:
        """Write lines of a timeline."""
        self._tell(record, self._store.now(), told)

    def _tell(self, record: str | None, now: float, told: tuple[Reason, ...]) -> None:
        if record is not None:
            self._store.rows[record].timeline += [TimelineEntry(at=now, reason=reason) for reason in told]
        for reason in told:
            self._store.on_told(reason.code.name)
