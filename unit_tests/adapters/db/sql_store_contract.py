"""What the SQL store holds beside the contract of its port, on each database: races, rows for upstream's clients, words of all kinds."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from oslo_db import exception as db_exception
from sqlalchemy import event, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.ports.guard_contract import GuardContract, begins
from unit_tests.ports.incident_contract import VM, IncidentContract, own_instance
from unit_tests.ports.outbox_contract import RETRY, OutboxContract
from unit_tests.ports.store_contract import TERMS, Owner, StoreContract, move, own
from vmha.adapters.db import hosts, incidents, schema
from vmha.adapters.db.connection import LONGEST_SENTENCE, open_database, transaction
from vmha.adapters.db.outbox import SqlOutbox
from vmha.adapters.db.reports import HostReport, Place
from vmha.adapters.db.store import SqlStore
from vmha.core.causes import Cause
from vmha.core.diagnosis import diagnosed
from vmha.core.effects import Alert, EnableReserved, PowerOff, StartInstance
from vmha.core.events import Confirmed, Rejected
from vmha.core.explain import Code, Reason, because
from vmha.core.incidents import InstancePhase
from vmha.core.model import MoveStatus, Outcome, Phase, Recovery, Reserved, ReservedStatus
from vmha.core.plain import from_plain
from vmha.errors import ClaimRefused, Conflict, LettersWaiting, NoLongerWanted, StoreUnavailable
from vmha.ports import Change, LeaseTerms, TimelineEntry

T = TypeVar("T")
ROUNDS = 8
"""How often a race of two is run; each round ends one way or the other."""

NAMES = ("web-1", "zażółć gęślą jaźń", "データベース", "🦄 unicorn", "x" * 255)
"""What people call their instances."""


class RaceContract:
    """Several engines and API processes at once, each with connections of its own."""

    def test_each_recovery_is_claimed_once(self, rig: SqlRig) -> None:
        """Engines that claim at the same moment share the recoveries out between them, none gets one that another has."""
        for number in range(20):
            rig.add_host(f"r{number}")
        reported = {rig.report(f"r{number}").recovery for number in range(20)}
        stores = [(f"engine-{n}", rig.another()) for n in range(4)]

        def claim(engine: str, store: SqlStore) -> list[str]:
            return [
                claim.recovery.uuid for _ in range(3) for claim in patient(lambda: store.claim(engine, TERMS, limit=20))
            ]

        taken = Counter(
            uuid for uuids in race([partial(claim, engine, store) for engine, store in stores]) for uuid in uuids
        )
        assert taken == dict.fromkeys(reported, 1)
        owners = rig.read(select(schema.recoveries.c.owner, schema.recoveries.c.epoch))
        assert {row["epoch"] for row in owners} == {1}

    def test_reports_that_race_open_one_recovery(self, rig: SqlRig) -> None:
        """Of many reports of one host at the same moment one opens the recovery, and all others join it."""
        engines = [rig.open() for _ in range(6)]
        for _ in range(3):
            reported = race([partial(patient, partial(rig.report, "c1", engine)) for engine in engines])
            assert len({each.recovery for each in reported}) == 1
            uuid = reported[0].recovery
            table = schema.recovery_notifications
            rows = rig.read(select(table).where(table.c.recovery_uuid == uuid))
            assert {row["notification_uuid"] for row in rows} == {each.notification for each in reported}
            assert sorted(row["is_first"] for row in rows) == [False] * 5 + [True]
            assert len(rig.store.inbox([uuid])[uuid]) == 5
            (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
            owner = Owner(rig, claimed)
            owner.end(handled=owner.letters())

    def test_a_report_that_races_the_end_is_not_lost(self, rig: SqlRig) -> None:
        """A notification that comes while the recovery ends opens the next one, or keeps it open until its letter is read."""
        seen = Counter[str]()
        api = rig.open()
        owner = own(rig)
        for number in range(ROUNDS):
            pause = 0.002 * number / ROUNDS

            def end(owner: Owner = owner, pause: float = pause) -> None:
                time.sleep(pause)
                try:
                    owner.end()
                except LettersWaiting:
                    owner.end(handled=owner.letters())

            _, reported = race([partial(patient, end), partial(patient, partial(rig.report, "c1", api))])
            assert owner.letters() == ()
            joined = reported.recovery == owner.state.uuid
            seen["joined" if joined else "opened"] += 1
            if joined:
                assert rig.status(reported.notification) == "finished"
                rig.report("c1")
            else:
                assert rig.status(reported.notification) == "running"
            (claimed,) = rig.store.claim("engine-1", TERMS, limit=8)
            assert claimed.lease.epoch == 1
            owner = Owner(rig, claimed)
        assert seen.total() == ROUNDS

    @pytest.mark.parametrize("kind", ["report", "word"])
    def test_an_end_that_waited_for_a_letter_sees_it(self, rig: SqlRig, kind: str) -> None:
        """A letter that is stored while the end waits for the recovery's row is seen by it, and no word is put after the end."""
        owner, api, word = own(rig), rig.open(), Rejected(by="ann", why="it is well")
        uuid, is_put = owner.state.uuid, threading.Event()
        place = Place(notification_uuid=str(uuid4()), host_uuid="uuid-of-c1", host_name="c1", segment_uuid="segment")

        def put() -> None:
            with transaction(api) as connection:
                if kind == "report":
                    incidents.open_or_join(connection, HostReport(place=place, method="auto", says_off=True))
                else:
                    assert incidents.say(connection, uuid, word)
                is_put.set()
                time.sleep(0.2)  # so that the end comes to wait; it is refused also where it does not

        def end() -> None:
            assert is_put.wait(10.0)
            owner.end()

        with ThreadPoolExecutor(2) as pool:
            putting, ending = pool.submit(put), pool.submit(end)
            putting.result(timeout=30)
            with pytest.raises(LettersWaiting):
                ending.result(timeout=30)
        owner.end(handled=owner.letters())
        with transaction(api) as connection:
            assert not incidents.say(connection, uuid, word)
        assert owner.letters() == ()

    def test_of_a_revocation_and_an_order_one_loses(self, rig: SqlRig) -> None:
        """A proof is never revoked and used by two commits on one version: one stores all of its own, the other nothing."""
        other = rig.another()
        for _ in range(ROUNDS):
            owner = own(rig)
            known = owner.prove()
            order = owner.change(orders=(owner.evacuate(known.uuid),))
            revocation = owner.change(proof=None, revoked=((known, "it reads ON"),))
            version = owner.version
            answers = race([committing(rig.store, owner, order), committing(other, owner, revocation)])
            assert [type(answer) for answer in answers].count(int) == 1
            assert [type(answer) for answer in answers].count(Conflict) == 1
            ordered = rig.read(select(schema.effects).where(schema.effects.c.proof_uuid == known.uuid))
            assert bool(ordered) == (rig.revoked(known.uuid) is None)
            owner.version, owner.state = version + 1, (order if ordered else revocation).after
            owner.end()

    def test_a_reserved_host_goes_to_one_of_two(self, rig: SqlRig) -> None:
        """Of two recoveries that claim the same reserved host at the same moment one gets it."""
        rig.add_host("spare", reserved=True)
        wanted = (Reserved("spare", ReservedStatus.ENABLING),)
        for _ in range(ROUNDS):
            owners = [own(rig, "c1"), own(rig, "c2")]
            owners[1].store = rig.another()
            answers = race([partial(attempt, partial(owner.commit, reserved=wanted)) for owner in owners])
            assert sorted(type(answer).__name__ for answer in answers) == ["ClaimRefused", "NoneType"]
            for owner in owners:
                owner.end()

    def test_slots_are_not_overdrawn(self, rig: SqlRig) -> None:
        """Recoveries that order power-offs at the same moment get no more slots than there are."""
        owners = [own(rig, name) for name in ("c1", "c2", "c3")]
        for owner in owners:
            owner.store = rig.another()

        def power_off(owner: Owner) -> object:
            """Try again as the engine does: a slot may be lost to another while a second one is free."""
            for _ in range(3):
                order = owner.order(PowerOff(owner.state.host, 1))
                answer = attempt(lambda: owner.commit(orders=(order,), slots=2))  # noqa: B023 - called at once
                if not isinstance(answer, ClaimRefused):
                    break
            return answer

        answers = race([partial(power_off, owner) for owner in owners])
        assert sorted(type(answer).__name__ for answer in answers) == ["ClaimRefused", "NoneType", "NoneType"]
        assert len(rig.read(select(schema.claims))) == 2
        assert len(rig.read(select(schema.effects))) == 2

    def test_budgets_are_not_overdrawn(self, rig: SqlRig) -> None:
        """Rounds of fencing that begin at the same moment get no more slots than there are, of no budget."""
        owners = [own(rig, name) for name in ("c1", "c2", "c3")]
        for owner in owners:
            owner.store = rig.another()

        def begin(owner: Owner) -> object:
            """Try again as the engine does: a slot may be lost to another while a second one is free."""
            for _ in range(3):
                answer = attempt(lambda: owner.commit(begins(owner, at_once=2, segment=2)))
                if not isinstance(answer, ClaimRefused):
                    break
            return answer

        answers = race([partial(begin, owner) for owner in owners])
        assert sorted(type(answer).__name__ for answer in answers) == ["ClaimRefused", "NoneType", "NoneType"]
        assert len(rig.read(select(schema.claims))) == 6


class DeliveryRaceContract:
    """The couriers of several engines at once, each with connections of its own."""

    def test_each_alert_is_addressed_once(self, rig: SqlRig) -> None:
        """Engines that look at the same moment address each alert once, to the webhooks of one of them."""
        boxes = [SqlOutbox(rig.open()) for _ in range(4)]
        for number in range(ROUNDS):
            rig.add_host(f"a{number}")
            rig.report(f"a{number}")
            race([partial(patient, partial(box.look, {"w": "receiver"}, RETRY)) for box in boxes])
        rows = rig.read(select(schema.alert_deliveries.c.alert_uuid))
        assert len({row["alert_uuid"] for row in rows}) == len(rows) == ROUNDS

    def test_each_delivery_is_taken_once(self, rig: SqlRig) -> None:
        """Engines that take at the same moment share the alerts out between them; none gets one that another has."""
        for number in range(12):
            rig.add_host(f"a{number}")
            rig.report(f"a{number}")
        rig.outbox.look({"w": "receiver"}, RETRY)
        boxes = [(f"engine-{n}", SqlOutbox(rig.open())) for n in range(4)]

        def take(engine: str, box: SqlOutbox) -> list[str]:
            taken = []
            while delivery := patient(lambda: box.take("w", engine, seconds=15.0)):
                taken.append(delivery.alert)
            return taken

        taken = Counter(alert for mine in race([partial(take, *each) for each in boxes]) for alert in mine)
        assert len(taken) == 12
        assert set(taken.values()) == {1}
        assert rig.outbox.take("w", "engine-1", seconds=15.0) is None


class MoveContract:
    """The moves, and upstream's vmoves beside them."""

    def test_moves_and_vmoves_are_written_together(self, rig: SqlRig) -> None:
        """Each move has a vmove of the notification that opened the recovery, and both follow every change."""
        owner = own(rig)
        rig.report("c1")
        (letter,) = rig.store.inbox([owner.state.uuid])[owner.state.uuid]
        first, second = move("vm1"), move("vm2", MoveStatus.HELD)
        owner.commit(moves=(first, second), handled=(letter[0],))
        assert self.shown(rig) == [("vm1", "c1", None, "pending"), ("vm2", "c1", None, "pending")]
        moved = replace(first, status=MoveStatus.MOVED, destination="c2", started_at=owner.now, ended_at=owner.now)
        owner.commit(moves=(moved, second))
        assert self.shown(rig) == [("vm1", "c1", "c2", "succeeded"), ("vm2", "c1", None, "pending")]
        rows = rig.read(select(schema.moves).order_by(schema.moves.c.position))
        assert [row["status"] for row in rows] == ["moved", "held"]
        linked = {row["vmove_uuid"] for row in rows}
        vmoves = rig.read(select(schema.vmoves).order_by(schema.vmoves.c.id))
        assert {row["uuid"] for row in vmoves} == linked
        assert {row["notification_uuid"] for row in vmoves} == {self.first_notification(rig, owner)}
        assert vmoves[0]["start_time"] is not None
        assert vmoves[0]["end_time"] is not None

    def test_a_refused_commit_writes_neither(self, rig: SqlRig) -> None:
        """When a commit is refused after its moves were written, no move and no vmove is left of it."""
        rig.add_host("spare", reserved=True)
        wanted = (Reserved("spare", ReservedStatus.ENABLING),)
        other, owner = own(rig, "c2"), own(rig, "c1")
        other.commit(reserved=wanted)
        before = rig.stored()
        with pytest.raises(ClaimRefused):
            owner.commit(reserved=wanted, moves=(move("vm1"),))
        assert rig.stored() == before

    def test_what_is_given_up_has_failed(self, rig: SqlRig) -> None:
        """Where a human ends a recovery, the moves that are not settled are shown as failed, with the human's reason and the cause."""
        owner = own(rig)
        cause = diagnosed(Cause.LOCAL_DISK, "it boots from an image")
        held = replace(move("vm1", MoveStatus.HELD), diagnosis=cause)
        owner.commit(moves=(held, move("vm2", MoveStatus.MOVED, destination="c2")))
        assert [row["message"] for row in rig.read(select(schema.vmoves))] == [cause.sentence, None]
        reason = because(Code.REJECTED, by="jane", why="the rack is gone", host="c1")
        owner.commit(phase=Phase.ENDED, outcome=Outcome.REJECTED, reason=reason, ended_at=owner.now, wake_at=None)
        assert self.shown(rig) == [("vm1", "c1", None, "failed"), ("vm2", "c1", "c2", "succeeded")]
        messages = [row["message"] for row in rig.read(select(schema.vmoves).order_by(schema.vmoves.c.id))]
        assert messages == [f"{reason.sentence}; {cause.sentence}", None]

    def test_a_large_host_is_few_statements(self, rig: SqlRig) -> None:
        """The plan of a host with 1,600 instances is one commit of a few statements, and it comes back in its order."""
        owner = own(rig)
        moves = tuple(move(f"vm{number}") for number in range(1600))
        statements: list[str] = []
        event.listen(rig.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        owner.commit(moves=moves)
        assert 0 < len(statements) < 30, Counter(statements)
        rig.store.release(owner.lease)
        (claimed,) = rig.store.claim("engine-2", TERMS, limit=8)
        assert claimed.recovery.moves == moves

    @staticmethod
    def shown(rig: SqlRig) -> list[tuple[Any, ...]]:
        """Read the vmoves as a client sees them."""
        rows = rig.read(select(schema.vmoves).order_by(schema.vmoves.c.id))
        return [(row["instance_name"], row["source_host"], row["dest_host"], row["status"]) for row in rows]

    @staticmethod
    def first_notification(rig: SqlRig, owner: Owner) -> str:
        """Read which notification opened a recovery."""
        table = schema.recovery_notifications
        (row,) = rig.read(select(table).where(table.c.recovery_uuid == owner.state.uuid, table.c.is_first.is_(True)))
        return str(row["notification_uuid"])


class WordsContract:
    """Names and messages of any kind are stored, since a commit that cannot be stored stops a recovery."""

    def test_names_of_all_kinds_are_stored(self, rig: SqlRig) -> None:
        """Instances may be called anything that Nova lets them be called."""
        owner = own(rig)
        owner.commit(moves=tuple(move(name) for name in NAMES))
        shown = [row["instance_name"] for row in rig.read(select(schema.vmoves).order_by(schema.vmoves.c.id))]
        assert shown == list(NAMES)

    def test_sentences_of_all_kinds_are_stored(self, rig: SqlRig) -> None:
        """What Nova, a BMC or a human said is stored in timeline, message and journal as it was said."""
        owner = own(rig)
        reason = because(Code.SURVEY_FAILED, host="c1", detail=" ".join(NAMES), seconds=5.0)
        alert = owner.order(Alert("c1", reason))
        owner.commit(reason=reason, timeline=(TimelineEntry(at=owner.now, reason=reason),), orders=(alert,))
        assert rig.timeline(owner.state.uuid)[-1] == reason.sentence
        (row,) = rig.read(select(schema.recoveries))
        assert row["message"] == reason.sentence
        assert rig.told(owner.state.uuid)[-1]["summary"] == reason.sentence

    def test_long_words_are_stored(self, rig: SqlRig) -> None:
        """An answer of Nova that is a whole web page does not stop the recovery."""
        owner = own(rig)
        facts = (("host", "c1"), ("detail", "<p>oops</p>" * 20_000), ("seconds", "5"))
        reason = Reason(Code.SURVEY_FAILED, facts)
        alert = owner.order(Alert("c1", reason))
        held = move("vm1", MoveStatus.HELD, reason=reason)
        owner.commit(
            reason=reason, timeline=(TimelineEntry(at=owner.now, reason=reason),), orders=(alert,), moves=(held,)
        )
        kept = rig.timeline(owner.state.uuid)[-1]
        assert reason.sentence.startswith(kept.removesuffix("…"))
        assert len(kept) == LONGEST_SENTENCE
        rig.store.release(owner.lease)
        (claimed,) = rig.store.claim("engine-2", TERMS, limit=8)
        assert claimed.recovery == owner.state

    def test_words_that_are_none_are_stored(self, rig: SqlRig) -> None:
        """Not even a zero byte or half a character of a broken answer stops the recovery."""
        owner = own(rig)
        reason = because(Code.SURVEY_FAILED, host="c1", detail="a\0b\ud83dc", seconds=5.0)
        known = owner.prove()
        owner.commit(
            reason=reason,
            timeline=(TimelineEntry(at=owner.now, reason=reason),),
            moves=(move("a\0b\ud83dc", MoveStatus.HELD, reason=reason),),
            proof=None,
            revoked=((known, reason.sentence),),
        )
        assert "ab?c" in rig.timeline(owner.state.uuid)[-1]

    def test_the_longest_host_name_is_stored(self, rig: SqlRig) -> None:
        """A reserved host may have a name as long as the table of hosts allows."""
        name = "h" * 255
        rig.add_host(name, reserved=True)
        owner = own(rig)
        order = owner.order(EnableReserved(name))
        owner.commit(reserved=(Reserved(name, ReservedStatus.ENABLING),), orders=(order,))
        assert own(rig, "c2").surroundings().reserved_hosts == ()


class DatabaseContract:
    """What the database itself refuses, and the clock it goes by."""

    def test_an_evacuation_without_a_proof_is_no_row(self, rig: SqlRig) -> None:
        """The database refuses an order to evacuate that names no proof, whoever writes it (P1)."""
        order = {
            "uuid": str(uuid4()),
            "recovery_uuid": str(uuid4()),
            "effect_key": "evacuate",
            "payload": "{}",
            "engine": "engine-1",
            "epoch": 1,
            "intended_at": 0.0,
        }
        table = schema.effects
        with pytest.raises((db_exception.DBError, DBAPIError, StoreUnavailable)), transaction(rig.engine) as connection:
            connection.execute(insert(table).values(kind="Evacuate", proof_uuid=None, **order))
        with transaction(rig.engine) as connection:
            connection.execute(insert(table).values(kind="PowerOff", proof_uuid=None, **order))
        assert len(rig.read(select(table))) == 1

    def test_the_clock_is_the_databases_own(self, rig: SqlRig) -> None:
        """Time is seconds since the epoch, and goes on within a transaction."""
        with transaction(open_database(rig.url)) as connection:
            first = connection.execute(select(func.database_now())).scalar_one()
            assert first == pytest.approx(time.time(), abs=60.0)
            until(lambda: connection.execute(select(func.database_now())).scalar_one() > first)

    def test_a_lease_ends_by_the_databases_clock(self, rig: SqlRig) -> None:
        """A real lease holds for its seconds of real time, and a successor gets the recovery after the pause."""
        terms = LeaseTerms(lease_seconds=0.4, claim_after_seconds=0.3)
        first, second = (SqlStore(open_database(rig.url)) for _ in range(2))
        rig.clock.now = time.time()
        uuid = rig.report("c1").recovery
        began = time.monotonic()
        (claimed,) = first.claim("engine-1", terms, limit=8)
        (taken,) = until(lambda: second.claim("engine-2", terms, limit=8))
        assert time.monotonic() - began > 0.65, "it was another's until then"
        assert (taken.recovery.uuid, taken.lease.epoch, taken.before) == (uuid, 2, "engine-1")
        assert first.renew([claimed.lease], terms) == frozenset()

    def test_what_cannot_be_read_is_told_once(self, rig: SqlRig, caplog: pytest.LogCaptureFixture) -> None:
        """A recovery and a letter that only a newer version can read are told once each, with what to do."""
        owner = own(rig)
        spoilt = rig.report("c2").recovery
        rig.spoil(spoilt)
        rig.say(owner.state.uuid, Confirmed(by="ann", why="it is off"))
        rig.spoil_letters(owner.state.uuid)
        for _ in range(3):
            assert rig.store.claim("engine-1", TERMS, limit=8) == ()
            assert rig.store.inbox([owner.state.uuid]) == {}
        told = [record.__dict__["fields"] for record in caplog.records if record.levelno == logging.CRITICAL]
        assert [fields["recovery"] for fields in told] == [spoilt, owner.state.uuid]
        assert all("upgrade this" in fields["says"] for fields in told)
        assert ("c2" in told[0]["says"], "A_REASON_OF_TOMORROW" in told[0]["says"]) == (True, True)

    def test_a_move_that_cannot_be_read_spoils_its_recovery(self, rig: SqlRig) -> None:
        """A status of an instance that this version does not know leaves the whole recovery to an engine that knows it."""
        owner = own(rig)
        owner.commit(moves=(move("vm1"), move("vm2")))
        rig.store.release(owner.lease)
        table = schema.moves
        with transaction(rig.engine) as connection:
            connection.execute(
                update(table).where(table.c.position == 1).values(state=json.dumps({"status": "TELEPORTED"}))
            )
        assert rig.another().claim("engine-2", TERMS, limit=8) == ()

    def test_signing_on_twice_is_one_engine(self, rig: SqlRig) -> None:
        """An engine that says again that it lives stays one row, with a younger time."""
        rig.store.sign_on("engine-1")
        rig.pass_time(10.0)
        rig.store.sign_on("engine-1")
        (row,) = rig.read(select(schema.engines))
        assert row["seen_at"] - row["started_at"] == pytest.approx(10.0, abs=0.1)


class OlderVersionContract:
    """What a version that knows hosts only makes of the smaller incidents, while both run on one database."""

    def test_it_can_read_none_of_them(self, rig: SqlRig) -> None:
        """It reads each row as the state of a host, fails, and so leaves it to an engine that can; it counts no failure of a host."""
        host, process, instance = rig.report("c1"), rig.report_process("c2"), rig.report_instance("c2", str(uuid4()))
        rows = {row["uuid"]: row for row in rig.read(select(schema.recoveries))}
        plain = {uuid: json.loads(row["state"]) | {"moves": []} for uuid, row in rows.items()}
        assert from_plain(Recovery, plain[host.recovery]).host == "c1"
        for each in (process, instance):
            with pytest.raises((TypeError, KeyError)):
                from_plain(Recovery, plain[each.recovery])
            assert rows[each.recovery]["segment_uuid"] == ""
        assert rows[host.recovery]["segment_uuid"] == "segment"

    def test_its_rows_are_read(self, rig: SqlRig) -> None:
        """What it writes has no subject, and is the recovery of a host."""
        host = rig.report("c1")
        with transaction(rig.engine) as connection:
            connection.execute(update(schema.recoveries).values(subject=None))
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=1)
        assert claimed.recovery.uuid == host.recovery


class DoorContract:
    """The door against a report of the host that comes at the same moment."""

    def test_a_start_waits_for_a_report_of_its_host_that_is_being_stored(self, rig: SqlRig) -> None:
        """While the API accepts the failure of the host, no start for it leaves: it comes to the door before that, or finds it shut."""
        owner = own_instance(rig)
        owner.store = rig.another()
        order = owner.order(StartInstance(VM, "c1", 1))
        owner.commit(phase=InstancePhase.STARTING, orders=(order,))
        accepting, accepted = threading.Event(), threading.Event()

        def accept() -> None:
            with transaction(rig.open()) as connection:
                hosts.lock_by_name(connection, "c1")
                accepting.set()
                accepted.wait(0.3)  # as long as an API may take; nothing depends on how long
                about = {"host_uuid": "uuid-of-c1", "host_name": "c1", "segment_uuid": "segment"}
                place = Place(notification_uuid=str(uuid4()), **about)
                incidents.open_or_join(connection, HostReport(place=place, method="auto", says_off=True))

        def leave() -> object:
            assert accepting.wait(10.0)
            try:
                return patient(lambda: owner.store.admit(owner.lease, order, TERMS))
            except NoLongerWanted as refusal:
                return refusal

        _, answer = race([accept, leave])
        assert isinstance(answer, NoLongerWanted)


class SqlStoreContract(
    StoreContract,
    IncidentContract,
    OutboxContract,
    GuardContract,
    RaceContract,
    DeliveryRaceContract,
    MoveContract,
    WordsContract,
    DatabaseContract,
    OlderVersionContract,
    DoorContract,
):
    """Everything that the SQL store holds, on whatever database."""


def committing(store: SqlStore, owner: Owner, change: Change) -> Callable[[], object]:
    """Build the act of committing a change on the version that the owner knows now."""
    lease, version = owner.lease, owner.version
    return lambda: attempt(lambda: store.commit(lease, version, change))


def race(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Do all acts at the same moment and return what each returned."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        barrier.wait(timeout=30)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, act) for act in acts]]


def patient(act: Callable[[], T]) -> T:
    """Do an act again where the database broke it off for the sake of another, as engine and API do."""
    for _ in range(5):
        try:
            return act()
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, db_exception.DBDeadlock):
                raise
    return act()


def attempt(act: Callable[[], T]) -> T | ClaimRefused | Conflict:
    """Do an act and return what it returned, or the refusal."""
    try:
        return patient(act)
    except (ClaimRefused, Conflict) as refusal:
        return refusal


def until(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """Return the condition's value as soon as it is true."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, "it did not come to pass"
        time.sleep(0.02)
    return value
