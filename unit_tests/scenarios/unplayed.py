"""Branches of the decisions that no scenario takes, and scenarios that take the same ones, each with the reason.

A branch is named by its module, its test as it is written, and the way that no scenario goes. What is played, or is there no more, is
taken out of here: the test sees to it.
"""

from __future__ import annotations

Named = tuple[str, str, str]

ANSWERED = "In the simulator every order is answered within its deadline; unit tests let the answer stay away."
KNOWN = "It is there whenever this is asked; the test tells the type checker so."

CANNOT: dict[Named, str] = {
    (
        "core/evidence",
        "witness.read_at is None or witness.changed_at is None or witness.heard_since is None",
        "taken",
    ): "Whether the host is silent is asked only after Nova has been read.",
    (
        "core/fencing",
        "proven(draft)",
        "taken",
    ): "In UNWITNESSED: a Nova that hears again has not listened for long enough yet, and the wait is left before it has.",
    ("core/halting", "halt is None", "taken"): KNOWN,
    ("core/halting", "order is None", "taken"): KNOWN,
    ("core/halting", "word is None", "taken"): KNOWN,
    ("core/moving", "proof is None", "taken"): KNOWN,
    ("core/recovery", "for _ in Phase", "passed"): "A bound that is never reached: no fact leads through all phases.",
    ("core/instance_recovery", "for _ in InstancePhase", "passed"): "A bound that is never reached, as a host's.",
    ("core/recovery", "state.phase in (Phase.ENDED, Phase.STOPPED)", "taken"): "The loop gives it no more facts.",
    (
        "core/instance_recovery",
        "state.phase in (InstancePhase.ENDED, InstancePhase.STOPPED)",
        "taken",
    ): "The loop gives it no more facts.",
    (
        "core/process_recovery",
        "state.phase in (ProcessPhase.ENDED, ProcessPhase.STOPPED)",
        "taken",
    ): "The loop gives it no more facts.",
    ("core/moving", "move.status is MoveStatus.ORDERED and waited >= ANSWER_SECONDS", "taken"): ANSWERED,
    ("core/instance_recovery", "draft.now - (state.ordered_at or 0.0) < ANSWER_SECONDS", "passed"): ANSWERED,
    ("core/process_recovery", "draft.now - (state.ordered_at or 0.0) >= ANSWER_SECONDS", "taken"): ANSWERED,
    ("core/instance_recovery", "not draft.state.phase.is_aside", "passed"): ANSWERED,
    ("core/instance_recovery", "not state.phase.is_aside", "passed"): ANSWERED,
    ("core/shortage", "case Fits()", "passed"): "The last case of all.",
    (
        "core/following",
        "move is None or move.status is not MoveStatus.ORDERED",
        "taken",
    ): "An answer that Nova's records overtook: they are read seconds after the order, and the simulator answers sooner.",
    (
        "core/following",
        "record.instance not in newest or newest[record.instance].id < record.id",
        "passed",
    ): "The simulated Nova lists records oldest first; the real one need not.",
}

ALIKE: dict[frozenset[str], str] = {
    frozenset(
        {"host-dies", "local-disk-rebuild", "local-disk-shared"}
    ): "What lets the disk go is one term of a condition of three.",
    frozenset(
        {"host-dies", "nova-slow"}
    ): "That Nova is slow must change nothing; that is what the second one is there for.",
    frozenset({"host-dies", "forced-down-before-and-dead"}): "A flag of before must change nothing.",
    frozenset(
        {"guest-orphaned", "spawn-fails"}
    ): "What Nova left behind cannot be seen: both must be taken for the worse.",
    frozenset(
        {"order-late-after-repeat", "order-lost"}
    ): "Nova shows the same until the late order comes, and that must do no harm.",
}
"""Scenarios that may take the same branches to the same effects."""
