"""API.md says what was measured, and calls a goal that is missed by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.api_results import Report, Round, Run, ratios, render, verdict
from bench.api_work import WORKLOADS, Alike

RUN = Run(
    per_second=100.0,
    answers=900,
    median_milliseconds=5.0,
    late_milliseconds=9.0,
    api_share=0.5,
    database_share=0.2,
    generator_share=0.1,
    others_share=0.03,
    load=1.5,
)


def pairs(*ours_and_upstreams: tuple[float, float]) -> list[Round]:
    """Return rounds with these requests per second."""
    return [
        {"ours": replace(RUN, per_second=ours), "upstream": replace(RUN, per_second=upstreams)}
        for ours, upstreams in ours_and_upstreams
    ]


def report(rounds: list[Round], *, disturbed: list[str]) -> Report:
    """Return a report with these rounds for each work."""
    return Report(
        command="python -m bench.api",
        when="2026-01-01 00:00 UTC",
        machine={"cores": "2"},
        versions={"vmha": "0.1.0"},
        connections=8,
        seconds=8.0,
        warm_up_seconds=2.0,
        top_speed=30000.0,
        answers=[Alike(workload="GET /segments", items=20, ours_bytes=1, upstream_bytes=2, sent=b"")],
        rounds={work.name: rounds for work in WORKLOADS},
        disturbed=disturbed,
        where={"GET /segments": {"falcon": 0.25, "SQLAlchemy": 0.75}},
    )


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that was slow in one round was so for both."""
    assert ratios(pairs((400, 100), (60, 20), (500, 50))) == [4.0, 3.0, 10.0]


@pytest.mark.parametrize(
    ("goal", "found", "said"),
    [
        (3, [2.0, 3.0, 9.0], "at least 3: holds"),
        (3, [2.0, 2.9, 9.0], "at least 3: DOES NOT HOLD"),
        (None, [1.0], "none"),
    ],
)
def test_the_median_decides(goal: float | None, found: list[float], said: str) -> None:
    """Neither the best round nor the worst one reaches or misses a goal."""
    assert verdict(goal, found) == said


def test_the_file_tells_the_median_and_its_spread() -> None:
    """Each work has a line with both sides and the ratio's median, least and greatest."""
    text = render(report(pairs((400, 100), (60, 20), (500, 50)), disturbed=[]))
    line = "| `GET /segments`, 20 segments | 400 (60 to 500) | 50 (20 to 100) | **4.0** (3.0 to 10.0) | 4.0 (3.0 to 10.0) | at least 3: holds |"
    assert line in text
    assert "crowded" not in text
    assert "None was measured again." in text
    assert text.index("| SQLAlchemy | 75% |") < text.index("| falcon | 25% |")


def test_a_crowd_is_named() -> None:
    """Where others used more of the machine than a pair may have, the file says it where the ratios stand."""
    crowded = [
        {side: replace(run, others_share=0.6, load=9.0) for side, run in each.items()} for each in pairs((400, 100))
    ]
    text = render(report(crowded, disturbed=[]))
    assert "others used 60% to 60% of it (load average 9.0 to 9.0)" in text.partition("## ")[0]


def test_the_file_names_what_is_missed_and_what_was_repeated() -> None:
    """A goal that is missed stands in capitals, and so does every pair that was thrown away."""
    text = render(report(pairs((110, 100)), disturbed=["GET /segments (34%)"]))
    assert text.count("DOES NOT HOLD") == sum(work.goal is not None for work in WORKLOADS)
    assert "Measured again: GET /segments (34%)." in text
