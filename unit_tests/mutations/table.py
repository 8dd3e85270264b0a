"""Each promise broken on purpose: what is changed in a copy of the source, and which scenarios or seeds must then fail.

An old text stands exactly once in its file, or the test of the mutation fails: a mutation that no longer applies proves nothing.
`shows` is what the failure looks like:

* STOPPED: the promises as code (`core/invariants.py`) stopped the recovery.
* VIOLATION: the checker of the simulated cloud's own record, which knows nothing of the engine, found the deed.
* DIFFERS: no promise was seen to break, yet what happened is not what a human read and recorded.

Most promises are broken twice: once as they stand, and once with their check in the invariants taken out as well, so that it is the
checker or the record that must notice.
"""

from __future__ import annotations

from dataclasses import dataclass

STOPPED = "STOPPED"
VIOLATION = "VIOLATION"
DIFFERS = "DIFFERS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """In `file` (below src/vmha) `old` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One promise broken. `seeds` is the length of a storm that must find it, where no scenario is named."""

    name: str
    promise: str
    why: str
    edits: tuple[Edit, ...]
    shows: str
    scenarios: tuple[str, ...] = ()
    seeds: int = 0


def edit(file: str, old: str, new: str) -> Edit:
    """Build an edit."""
    return Edit(file=file, old=old, new=new)


def unchecked(promise: str) -> Edit:
    """Take one promise out of the invariants."""
    return edit("core/invariants.py", f"        *{promise},\n", "")


NO_AGE = edit(
    "engine/carrying.py",
    "    deadline = _deadline(effect, tools, submitted_at)\n",
    "    submitted_at = tools.clock.monotonic()\n    deadline = _deadline(effect, tools, submitted_at)\n",
)
"""Let an order be as young as when its thread became free."""

NO_P0 = unchecked("_two_witnesses(after, decision, now, policy)")
NO_P1 = unchecked("_proof_before_orders(after, decision, now, policy)")
NO_DETECTOR_CHECK = unchecked("_detectors_word(before, after, policy, around)")
NO_STOP_CHECK = unchecked("_humans_stop(after, decision, around)")
NO_P2 = unchecked("_one_run(after, decision, around)")
NO_P3 = unchecked("_proofs_die(after)")
NO_P6 = unchecked("_bounded_harm(after, decision, policy, around)")
NO_SPARE_CHECK = unchecked("spares_go_back_unused(after, decision)")
NO_GUARD_CHECK = unchecked("budgets_and_quarantine(before, decision, policy, around)")
NO_WORKFLOW_CHECK = unchecked("workflow_of_host(before, decision, policy, around)")
NO_P8 = unchecked("_no_silent_loss(after, decision, policy)")

ONE_WITNESS = (
    edit("core/fencing.py", "    elif seen is View.SILENT:\n        _say_witness", "    else:\n        _say_witness"),
    edit("core/fencing.py", "        and _has_witness(draft)\n", ""),
    edit(
        "core/fencing.py",
        "    if seen is View.ALIVE:\n        dispute(draft)\n    elif seen is View.BLIND and",
        "    if seen is View.BLIND and",
    ),
)
DEAF_WITNESS = (
    edit(
        "core/evidence.py",
        "    if witness.heard_since is None or witness.read_at is None:\n        return False\n",
        "    return True\n",
    ),
    edit(
        "core/evidence.py",
        "    if witness.read_at is None or witness.changed_at is None or witness.heard_since is None:\n        return False\n",
        "    if witness.heard_since is None:\n        return True\n",
    ),
)
ONE_READING = (
    edit(
        "core/evidence.py",
        "    return len(run) == 2 and run[-1].power is Power.OFF and run[-1].at - run[0].at >= policy.power_read_spacing_seconds\n",
        "    return len(run) > 0 and run[-1].power is Power.OFF\n",
    ),
)
NO_LAST_LOOK = (
    edit(
        "core/evidence.py",
        "that a host that came back is known before the first order.\n        power_due=draft.now,\n",
        "that a host that came back is known before the first order.\n",
    ),
)
TRUSTED_CODE = (
    edit(
        "core/recovery.py",
        "    draft.say(Code.POWER_OFF_TAKEN, host=draft.state.host, address=event.address)\n    draft.change(power_due=draft.now)\n",
        "    evidence.read(draft, evidence.Power.OFF, event.address)\n"
        "    first = evidence.PowerReading(evidence.Power.OFF, draft.now - 2.5)\n"
        "    last = evidence.PowerReading(evidence.Power.OFF, draft.now)\n"
        "    draft.change(fence=replace(draft.state.fence, readings=(first, last)))\n",
    ),
)
NO_EXPIRY = (
    edit("core/evidence.py", "    elif not proof.holds(draft.now):\n", "    elif not proof.holds(proof.read_at):\n"),
    edit(
        "core/moving.py",
        "    if state.proof is None or not state.proof.holds(draft.now) or state.checks:\n",
        "    if state.proof is None or state.checks:\n",
    ),
)
NO_SUSPECTS = (
    edit(
        "core/targets.py", "    if doubts:\n        stalled =", "    if not doubts and host == '':\n        stalled ="
    ),
)
NOT_PINNED = (edit("core/targets.py", "    if move.pinned is not None:\n        return move.pinned\n", ""),)
ON_REVOKES_NOTHING = (
    edit(
        "core/evidence.py",
        "    if state.fence.last is Power.ON:\n        draft.lose_proof(why_returned(state))\n",
        "    if state.fence.last is Power.ON and state.fence.proofs > 99:\n        draft.lose_proof(why_returned(state))\n",
    ),
)
HALTS_NOTHING = (edit("core/recovery.py", "    Phase.HALTED: halting.halted,\n", "    Phase.HALTED: moving.moving,\n"),)
NO_DOOR = (
    edit(
        "sim/store.py",
        "        if effect.is_order and store_nearby.is_stopped(",
        "        if False and store_nearby.is_stopped(",
    ),
)
NO_SIGN_OF_LIFE = (
    edit("core/evidence.py", "    elif state.witness.advances:\n", "    elif state.witness.advances > 99:\n"),
)
NO_BRAKE = (
    edit(
        "core/guards.py",
        "    return around.segment_braked or around.segment_failures > allowed_failures(around, policy)\n",
        "    return around.segment_hosts == 0\n",
    ),
)
NO_SLOTS = (
    edit(
        "sim/store.py",
        "        if change.power_off_slots is not None and any(",
        "        if change.power_off_slots == 0 and any(",
    ),
)
NO_CONFIRM = (
    edit(
        "core/workflows.py",
        "    if is_begun or workflow(Failure.HOST, around, policy) is not Workflow.CONFIRM:",
        "    if True:",
    ),
)
MOVES_WHAT_IS_ONLY_FENCED = (
    edit(
        "core/targets.py",
        "    is_left = workflow(Failure.HOST, draft.around, policy) is Workflow.POWER_OFF\n",
        "    is_left = False\n",
    ),
    edit(
        "core/leaving.py",
        "    if workflow(Failure.HOST, draft.around, draft.policy) is Workflow.POWER_OFF:",
        "    if False:",
    ),
)
NO_BUDGETS = (
    edit(
        "core/budgets.py",
        "    if state.word is not None:\n        return None\n    if others.hour >=",
        "    if state.word is None:\n        return None\n    if others.hour >=",
    ),
)
NO_ROUND_SLOTS = (
    edit("sim/store_budgets.py", "    for budget in change.budgets:\n", "    for budget in change.budgets[:0]:\n"),
)
NO_QUARANTINE = (
    edit("core/budgets.py", "    if is_begun or around.host_failures", "    if is_begun or around.host_failures * 0"),
)
NO_LEASE = (
    edit(
        "sim/store.py",
        "        return row.lease == lease and row.lease_until > self.now()\n",
        "        return self.now() > 0\n",
    ),
)
DETECTOR_EVERYWHERE = (
    edit(
        "core/draft.py",
        "        return self.around.segment_name in self.policy.detector_segments\n",
        "        return bool(self.around.segment_name)\n",
    ),
)
DETECTOR_ALONE = (
    edit(
        "core/detector.py",
        "        and evidence.view(state.witness, draft.now, draft.policy) is View.SILENT\n",
        "        and evidence.view(state.witness, draft.now, draft.policy) is not View.BLIND\n",
    ),
    edit(
        "core/fencing.py",
        "    if seen is View.ALIVE:\n        dispute(draft)\n    elif seen is View.BLIND:",
        "    if seen is View.BLIND:",
    ),
    edit(
        "core/fencing.py",
        "    if seen is View.ALIVE:\n        dispute(draft)\n    elif seen is View.BLIND and",
        "    if seen is View.BLIND and",
    ),
    edit("core/fencing.py", "    elif seen is View.SILENT:\n        _say_witness", "    else:\n        _say_witness"),
)
ANY_WORD = (
    edit(
        "core/confirming.py",
        '    return not state.fence.asked_order and state.word is None and word.asked in ("", state.phase.value)\n',
        "    return state.phase is Phase.UNPROVEN\n",
    ),
)
WORD_OF_A_DISPUTE = (
    edit(
        "core/confirming.py",
        "    if state.phase.asks_to_order or ",
        "    if (state.phase.asks_to_order and state.phase is not Phase.DISPUTED) or ",
    ),
)
LOCAL_DISK_LOST = (
    edit(
        "core/targets.py",
        "    return move.local_disk and not policy.shared_storage and policy.local_disk is LocalDisk.WAIT\n",
        "    return move.local_disk and policy.shared_storage and policy.local_disk is LocalDisk.WAIT\n",
    ),
)

MUTATIONS = (
    Mutation(
        name="one-witness",
        promise="P0",
        why="a notification alone powers a host off",
        edits=ONE_WITNESS,
        scenarios=("disputed-false-alarm",),
        shows=STOPPED,
    ),
    Mutation(
        name="one-witness-unchecked",
        promise="P0",
        why="a notification alone powers a host off",
        edits=(*ONE_WITNESS, NO_P0),
        scenarios=("disputed-false-alarm",),
        shows=VIOLATION,
    ),
    Mutation(
        name="deaf-witness",
        promise="P0",
        why="Nova is believed when it hears nobody at all",
        edits=DEAF_WITNESS,
        scenarios=("bus-away",),
        shows=STOPPED,
    ),
    Mutation(
        name="deaf-witness-unchecked",
        promise="P0",
        why="Nova is believed when it hears nobody at all",
        edits=(*DEAF_WITNESS, NO_P0),
        scenarios=("bus-away",),
        shows=VIOLATION,
    ),
    Mutation(
        name="reconnect-ignored",
        promise="P0",
        why="a host that is still on its way back to the bus counts as silent",
        edits=(
            edit(
                "core/evidence.py",
                "    listening = max(silence, policy.reconnect_seconds) if witness.was_deaf else silence\n",
                "    listening = silence\n",
            ),
        ),
        scenarios=("bus-back-one-host-late",),
        shows=STOPPED,
    ),
    Mutation(
        name="confirm-overrules-nova",
        promise="P0",
        why="a human confirms a host that Nova hears, and it is powered off",
        edits=(
            edit(
                "core/confirming.py",
                "    elif evidence.view(state.witness, draft.now, draft.policy) is View.ALIVE and state.witness.changed_at is not None:\n",
                "    elif state.witness.changed_at is None:\n",
            ),
        ),
        scenarios=("disputed-confirm-refused",),
        shows=DIFFERS,
    ),
    Mutation(
        name="word-after-on",
        promise="P1",
        why="a human's word is a proof although the last reading of the BMC was ON",
        edits=(
            edit(
                "core/confirming.py",
                "    return fence.known is not Power.ON or (fence.asked_again and state.reason.code is Code.SILENT_STILL)\n",
                "    return True\n",
            ),
        ),
        scenarios=("confirm-meets-a-silent-bmc",),
        shows=STOPPED,
    ),
    Mutation(
        name="word-of-another-question",
        promise="P1",
        why="a yes to the question whether to power the host off is taken for the proof that it is off",
        edits=ANY_WORD,
        scenarios=("two-humans-answer-one-question", "confirm-sent-twice"),
        shows=STOPPED,
    ),
    Mutation(
        name="word-of-another-question-unchecked",
        promise="P1",
        why="a yes to the question whether to power the host off is taken for the proof that it is off",
        edits=(*ANY_WORD, edit("core/invariants.py", "    yield from _sound_proof(after, policy)\n", "")),
        scenarios=("two-humans-answer-one-question", "confirm-sent-twice"),
        shows=VIOLATION,
    ),
    Mutation(
        name="word-of-a-dispute",
        promise="P1",
        why="a yes to a dispute, where the host's network was cut meanwhile, is taken for the proof that it is off",
        edits=WORD_OF_A_DISPUTE,
        scenarios=("disputed-then-no-device-confirm",),
        shows=STOPPED,
    ),
    Mutation(
        name="word-of-a-dispute-unchecked",
        promise="P1",
        why="a yes to a dispute, where the host's network was cut meanwhile, is taken for the proof that it is off",
        edits=(*WORD_OF_A_DISPUTE, edit("core/invariants.py", "        *_question_is_kept(before, after),\n", "")),
        scenarios=("disputed-then-no-device-confirm",),
        shows=VIOLATION,
    ),
    Mutation(
        name="doubt-lost-with-an-evacuation-by-hand",
        promise="P2",
        why="where somebody else's evacuation is followed, a host of an older record that may run the guest is forgotten",
        edits=(
            edit(
                "core/targets.py",
                "        return replace(_adopt(draft, move, newest), suspects=doubts)\n",
                "        return _adopt(draft, move, newest)\n",
            ),
        ),
        scenarios=("adopted-beside-an-older-doubt",),
        shows=VIOLATION,
    ),
    Mutation(
        name="dispute-deaf-to-reports",
        promise="P4",
        why="a report that joins a dispute is swallowed by its end, although Nova heard the host before it only",
        edits=(
            edit("core/recovery.py", "    fencing.reported_again(draft)\n", ""),
            edit("core/fencing.py", " and heard_at is not None and heard_at > since\n", "\n"),
        ),
        scenarios=("reported-again-in-a-dispute",),
        shows=DIFFERS,
    ),
    Mutation(
        name="one-reading",
        promise="P1",
        why="a single reading of OFF is a proof",
        edits=ONE_READING,
        scenarios=("bmc-stale",),
        shows=STOPPED,
    ),
    Mutation(
        name="one-reading-unchecked",
        promise="P1",
        why="a single reading of OFF is a proof",
        edits=(*ONE_READING, *NO_LAST_LOOK, NO_P1),
        scenarios=("bmc-stale",),
        shows=VIOLATION,
    ),
    Mutation(
        name="return-code-trusted",
        promise="P1",
        why="a power-off that the BMC took counts as two readings",
        edits=(*TRUSTED_CODE, *NO_LAST_LOOK),
        scenarios=("bmc-stuck",),
        shows=VIOLATION,
    ),
    Mutation(
        name="detector-believed-everywhere",
        promise="P1",
        why="a monitor's word stands for a proof although the operator chose nothing of the kind",
        edits=DETECTOR_EVERYWHERE,
        scenarios=("no-device",),
        shows=STOPPED,
    ),
    Mutation(
        name="detector-believed-everywhere-unchecked",
        promise="P1",
        why="a monitor's word stands for a proof although the operator chose nothing of the kind",
        edits=(*DETECTOR_EVERYWHERE, NO_DETECTOR_CHECK),
        scenarios=("no-device",),
        shows=VIOLATION,
    ),
    Mutation(
        name="detector-against-nova",
        promise="P0",
        why="a monitor's word is taken while Nova hears the host",
        edits=DETECTOR_ALONE,
        scenarios=("detector-disputed",),
        shows=STOPPED,
    ),
    Mutation(
        name="detector-against-nova-unchecked",
        promise="P0",
        why="a monitor's word is taken while Nova hears the host",
        edits=(*DETECTOR_ALONE, NO_DETECTOR_CHECK),
        scenarios=("detector-disputed",),
        shows=VIOLATION,
    ),
    Mutation(
        name="detector-overrules-a-bmc",
        promise="P1",
        why="a monitor's word is taken for a host whose BMC does not answer",
        edits=(
            edit(
                "core/detector.py",
                "        and fence.trouble is PowerTrouble.NO_DEVICE\n",
                "        and fence.trouble is not None\n",
            ),
        ),
        scenarios=("detector-bmc-silent",),
        shows=STOPPED,
    ),
    Mutation(
        name="detector-word-taken-twice",
        promise="P3",
        why="a monitor's word is taken again after Nova heard the host since",
        edits=(edit("core/detector.py", "        and fence.proofs == 0\n", ""),),
        scenarios=("detector-heard-again",),
        shows=STOPPED,
    ),
    Mutation(
        name="detector-beyond-the-brake",
        promise="P6",
        why="hosts beyond the brake are taken for off on their monitors' word",
        edits=(*NO_BRAKE,),
        scenarios=("detector-brake",),
        shows=STOPPED,
    ),
    Mutation(
        name="order-beside-a-reading",
        promise="P1",
        why="a power-off leaves while a reading is on its way, which may then count for the time after it",
        edits=(edit("core/fencing.py", '    is_clear = not state.outstanding & {"power"} and', "    is_clear ="),),
        scenarios=("bmc-slow",),
        shows=STOPPED,
    ),
    Mutation(
        name="no-look-before-the-first-order",
        promise="P1",
        why="power is not read once more before the first evacuation",
        edits=NO_LAST_LOOK,
        scenarios=("power-back",),
        shows=DIFFERS,
    ),
    Mutation(
        name="proof-never-expires",
        promise="P1",
        why="a proof is believed however old it is; the database's own check is what still holds",
        edits=NO_EXPIRY,
        scenarios=("proof-expires",),
        shows=STOPPED,
    ),
    Mutation(
        name="proof-never-expires-unchecked",
        promise="P1",
        why="a proof is believed however old it is; the database's own check is what still holds",
        edits=(*NO_EXPIRY, NO_P1),
        scenarios=("proof-expires",),
        shows=DIFFERS,
    ),
    Mutation(
        name="door-asks-for-no-proof",
        promise="P1",
        why="an order that was stored leaves although its proof has died since",
        edits=(
            edit(
                "sim/store.py",
                "if order.id not in row.orders or not any(self._proves(proof, order) for proof in alive):\n",
                "if order.id not in row.orders:\n",
            ),
        ),
        scenarios=("proof-dies-on-the-way",),
        shows=DIFFERS,
    ),
    Mutation(
        name="suspects-ignored",
        promise="P2",
        why="an instance is ordered although another host may hold its guest",
        edits=NO_SUSPECTS,
        scenarios=("live-migration-interrupted", "fails-again-after-clean-up"),
        shows=VIOLATION,
    ),
    Mutation(
        name="old-failure-ignored",
        promise="P2",
        why="an instance is ordered anywhere although its last evacuation failed on a host that may have kept the guest",
        edits=(
            edit(
                "core/targets.py",
                "        return rule(draft, replace(move, pinned=doubts[0]), ())\n",
                "        return rule(draft, move, ())\n",
            ),
        ),
        scenarios=("fails-again-after-orphan",),
        shows=VIOLATION,
    ),
    Mutation(
        name="old-failure-never-settled",
        promise="P2",
        why="a failure counts although a later move took the instance away and back",
        edits=(
            edit(
                "core/targets.py",
                "    settled = max((record.id for record in mine if record.status in SUCCEEDED), default=0)\n",
                "    settled = 0\n",
            ),
        ),
        scenarios=("live-migration-failed-then-settled",),
        shows=DIFFERS,
    ),
    Mutation(
        name="clean-up-taken-for-landing",
        promise="P2",
        why="what a returning nova-compute writes on a record that is not over counts as its success",
        edits=(edit("core/targets.py", "        doubts = _cleaned_up(draft, newest)\n", "        doubts = ()\n"),),
        scenarios=("fails-again-after-clean-up",),
        shows=VIOLATION,
    ),
    Mutation(
        name="pin-ignored",
        promise="P2",
        why="a failed evacuation is repeated anywhere, though its guest may have stayed where it failed",
        edits=NOT_PINNED,
        scenarios=("guest-orphaned",),
        shows=STOPPED,
    ),
    Mutation(
        name="pin-ignored-unchecked",
        promise="P2",
        why="a failed evacuation is repeated anywhere, though its guest may have stayed where it failed",
        edits=(*NOT_PINNED, NO_P2),
        scenarios=("guest-orphaned",),
        shows=VIOLATION,
    ),
    Mutation(
        name="late-move-repeated",
        promise="P2",
        why="a move past its time is ordered again instead of naming its suspect",
        edits=(
            edit(
                "core/following.py",
                "    draft.put(replace(move, status=MoveStatus.STALLED, suspects=suspects, reason=reason))\n",
                "    draft.put(replace(move, status=MoveStatus.PENDING, retry_at=None, after_migration=move.migration or 0, reason=reason))\n",
            ),
        ),
        scenarios=("destination-hangs",),
        shows=VIOLATION,
    ),
    Mutation(
        name="unanswered-repeated",
        promise="P2",
        why="an order without an answer is simply given again",
        edits=(
            edit(
                "core/following.py",
                "    draft.put(replace(move, status=MoveStatus.UNANSWERED, ordered_at=draft.now, reason=reason))\n",
                "    draft.put(replace(move, status=MoveStatus.PENDING, retry_at=None, reason=reason))\n",
            ),
        ),
        scenarios=("reply-lost",),
        shows=VIOLATION,
    ),
    Mutation(
        name="nothing-adopted",
        promise="P2",
        why="an evacuation that is under way already is ordered a second time",
        edits=(
            edit(
                "core/targets.py",
                "        return replace(_adopt(draft, move, newest), suspects=doubts)\n",
                "        return move\n",
            ),
        ),
        scenarios=("adopts-evacuations",),
        shows=VIOLATION,
    ),
    Mutation(
        name="on-revokes-nothing",
        promise="P3",
        why="a reading of ON leaves the proof standing",
        edits=ON_REVOKES_NOTHING,
        scenarios=("host-returns",),
        shows=STOPPED,
    ),
    Mutation(
        name="on-revokes-nothing-unchecked",
        promise="P3",
        why="a reading of ON leaves the proof standing",
        edits=(*ON_REVOKES_NOTHING, NO_P3),
        scenarios=("host-returns",),
        shows=DIFFERS,
    ),
    Mutation(
        name="sign-of-life-ignored",
        promise="P3",
        why="Nova hears the host after the proof and nothing follows",
        edits=NO_SIGN_OF_LIFE,
        scenarios=("sign-of-life",),
        shows=STOPPED,
    ),
    Mutation(
        name="sign-of-life-ignored-unchecked",
        promise="P3",
        why="Nova hears the host after the proof and nothing follows",
        edits=(*NO_SIGN_OF_LIFE, NO_P3),
        scenarios=("sign-of-life",),
        shows=DIFFERS,
    ),
    Mutation(
        name="notification-lost",
        promise="P4",
        why="a notification that joins an open recovery is answered and forgotten",
        edits=(edit("sim/store.py", "                self.say(state.uuid, again)\n", ""),),
        scenarios=("duplicate-notifications",),
        shows=DIFFERS,
    ),
    Mutation(
        name="placement-not-asked",
        promise="P4",
        why="no instances is believed on Nova's word alone",
        edits=(
            edit(
                "core/moving.py",
                "    hidden = sorted((event.consumers or frozenset()) - known)\n",
                "    hidden: list[str] = []\n",
            ),
        ),
        scenarios=("cell-down",),
        shows=DIFFERS,
    ),
    Mutation(
        name="ended-unsettled",
        promise="P4",
        why="a recovery ends although an instance still waits",
        edits=(
            edit(
                "core/moving.py",
                "    open_moves = [move for move in draft.state.moves if not move.status.is_final]\n",
                "    open_moves = [move for move in draft.state.moves if move.status.is_in_flight]\n",
            ),
            edit(
                "core/moving.py",
                "    is_open = any(not move.status.is_final for move in state.moves) or state.doubt is not None\n",
                "    is_open = state.doubt is not None\n",
            ),
        ),
        scenarios=("local-disk-wait",),
        shows=STOPPED,
    ),
    Mutation(
        name="wait-without-alert",
        promise="P4",
        why="a wait alerts once and never again",
        edits=(
            edit(
                "core/recovery.py",
                "    if _needs_human(state) and draft.state.alert_due <= draft.now:\n",
                "    if _needs_human(state) and draft.state.alert_due < 0.0:\n",
            ),
        ),
        scenarios=("bmc-bad-password",),
        shows=DIFFERS,
    ),
    Mutation(
        name="lease-ignored",
        promise="P5",
        why="the database takes writes, and lets orders pass, of an engine whose lease is gone",
        edits=(*NO_LEASE, NO_AGE),
        scenarios=("engine-paused",),
        shows=VIOLATION,
    ),
    Mutation(
        name="door-without-lease",
        promise="P5",
        why="an order that was stored leaves although another engine owns the recovery by now",
        edits=(
            edit(
                "sim/store.py",
                '        """Renew the lease and look at proof or phase once more."""\n        if not self._holds(lease):\n',
                '        """Renew the lease and look at proof or phase once more."""\n        if self.now() < 0:\n',
            ),
            NO_AGE,
        ),
        scenarios=("engine-paused",),
        shows=VIOLATION,
    ),
    Mutation(
        name="orders-never-age",
        promise="P5",
        why="an order leaves however long it has waited, if only the door lets it",
        edits=(NO_AGE,),
        scenarios=("engine-paused",),
        shows=DIFFERS,
    ),
    Mutation(
        name="leases-to-come-are-kept",
        promise="P5",
        why="after a step back of the database's clock nobody can claim until it has caught up",
        edits=(
            edit(
                "sim/store.py",
                "            if row.claimable_at > too_far:\n",
                "            if row.claimable_at < 0:\n",
            ),
        ),
        scenarios=("database-clock-back-unseen",),
        shows=DIFFERS,
    ),
    Mutation(
        name="clock-jump-unnoticed",
        promise="P1",
        why="after a step back of the database's clock a recovery goes on with the proof that it had",
        edits=(
            edit("engine/loop.py", "        if seconds:\n", "        if seconds and False:\n"),
            edit(
                "core/model.py",
                "return self.read_at - CLOCK_TOLERANCE_SECONDS <= now < self.valid_until",
                "return now < self.valid_until",
            ),
        ),
        scenarios=("database-clock-back",),
        shows=DIFFERS,
    ),
    Mutation(
        name="proof-to-come-holds",
        promise="P1",
        why="a proof holds that was read later than now, since the database's clock was set back",
        edits=(
            edit(
                "core/model.py",
                "return self.read_at - CLOCK_TOLERANCE_SECONDS <= now < self.valid_until",
                "return now < self.valid_until",
            ),
        ),
        scenarios=("database-clock-back", "database-clock-back-unseen"),
        shows=DIFFERS,
    ),
    Mutation(
        name="successor-reads-no-records",
        promise="P5",
        why="a successor repeats what its predecessor ordered without looking into Nova's records",
        edits=(
            edit(
                "core/recovery.py",
                "        replace(move, status=MoveStatus.UNANSWERED, ordered_at=now) if move.status is MoveStatus.ORDERED else move\n",
                "        replace(move, status=MoveStatus.PENDING) if move.status is MoveStatus.ORDERED else move\n",
            ),
            edit(
                "core/recovery.py",
                '    checks = {"power"} | ({"progress"} if state.surveyed and moves else set())\n',
                '    checks = {"power"}\n',
            ),
        ),
        scenarios=("engine-killed-after-acceptance",),
        shows=VIOLATION,
    ),
    Mutation(
        name="successor-reads-no-power",
        promise="P5",
        why="a successor goes on with the proof of its predecessor without reading power",
        edits=(
            edit(
                "core/recovery.py",
                '    checks = {"power"} | ({"progress"} if state.surveyed and moves else set())\n',
                "    checks = set[str]()\n",
            ),
        ),
        scenarios=("host-returns-while-no-engine",),
        shows=DIFFERS,
    ),
    Mutation(
        name="halt-ignored",
        promise="P6",
        why="a paused recovery goes on ordering",
        edits=HALTS_NOTHING,
        scenarios=("paused-midway",),
        shows=STOPPED,
    ),
    Mutation(
        name="halt-ignored-unchecked",
        promise="P6",
        why="a paused recovery goes on ordering; the door is what still holds",
        edits=(*HALTS_NOTHING, NO_STOP_CHECK),
        scenarios=("paused-midway",),
        shows=DIFFERS,
    ),
    Mutation(
        name="door-open-to-what-was-disarmed",
        promise="P6",
        why="an order that was given just before the disarming leaves all the same",
        edits=NO_DOOR,
        scenarios=("disarmed-segment-midway",),
        shows=DIFFERS,
    ),
    Mutation(
        name="brake-ignored",
        promise="P6",
        why="three of six hosts are powered off at once without a human",
        edits=NO_BRAKE,
        scenarios=("brake",),
        shows=STOPPED,
    ),
    Mutation(
        name="brake-ignored-unchecked",
        promise="P6",
        why="three of six hosts are powered off at once without a human; the database's slots are what still holds",
        edits=(*NO_BRAKE, NO_P6),
        scenarios=("brake",),
        shows=DIFFERS,
    ),
    Mutation(
        name="brake-and-slots-ignored",
        promise="P6",
        why="three of six hosts are powered off at once, and the database counts no slots either",
        edits=(*NO_BRAKE, *NO_SLOTS, NO_P6),
        scenarios=("brake",),
        shows=DIFFERS,
    ),
    Mutation(
        name="confirm-not-awaited",
        promise="P6",
        why="a host is fenced although the operator wants to confirm first",
        edits=NO_CONFIRM,
        scenarios=("workflow-host-confirm",),
        shows=STOPPED,
    ),
    Mutation(
        name="confirm-not-awaited-unchecked",
        promise="P6",
        why="a host is fenced although the operator wants to confirm first",
        edits=(*NO_CONFIRM, NO_WORKFLOW_CHECK),
        scenarios=("workflow-host-confirm",),
        shows=DIFFERS,
    ),
    Mutation(
        name="moved-although-only-fenced",
        promise="P6",
        why="instances are evacuated although the operator wants their host fenced and nothing more",
        edits=MOVES_WHAT_IS_ONLY_FENCED,
        scenarios=("workflow-host-power-off",),
        shows=STOPPED,
    ),
    Mutation(
        name="restarted-without-a-word",
        promise="P6",
        why="an instance is restarted although the operator wants to confirm first, or only to be told",
        edits=(edit("core/guests.py", "    _is_disarmed,\n    _is_left_to_humans,\n", "    _is_disarmed,\n"),),
        scenarios=("workflow-instance-confirm", "workflow-instance-report"),
        shows=STOPPED,
    ),
    Mutation(
        name="disabled-without-a-word",
        promise="P6",
        why="a service is disabled although the operator wants to confirm first, or only to be told",
        edits=(
            edit(
                "core/process_recovery.py", " and not _halt(draft) and not _is_left(draft):", " and not _halt(draft):"
            ),
        ),
        scenarios=("workflow-process-confirm", "workflow-process-report"),
        shows=STOPPED,
    ),
    Mutation(
        name="budgets-ignored",
        promise="P6",
        why="hosts are powered off at the same time although one at a time is allowed",
        edits=NO_BUDGETS,
        scenarios=("power-offs-at-once", "power-offs-per-hour"),
        shows=DIFFERS,
    ),
    Mutation(
        name="budgets-and-their-slots-ignored",
        promise="P6",
        why="the same, and the database counts no slots either",
        edits=(*NO_BUDGETS, *NO_ROUND_SLOTS),
        scenarios=("power-offs-per-hour",),
        shows=DIFFERS,
    ),
    Mutation(
        name="quarantine-ignored",
        promise="P6",
        why="a host that fails again and again is taken for off by its BMC, without a human",
        edits=NO_QUARANTINE,
        scenarios=("quarantine",),
        shows=STOPPED,
    ),
    Mutation(
        name="quarantine-ignored-unchecked",
        promise="P6",
        why="a host that fails again and again is taken for off by its BMC, without a human",
        edits=(*NO_QUARANTINE, NO_GUARD_CHECK),
        scenarios=("quarantine",),
        shows=DIFFERS,
    ),
    Mutation(
        name="power-offs-unbounded",
        promise="P6",
        why="a BMC that does nothing is ordered off for ever",
        edits=(
            edit("core/fencing.py", "        and fence.round_orders < draft.policy.fence_attempts\n", ""),
            edit(
                "core/fencing.py",
                "    if fence.last is Power.ON and fence.round_orders >= policy.fence_attempts and _retry_is_due(draft):\n        return True\n",
                "",
            ),
        ),
        scenarios=("bmc-stuck",),
        shows=STOPPED,
    ),
    Mutation(
        name="brake-forgets",
        promise="P6",
        why="reports that are not decided yet no longer count once they are old",
        edits=(edit("sim/store_brake.py", "stands_in(s).is_undecided or ", ""),),
        scenarios=("brake-remembers",),
        shows=DIFFERS,
    ),
    Mutation(
        name="list-believed",
        promise="P4",
        why="an instance that a list lacks is taken for gone without a question",
        edits=(
            edit(
                "core/following.py",
                "        draft.put(replace(move, unlisted_since=draft.now))\n        draft.change(nova_due=draft.now)\n",
                "        _gone(draft, move)\n",
            ),
        ),
        scenarios=("cell-hidden-while-held",),
        shows=DIFFERS,
    ),
    Mutation(
        name="tries-unbounded",
        promise="P6",
        why="an instance for which there is no room is ordered for ever",
        edits=(
            edit(
                "core/retrying.py",
                "    left = policy.no_capacity_seconds - waited\n",
                "    left = policy.no_capacity_seconds\n",
            ),
        ),
        scenarios=("no-capacity",),
        shows=DIFFERS,
    ),
    Mutation(
        name="spare-given-back-in-use",
        promise="P6",
        why="a reserved host goes back to the reserve with instances on it",
        edits=(edit("core/spares.py", "    if _is_used(state.moves, entry.host):\n", "    if not entry.host:\n"),),
        scenarios=("reserved-host",),
        shows=STOPPED,
    ),
    Mutation(
        name="spare-given-back-in-use-and-unchecked",
        promise="P6",
        why="a reserved host goes back to the reserve with instances on it, and no promise is checked",
        edits=(
            NO_SPARE_CHECK,
            edit("core/spares.py", "    if _is_used(state.moves, entry.host):\n", "    if not entry.host:\n"),
        ),
        scenarios=("reserved-host",),
        shows=DIFFERS,
    ),
    Mutation(
        name="spare-looked-at-too-early",
        promise="P6",
        why="an order to enable a reserved host takes effect after it went back to the reserve",
        edits=(
            edit(
                "core/spares.py",
                "        return True  # what was ordered may yet take effect\n",
                "        state = state\n",
            ),
        ),
        scenarios=("reserved-host-broken",),
        shows=DIFFERS,
    ),
    Mutation(
        name="spare-left-in-aggregates",
        promise="P6",
        why="a reserved host that goes back stays in the aggregates that it was added to",
        edits=(
            edit(
                "engine/unreserving.py",
                "leave_all(host, effect.leaves, nova, deadline=deadline)",
                'tuple((each, "") for each in effect.leaves)',
            ),
        ),
        scenarios=("reserved-host-aggregates-crash",),
        shows=DIFFERS,
    ),
    Mutation(
        name="spare-taken-out-of-what-is-not-ours",
        promise="P6",
        why="a reserved host is taken out of an aggregate that somebody else added it to",
        edits=(edit("core/aggregates.py", "({Joined.THERE} if was_ordered_before else set())", "{Joined.THERE}"),),
        scenarios=("reserved-host-aggregate-refused",),
        shows=DIFFERS,
    ),
    Mutation(
        name="room-asked-for-ever",
        promise="P6",
        why="Placement is asked again and again for an instance that a reserved host refused, by whose numbers it would fit",
        edits=(edit("core/spares.py", "fit_in_order(load, ready, tried)", "fit_in_order(load, ready)"),),
        scenarios=("auto-priority-no-place-left",),
        shows=DIFFERS,
    ),
    Mutation(
        name="attempts-unbounded",
        promise="P6",
        why="an instance that fails wherever it comes to is ordered for ever",
        edits=(
            edit(
                "core/retrying.py", "    if move.failed_attempts >= policy.move_attempts:", "    if not move.instance:"
            ),
        ),
        scenarios=("spawn-fails-thrice",),
        shows=DIFFERS,
    ),
    Mutation(
        name="local-disk-ignored",
        promise="P8",
        why="an instance whose disk was on the dead host is rebuilt from its image",
        edits=LOCAL_DISK_LOST,
        scenarios=("local-disk-wait",),
        shows=STOPPED,
    ),
    Mutation(
        name="local-disk-ignored-unchecked",
        promise="P8",
        why="an instance whose disk was on the dead host is rebuilt from its image",
        edits=(*LOCAL_DISK_LOST, NO_P8),
        scenarios=("local-disk-wait",),
        shows=DIFFERS,
    ),
    Mutation(
        name="ephemeral-disk-ignored",
        promise="P8",
        why="an instance with an ephemeral disk on the dead host is moved without it",
        edits=(
            edit(
                "core/targets.py",
                "        local_disk=instance.image_backed or instance.local_extra,\n",
                "        local_disk=instance.image_backed,\n",
            ),
        ),
        scenarios=("local-disk-ephemeral",),
        shows=DIFFERS,
    ),
    Mutation(
        name="silence-let-back",
        promise="P7",
        why="a host is let back before its nova-compute has come back",
        edits=(
            edit(
                "core/returning.py",
                "    if seen.service is not None and not seen.was_heard and not is_pointless:\n",
                "    if seen.service is not None and not seen.was_heard and not is_pointless and known.now < 0:\n",
            ),
        ),
        scenarios=("return-while-waiting",),
        shows=VIOLATION,
    ),
    Mutation(
        name="flag-taken-for-a-heartbeat",
        promise="P7",
        why="a change of a flag is taken for a sign of life",
        edits=(
            edit(
                "engine/looking.py",
                "        if service is not None and flags_of(service) != flags_of(first):\n            first = service\n",
                "",
            ),
        ),
        scenarios=("return-flag-is-no-heartbeat",),
        shows=VIOLATION,
    ),
    Mutation(
        name="let-back-in-mid-recovery",
        promise="P7",
        why="a host is let back while its recovery is open",
        edits=(
            edit(
                "core/returning.py",
                "    if known.open is not None:\n        recovery,",
                "    if known.open == ():\n        recovery,",
            ),
            edit(
                "sim/returns.py",
                "        for row in self._rows(host):\n            if row.state.phase is not Phase.ENDED:\n",
                "        for row in self._rows(host):\n            if row.state.phase is Phase.STOPPED:\n",
            ),
            edit(
                "sim/returns.py",
                "        if [row.state.uuid for row in rows[:1]] != [past.uuid for past in known.past[:1]]:\n",
                "        if not rows:\n",
            ),
            edit(
                "engine/returning.py",
                "    seen = yield from see(host, hands, watches=known.open is None)\n",
                "    seen = yield from see(host, hands)\n",
            ),
        ),
        scenarios=("return-in-mid-recovery",),
        shows=VIOLATION,
    ),
    Mutation(
        name="door-knows-no-return",
        promise="P7",
        why="a host is forced down while a return of it is under way, whose order then undoes that",
        edits=(
            edit(
                "sim/store.py",
                "        if isinstance(effect, ForceDown) and self.held(effect.host) is not None:\n",
                "        if isinstance(effect, ForceDown) and self.held(effect.host) == 0:\n",
            ),
        ),
        scenarios=("return-late-and-fails-again",),
        shows=DIFFERS,
    ),
    Mutation(
        name="hold-given-back-too-early",
        promise="P7",
        why="a return whose order got no answer gives the host back, though that order may still be taken",
        edits=(
            edit(
                "engine/holding.py", "                self.is_open = True\n", "                self.is_open = False\n"
            ),
        ),
        scenarios=("return-late-and-fails-again",),
        shows=DIFFERS,
    ),
    Mutation(
        name="word-without-a-look",
        promise="P7",
        why="a host that a human's word put off is let back although nobody has looked there",
        edits=(
            edit(
                "core/returning.py",
                "    if vouched and seen.census is None and not wish.inspected:\n",
                "    if vouched and seen.census is not None and not wish.inspected:\n",
            ),
        ),
        scenarios=("return-after-a-word",),
        shows=DIFFERS,
    ),
    Mutation(
        name="operators-flag-cleared",
        promise="P7",
        why="a flag that an operator had set is cleared with ours",
        edits=(edit("core/returning.py", "        return prior.forced_down\n", "        return False\n"),),
        scenarios=("return-forced-down-by-others",),
        shows=DIFFERS,
    ),
)

BY_STORM = (
    Mutation(
        name="one-reading-in-a-storm",
        promise="P1",
        why="a single reading of OFF is a proof",
        edits=(*ONE_READING, *NO_LAST_LOOK, NO_P1),
        seeds=60,
        shows=VIOLATION,
    ),
    Mutation(
        name="one-witness-in-a-storm",
        promise="P0",
        why="a notification alone powers a host off",
        edits=(*ONE_WITNESS, NO_P0),
        seeds=20,
        shows=VIOLATION,
    ),
    Mutation(
        name="skipped-in-a-storm",
        promise="P4",
        why="every instance that could be moved is left alone, and the recovery says that it recovered the host",
        edits=(
            edit(
                "core/targets.py",
                "    return replace(move, status=MoveStatus.PENDING, reason=None, suspects=())\n",
                "    return _put(move, MoveStatus.SKIPPED, Code.NO_GUEST, **named, state=move.vm_state, host=host)\n",
            ),
        ),
        seeds=20,
        shows=VIOLATION,
    ),
    Mutation(
        name="first-page-in-a-storm",
        promise="P4",
        why="only some instances of the host are listed, and Placement, which knows of the others, is not asked",
        edits=(
            edit(
                "core/moving.py",
                "    hidden = sorted((event.consumers or frozenset()) - known)\n",
                "    hidden: list[str] = []\n",
            ),
            edit(
                "sim/ports.py",
                "            return tuple(as_instance(server) for server in self._world.nova.list_servers(host))\n",
                "            return tuple(as_instance(server) for server in self._world.nova.list_servers(host)[:3])\n",
            ),
        ),
        seeds=20,
        shows=VIOLATION,
    ),
    Mutation(
        name="given-up-in-a-storm",
        promise="P4",
        why="an instance whose evacuation failed is taken for gone",
        edits=(
            edit(
                "core/following.py",
                "    elif record.status in FAILED:\n        _record_failed(draft, known, record)\n",
                "    elif record.status in FAILED:\n        _gone(draft, known)\n",
            ),
        ),
        seeds=20,
        shows=VIOLATION,
    ),
)
"""The same deeds where nobody wrote down what to expect: random faults must hit upon them."""
