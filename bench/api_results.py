"""Writes API.md. Every figure in it comes from the runs of one call; the sentences say only what the code does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import api_rows as rows
from bench.api_servers import OURS, UPSTREAM
from bench.api_work import WORKLOADS, Alike
from bench.results import spread, table

NOISY_SHARE = 0.10
"""Which part of the machine others may use, at whatever priority: who waits for his database suffers even from idle work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One side at one work. The shares are of one processor, but for `others`, which is of the machine and of any priority.

    `load` is the machine's load average of a minute as the run began.
    """

    per_second: float
    answers: int
    median_milliseconds: float
    late_milliseconds: float
    api_share: float
    database_share: float
    generator_share: float
    others_share: float
    load: float

    @property
    def milliseconds_of_processor(self) -> float:
        """Return what the API's process needs for a request, however long it waits for its turn."""
        return 1000 * self.api_share / self.per_second


Round = Mapping[str, Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the file is made of. `rounds` is by the work's name, `where` by request and then by layer: parts of a request's time."""

    command: str
    when: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    connections: int
    seconds: float
    warm_up_seconds: float
    top_speed: float
    answers: Sequence[Alike]
    rounds: Mapping[str, Sequence[Round]]
    disturbed: Sequence[str]
    where: Mapping[str, Mapping[str, float]]


def render(report: Report) -> str:
    """Return the whole file."""
    parts = [
        "# How fast the API is beside upstream's",
        f"Written by `{report.command}` on {report.when}. Run it again rather than believe it elsewhere: read the ratios.",
        _summary(report),
        *_crowd(report),
        *_results(report),
        "## Where our time goes",
        *_where(report),
        "## How it was made",
        *_method(report),
        "## Every run",
        _every_run(report),
    ]
    return "\n\n".join(parts) + "\n"


def ratios(rounds: Sequence[Round]) -> list[float]:
    """Return ours by upstream's requests per second, round by round."""
    return [each[OURS].per_second / each[UPSTREAM].per_second for each in rounds]


def savings(rounds: Sequence[Round]) -> list[float]:
    """Return upstream's by our processor time per request, round by round."""
    return [each[UPSTREAM].milliseconds_of_processor / each[OURS].milliseconds_of_processor for each in rounds]


def verdict(goal: float | None, found: Sequence[float]) -> str:
    """Say whether the median reaches the goal."""
    if goal is None:
        return "none"
    return f"at least {goal:g}: {'holds' if median(found) >= goal else 'DOES NOT HOLD'}"


def _summary(report: Report) -> str:
    lines = []
    for work in WORKLOADS:
        rounds, found = report.rounds[work.name], ratios(report.rounds[work.name])
        lines.append(
            (
                f"`{work.name}`, {work.about}" if "," not in work.name else f"the same, {work.about}",
                spread([each[OURS].per_second for each in rounds], 0),
                spread([each[UPSTREAM].per_second for each in rounds], 0),
                f"**{median(found):.1f}** ({min(found):.1f} to {max(found):.1f})",
                spread(savings(rounds), 1),
                verdict(work.goal, found),
            )
        )
    heads = (
        "requests per second and worker: median (min to max)",
        "ours",
        "upstream",
        "ratio, within a round",
        "of the API's processor time per request",
        "goal",
    )
    return table(heads, lines)


def _crowd(report: Report) -> Iterable[str]:
    """Say how the figures are to be read where others kept the machine busy."""
    runs = _runs(report)
    shares = [run.others_share for run in runs]
    if max(shares) > NOISY_SHARE:
        yield (
            f"**The machine was crowded:** others used {min(shares):.0%} to {max(shares):.0%} of it (load average "
            f"{min(run.load for run in runs):.1f} to {max(run.load for run in runs):.1f}). Rates are lower than on an idle one, and "
            "the ratio of rates flatters who has several threads to wait with. Processor time per request hardly depends on the "
            "crowd; it leaves out that one thread also waits for its database."
        )


def _runs(report: Report) -> list[Run]:
    return [run for each in report.rounds.values() for pair in each for run in pair.values()]


def _results(report: Report) -> Iterable[str]:
    yield "### What each side does meanwhile"
    rows_of = []
    for work in WORKLOADS:
        for side in (OURS, UPSTREAM):
            runs = [each[side] for each in report.rounds[work.name]]
            rows_of.append((f"`{work.name}`", side, *_figures(runs)))
    heads = (
        "medians",
        "side",
        "ms per request: half of them within",
        "99 % within",
        "processor ms of the API's process per request",
        "that process's share of a processor",
        "MariaDB's",
        "the load generator's",
    )
    yield table(heads, rows_of)


def _figures(runs: Sequence[Run]) -> tuple[str, ...]:
    def of(value: Callable[[Run], float], form: str) -> str:
        return form.format(median(value(run) for run in runs))

    return (
        of(lambda run: run.median_milliseconds, "{:.1f}"),
        of(lambda run: run.late_milliseconds, "{:.1f}"),
        of(lambda run: run.milliseconds_of_processor, "{:.2f}"),
        of(lambda run: run.api_share, "{:.0%}"),
        of(lambda run: run.database_share, "{:.0%}"),
        of(lambda run: run.generator_share, "{:.0%}"),
    )


def _where(report: Report) -> Iterable[str]:
    yield (
        "One request at a time, called in the process itself without a server before it, and looked at every millisecond: which part "
        "of the time was spent where. What waits for an answer of MariaDB or memcached counts as theirs."
    )
    names = list(report.where)
    layers = list(dict.fromkeys(layer for found in report.where.values() for layer in found))
    layers.sort(key=lambda layer: -sum(found.get(layer, 0.0) for found in report.where.values()))
    yield table(
        ("part", *(f"`{name}`" for name in names)),
        [(layer, *(f"{report.where[name].get(layer, 0.0):.0%}" for name in names)) for layer in layers],
    )


def _method(report: Report) -> Iterable[str]:
    yield table(("what", "value"), [*report.machine.items(), *report.versions.items()])
    yield (
        "Both sides run behind keystonemiddleware with the same memcached, on databases of the same MariaDB "
        "(`innodb_flush_log_at_trx_commit = 1`: a commit is on the disk before a notification is answered, on both sides), and speak to "
        "the same RabbitMQ. **One worker each:** ours is `masakari-api` as it ships with `masakari_api_workers = 1` (one process, 16 "
        "threads, its own web server); upstream runs under uWSGI with one process and one thread, as deployers run it, who add "
        "processes. uWSGI closes each connection after its answer, as with them, so the client opens a new one for each request on both "
        "sides, though ours would keep it. The masakari.conf of both is the same "
        "but for port and database, logging included (level INFO, into a file), with `notification_delay_max = 0`: upstream would sleep up "
        "to 5 s before each notification."
    )
    yield (
        "**In the measurement of a POST:** the token, schema and policy; the search for the host, its segment and earlier equal "
        "notifications; the durable commit; upstream's cast to its engine over RabbitMQ, and our recovery with its first line of the "
        "timeline, in the same transaction. Each POST reports another host's failure, all are accepted (202), and after each run the rows "
        "are counted: as many notifications as answers, and with us as many recoveries. **Not in it:** what an engine does then. On both "
        "sides a process hears the broker and does nothing. Keystone is the simulated one of the tests, with a catalog of "
        "13 services; it is asked only once per token and five minutes, by either side."
    )
    yield (
        f"The database has {rows.SEGMENTS} segments, {rows.HOSTS:,} hosts and, where it says so, {rows.OLD:,} old notifications. Upstream's has "
        "upstream's indexes, ours has ours. Both sides' answers were held against each other before: "
        + "; ".join(
            f"`{each.workload}` has {each.items} items of the same ids and keys ({each.ours_bytes:,} and {each.upstream_bytes:,} bytes)"
            for each in report.answers
        )
        + "."
    )
    largest = max(run.generator_share for run in _runs(report))
    yield (
        f"**The client** is a process of its own with {report.connections} connections, each of which sends its next request when it has "
        f"its answer, for {report.seconds:g} s after {report.warm_up_seconds:g} s of warming up. It is not the bottleneck: against a "
        f"server that gives the same answer to everything it sends {report.top_speed:,.0f} requests/s, and in no run it used more than "
        f"{largest:.0%} of a processor."
    )
    loads = [run.load for run in _runs(report)]
    yield (
        "**Noise:** both sides of a pair run one right after the other, who is first alternates from round to round, and ratios are taken "
        f"within a pair. *Others* is which part of the machine's processor time went to processes outside the measurement, at whatever "
        f"priority, and the load average is that of the minute before a run; it was {min(loads):.1f} to {max(loads):.1f}, the bench's "
        f"own included. A pair in which others used more than {NOISY_SHARE:.0%} is measured again while patience lasts. "
        + (f"Measured again: {'; '.join(report.disturbed)}." if report.disturbed else "None was measured again.")
    )


def _every_run(report: Report) -> str:
    lines = [
        (
            f"`{name}`",
            str(number),
            side,
            f"{run.per_second:.1f}",
            str(run.answers),
            f"{run.median_milliseconds:.1f}",
            f"{run.late_milliseconds:.1f}",
            f"{run.api_share:.0%}",
            f"{run.generator_share:.0%}",
            f"{run.others_share:.0%}",
            f"{run.load:.1f}",
        )
        for name, rounds in report.rounds.items()
        for number, each in enumerate(rounds, 1)
        for side, run in each.items()
    ]
    heads = (
        "work",
        "round",
        "side",
        "requests/s",
        "answers in all",
        "median ms",
        "99 % ms",
        "API",
        "generator",
        "others",
        "load average",
    )
    return table(heads, lines)
