"""The second reading, the proof check and the epoch check are removed in turn, and `make demo` exits 1.

Each is removed alone and then together with the lines of defence behind it, up to the point where only the simulated cloud's own record
and the checker that reads it are left to notice.
"""

from __future__ import annotations

import re

import pytest

from tests.demo.plays import Play, Plays
from unit_tests.mutations.table import Edit, edit

pytestmark = pytest.mark.timeout(600)

# The second reading

ONE_READING = edit(
    "core/evidence.py",
    "return len(run) == 2 and run[-1].power is Power.OFF and "
    "run[-1].at - run[0].at >= policy.power_read_spacing_seconds",
    "return bool(run) and run[-1].power is Power.OFF",
)
UNCHECKED_PROOF = edit("core/invariants.py", "    yield from _sound_proof(after, policy)\n", "")
NO_READING_AFTER_THE_PROOF = edit(
    "core/evidence.py",
    "        # Read once more while Nova is told and asked, so that a host that came back is known before the first order.\n"
    "        power_due=draft.now,\n",
    "",
)

# The proof check

ON_WITHOUT_PROOF = (
    edit(
        "core/fencing.py",
        "    elif fence.trouble in HOPELESS or _round_is_over(draft):\n        draft.enter(Phase.UNPROVEN,",
        "    elif fence.trouble in HOPELESS or _round_is_over(draft):\n        draft.enter(Phase.FORCING_DOWN,",
    ),
    edit("core/moving.py", "        and state.proof is not None\n", ""),
    edit(
        "core/moving.py",
        "    if state.proof is None or not state.proof.holds(draft.now) or state.checks:\n",
        "    if state.checks:\n",
    ),
    edit("core/moving.py", "    if proof is None:\n        return False\n", ""),
    edit("core/moving.py", "            proof=proof.uuid,\n", '            proof=proof.uuid if proof else "none",\n'),
)
UNCHECKED_ORDERS = edit("core/invariants.py", "        *_proof_before_orders(after, decision, now, policy),\n", "")
ROW_WITHOUT_PROOF = edit(
    "adapters/db/changes.py",
    "        if isinstance(order.effect, Evacuate):\n            _insert_proven_order(",
    "        if isinstance(order.effect, Evacuate) and order.effect.source is None:\n            _insert_proven_order(",
)
DOOR_WITHOUT_PROOF = edit(
    "adapters/db/store.py",
    "    of_this = (recoveries.c.uuid == lease.recovery,)\n    match effect:\n",
    "    of_this = (recoveries.c.uuid == lease.recovery,)\n"
    "    if not isinstance(effect, PowerOff):\n        return ()\n"
    "    match effect:\n",
)

# The epoch check

HELD_BY_ANYBODY = edit(
    "adapters/db/store.py",
    "        recoveries.c.owner == lease.engine,\n"
    "        recoveries.c.epoch == lease.epoch,\n"
    "        recoveries.c.lease_token == lease.token,\n"
    "        recoveries.c.lease_until > func.database_now(),\n",
    "",
)
STORED_BY_ANYBODY = edit(
    "adapters/db/changes.py",
    "            recoveries.c.owner == lease.engine,\n"
    "            recoveries.c.epoch == lease.epoch,\n"
    "            recoveries.c.lease_token == lease.token,\n"
    "            recoveries.c.lease_until > func.database_now(),\n",
    "",
)
SENT_BY_ANYBODY = edit(
    "adapters/db/store.py",
    "            if not _extend(connection, lease, terms):\n"
    '                raise LeaseLost(f"recovery {lease.recovery} is no longer {lease.engine}\'s")\n',
    "",
)


ORDERS_NEVER_AGE = (
    edit(
        "engine/carrying.py",
        "            if tools.clock.monotonic() >= submitted_at + tools.order_seconds:\n",
        "            if submitted_at < 0:\n",
    ),
    edit(
        "engine/carrying.py",
        "        return Deadline(at=submitted_at + tools.order_seconds)\n",
        "        return Deadline(at=tools.clock.monotonic() + tools.order_seconds)\n",
    ),
)
"""What stands before the epoch check: an order that waited too long does not leave, whoever owns the recovery."""


def broken(name: str, fault: str, *edits: Edit, is_long: bool = False) -> Play:
    """Build the run of a mutation."""
    return Play(name=name, fault=fault, edits=edits, is_long=is_long)


STOPPED = r"PROMISE BROKEN: the recovery of c1 came to \w+, not unproven: recovery of c1 stopped, since .*: P1: "
FALSE_PROOF = r"PROMISE BROKEN: a proof that c1 is off rests on a reading at \S+, when it was on"
MOVED_WHILE_ON = r"PROMISE BROKEN: .* while the power of c1 was on \(source_was_on\)"
STALE_OWNER = r"PROMISE BROKEN: .* gave the evacuation of \S+ for c1 after \S+ had taken it over \(stale_owner\)"
NOTHING_MOVED = r"PROMISE BROKEN: the recovery of c1 came to forcing_down, not unproven"

MUTATIONS = [
    (broken("second-reading", "bmc-lies", ONE_READING), STOPPED),
    (broken("second-reading-unchecked", "bmc-lies", ONE_READING, UNCHECKED_PROOF), FALSE_PROOF),
    (
        broken("second-reading-and-third", "bmc-lies", ONE_READING, UNCHECKED_PROOF, NO_READING_AFTER_THE_PROOF),
        MOVED_WHILE_ON,
    ),
    (broken("proof-check", "bmc-silent", *ON_WITHOUT_PROOF), STOPPED),
    (
        broken("proof-check-unchecked", "bmc-silent", *ON_WITHOUT_PROOF, UNCHECKED_ORDERS, is_long=True),
        NOTHING_MOVED,
    ),
    (
        broken(
            "proof-check-database-too",
            "bmc-silent",
            *ON_WITHOUT_PROOF,
            UNCHECKED_ORDERS,
            ROW_WITHOUT_PROOF,
            DOOR_WITHOUT_PROOF,
        ),
        MOVED_WHILE_ON,
    ),
    (
        broken("epoch-check", "engine-killed", HELD_BY_ANYBODY, STORED_BY_ANYBODY, *ORDERS_NEVER_AGE, is_long=True),
        STALE_OWNER,
    ),
    (broken("epoch-check-at-the-door", "engine-killed", SENT_BY_ANYBODY, *ORDERS_NEVER_AGE, is_long=True), STALE_OWNER),
]


@pytest.mark.parametrize(("play", "reason"), MUTATIONS, ids=lambda each: each.name if isinstance(each, Play) else "")
def test_the_demo_notices(play: Play, reason: str, plays: Plays) -> None:
    """The demo exits 1 and names what was broken, and does not just crash."""
    played = plays.of(play)
    assert played.code == 1, played.output + played.errors
    assert re.search(reason, played.output), played.output
    assert "Traceback" not in played.output + played.errors
    assert "every promise held" not in played.output


@pytest.mark.parametrize(
    "play", [play for play, reason in MUTATIONS if reason in (STOPPED, NOTHING_MOVED)], ids=lambda play: play.name
)
def test_the_line_of_defence_behind_it_holds(play: Play, plays: Plays) -> None:
    """Where the invariants, or the database, are still there, they keep every instance from running twice."""
    output = plays.of(play).output
    assert "source_was_on" not in output
    assert len(re.findall(r"^  vm\d+ +c1 +waits +-$", output, re.MULTILINE)) == 12
