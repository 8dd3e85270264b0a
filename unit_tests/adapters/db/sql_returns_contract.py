"""What the SQL side of a return holds beside the contract of its port, on each database: races, and what stands in the rows."""

from __future__ import annotations

from collections import Counter
from functools import partial

from sqlalchemy import delete, select

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.db.sql_store_contract import ROUNDS, patient, race
from unit_tests.ports.returns_contract import BACK, ReturnsContract, codes, hold, known, recovered
from vmha.adapters.db import schema
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.returns import SqlReturns
from vmha.core.returning import Known, ReturnRefused


class SqlReturnsContract(ReturnsContract):
    """The contract of the port, and of its tables."""

    def test_of_returns_that_race_one_gets_the_host(self, rig: SqlRig) -> None:
        """However many begin at the same moment, each with connections of its own, one holds the host and the others learn that."""
        ports = [SqlReturns(rig.open(), via="api") for _ in range(4)]
        for _ in range(3):
            found = known(rig)
            outcomes = race([partial(taking, port, found) for port in ports])
            assert Counter(outcomes) == {"held": 1, "RETURN_HELD": 3}
            rig.pass_time(30.0)

    def test_a_return_and_a_report_that_race(self, rig: SqlRig) -> None:
        """One comes first: the return is held and the failure is taken all the same, or its recovery is open and the return refused."""
        seen = Counter[str]()
        api = rig.open()
        for _ in range(ROUNDS):
            found = known(rig)
            report = partial(patient, lambda: rig.report("c1", api, locks=True).recovery)
            outcome, recovery = race([partial(taking, rig.returns, found), report])
            seen[outcome] += 1
            now = known(rig)
            assert now.open is not None
            assert now.open[0] == recovery
            rig.begin()
        assert set(seen) <= {"held", "RETURN_RECOVERY_OPEN"}, seen

    def test_the_right_says_whose_it_is(self, rig: SqlRig) -> None:
        """Whoever looks into the table reads who holds the host; a name of any length is kept as far as it fits."""
        rig.returns.hold(hold("ann" * 200), known(rig), ends_maintenance=True)
        (row,) = rig.read(select(schema.claims.c.claim_key, schema.claims.c.held_by))
        assert row == {"claim_key": "host:uuid-of-c1:return", "held_by": ("ann" * 200)[:255]}

    def test_an_older_recovery_that_is_half_purged_counts_no_more(self, rig: SqlRig) -> None:
        """What is left of it does not say that the host was let back since, and its spares would be given back twice."""
        older, last = recovered(rig).state.uuid, recovered(rig).state.uuid
        assert [past.uuid for past in known(rig).past] == [last, older]
        with transaction(rig.engine) as connection:
            connection.execute(delete(schema.fence_proofs))
        assert [past.uuid for past in known(rig).past] == [last]
        rig.returns.hold(hold(), known(rig), ends_maintenance=True)

    def test_a_host_that_is_retired_is_disarmed_no_more(self, rig: SqlRig) -> None:
        """What is disarmed under its name would be nobody, and could not be armed; the order for all stands."""
        rig.disarm("host", "c1", seconds=600.0)
        rig.disarm("all", "", seconds=600.0)
        right = hold()
        rig.returns.hold(right, known(rig), ends_maintenance=False)
        rig.returns.forget(right, ())
        table = schema.disarms.c
        ended = rig.read(select(table.scope, table.ended_because, table.open_key).order_by(table.id))
        assert [tuple(row.values()) for row in ended] == [
            ("host c1", "ann retired the host", None),
            ("all hosts", None, "all"),
        ]

    def test_the_program_stands_on_the_timeline(self, rig: SqlRig) -> None:
        """A line of a return names the program where those of a recovery name the engine."""
        owner = recovered(rig)
        rig.returns.tell(owner.state.uuid, (BACK,))
        table = schema.timeline
        lines = rig.read(select(table.c.engine).where(table.c.code == BACK.code.name))
        assert [line["engine"] for line in lines] == ["api"]


def taking(port: SqlReturns, found: Known) -> str:
    """Take the right to a host; say what came of it."""
    try:
        patient(lambda: port.hold(hold(), found, ends_maintenance=True))
    except ReturnRefused as refused:
        return codes(refused)[0].name
    return "held"
