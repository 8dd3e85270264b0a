"""Writes RESULTS.md. Every figure in it comes from the runs of one call; the sentences say only what the code does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import ours
from bench.bare import POLL_SECONDS
from bench.plan import NOISY_SHARE, Round
from bench.run import BARE, OURS, UPSTREAM, Run
from bench.stage import LOOK_SECONDS, SILENCE_SECONDS

GOAL = 1.3
GOAL_INSTANCES = 50
DESIGN_GOAL = 1.15
CALLS_PER_INSTANCE, CALLS_CONSTANT = 1.3, 20
PHASES = (
    ("power-off ordered", ("POWER_OFF_ORDERED",), 0),
    ("BMC took it", ("POWER_OFF_TAKEN",), 0),
    ("proven off: read OFF twice, 2 s apart", ours.PROOF, 0),
    ("Nova told: forced down and disabled", ("FORCED_DOWN",), 0),
    ("planned, first evacuation ordered", ("PLANNED",), 0),
    ("last evacuation accepted by Nova", ("EVACUATION_ACCEPTED",), 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the file is made of."""

    command: str
    when: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    concurrency: int
    trials: Mapping[int, Run]
    rounds: Mapping[int, Sequence[Round]]
    thrown_away: Sequence[str]


def render(report: Report) -> str:
    """Return the whole file."""
    parts = [
        "# How fast a recovery is beside the bare loop",
        f"Written by `{report.command}` on {report.when}. Run it again rather than believe it elsewhere: read the ratios.",
        *_summary(report),
        "## How it was made",
        *_method(report),
        "## Results",
        *(part for size in report.rounds for part in _size(size, report.rounds[size])),
        "## Every run",
        _every_run(report),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(report: Report) -> Iterable[str]:
    for size, rounds in report.rounds.items():
        ratios = _ratios(rounds, lambda run: run.seconds)
        calls = max(each[OURS].nova_calls for each in rounds)
        bound = CALLS_PER_INSTANCE * size + CALLS_CONSTANT
        yield (
            f"**{size} instances:** median ratio to the bare loop {median(ratios):.2f}, everything after the second witness included "
            f"({_judged(size, median(ratios))}); at most {calls} calls to Nova, "
            f"{'within' if calls <= bound else 'ABOVE'} {CALLS_PER_INSTANCE} per instance plus {CALLS_CONSTANT} = {bound:.0f}."
        )


def _judged(size: int, ratio: float) -> str:
    if size < GOAL_INSTANCES:
        return f"no goal is set below {GOAL_INSTANCES}: the proof alone takes over 2 s"
    verdict = "both hold" if ratio <= DESIGN_GOAL else "the first holds" if ratio <= GOAL else "NEITHER HOLDS"
    return f"at most {GOAL} is demanded, {DESIGN_GOAL} is the design's goal: {verdict}"


def _method(report: Report) -> Iterable[str]:
    yield table(("what", "value"), [*report.machine.items(), *report.versions.items()])
    changed = ", ".join(f"`{name} = {value}`" for name, value in report.settings.items())
    yield (
        "One machine carries everything: Nova and its neighbours, both sides, and the clock. Keystone checks passwords at its default "
        "cost. Before each run every host is made well and the instances are booted on one host, of the size's number."
    )
    yield (
        "**Ours.** An API and one engine on an empty database of their own. nova-compute of the host is killed, its power stays on, and "
        "the notification is posted at once. The clock starts when the second witness agrees, by the engine's own timeline; so **fencing "
        "is included**: the power-off through IPMI, both readings of OFF at least 2 s apart, telling Nova, listing the instances. "
        f"Options are as the product ships them, but for {changed}."
    )
    yield (
        f"**Bare loop.** nova-compute is killed in the same way, and Nova's heartbeat is as silent ({SILENCE_SECONDS:.0f} s) when the clock "
        "starts, with the first request: force the host down and disable it, list its instances, post every evacuation, then read the narrow "
        f"list of migrations every {POLL_SECONDS:.0f} s until all are done. It has a token already, fences nothing and remembers nothing. "
        f"It posts {report.concurrency} at a time{_chosen(report)}."
    )
    yield (
        f"**End**, for all alike: the last instance is on another host, active, with no task, in Nova's own database, which is read every "
        f"{LOOK_SECONDS} s past all APIs. **Calls** are counted in Nova's access log by user agent, from the failure of the host to the end of "
        "the recovery, so that ours include the watching of heartbeats before the clock starts."
    )
    yield (
        "Sides take turns, in alternating order. **Noise:** *others* is which part of the machine's processor time went to processes that "
        "belong neither to the cloud nor to the bench. "
        f"A run with more than {NOISY_SHARE:.0%} is thrown away and repeated as long as repeats are left. "
        + (f"Thrown away: {'; '.join(report.thrown_away)}." if report.thrown_away else "Nothing was thrown away.")
    )


def _chosen(report: Report) -> str:
    if not report.trials:
        return ", as told on the command line"
    tried = ", ".join(f"{concurrency}: {run.seconds:.1f} s" for concurrency, run in report.trials.items())
    size = next(iter(report.trials.values())).instances
    return f", the best of one trial each with {size} instances ({tried})"


def _size(size: int, rounds: Sequence[Round]) -> Iterable[str]:
    sides = [side for side in (OURS, BARE, UPSTREAM) if side in rounds[0]]
    yield f"### {size} instances"
    yield table(
        (
            "median (min to max)",
            "seconds to the last",
            "to half of them",
            "calls to Nova",
            "per instance",
            "logins",
            "requests to Placement",
            "most on one host",
            "CPU seconds",
        ),
        [(side, *_figures([each[side] for each in rounds])) for side in sides],
    )
    rows = [("to the last instance, **fencing included**", _ratios(rounds, lambda run: run.seconds))]
    rows.append(("the same, ours from the proof on", _ratios(rounds, lambda run: run.from_proof or run.seconds)))
    rows.append(("to half of the instances, fencing included", _ratios(rounds, lambda run: run.half)))
    if UPSTREAM in sides:
        rows.append(("upstream to the bare loop, to the last", _ratios(rounds, lambda run: run.seconds, of=UPSTREAM)))
    yield table(
        ("ratio to the bare loop", "median", *(f"round {number}" for number, _ in enumerate(rounds, 1))),
        [(name, f"{median(ratios):.2f}", *(f"{ratio:.2f}" for ratio in ratios)) for name, ratios in rows],
    )
    mine = [each[OURS] for each in rounds]
    yield table(
        ("ours, seconds after the second witness", "median (min to max)"),
        [
            *((name, spread([_moment(run, codes, which) for run in mine], 1)) for name, codes, which in PHASES),
            ("last instance ACTIVE elsewhere", spread([run.seconds for run in mine], 1)),
            ("recovery ended, all of it verified", spread([_moment(run, ("RECOVERED",), 1) for run in mine], 1)),
        ],
    )


def _figures(runs: Sequence[Run]) -> tuple[str, ...]:
    return (
        spread([run.seconds for run in runs], 1),
        spread([run.half for run in runs], 1),
        spread([run.nova_calls for run in runs], 0),
        spread([run.nova_calls / run.instances for run in runs], 2),
        spread([run.tokens for run in runs], 0),
        spread([run.placement_requests for run in runs], 0),
        spread([run.spread[0] for run in runs], 0),
        spread([sum(run.cpu.values()) for run in runs], 1),
    )


def spread(values: Sequence[float], digits: int) -> str:
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _ratios(rounds: Sequence[Round], value: Callable[[Run], float], of: str = OURS) -> list[float]:
    """Return ours by the bare loop's, round by round; of the bare loop the same value, which has no proof."""
    return [value(each[of]) / value(each[BARE]) for each in rounds]


def _moment(run: Run, codes: tuple[str, ...], which: int) -> float:
    return min(run.moments[code][which] for code in codes if code in run.moments)


def _every_run(report: Report) -> str:
    rows = [
        (
            str(size),
            str(number),
            side,
            f"{run.seconds:.1f}",
            f"{run.from_proof:.1f}" if run.from_proof else "",
            f"{run.half:.1f}",
            str(run.nova_calls),
            " ".join(map(str, run.spread)),
            f"{sum(run.cpu.values()):.1f}",
            f"{run.foreign_share:.0%}",
        )
        for size, rounds in report.rounds.items()
        for number, each in enumerate(rounds, 1)
        for side, run in each.items()
    ]
    heads = (
        "instances",
        "round",
        "side",
        "seconds",
        "from the proof",
        "half",
        "calls",
        "per destination",
        "CPU seconds",
        "others",
    )
    return table(heads, rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] + ["--:"] * (len(heads) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
