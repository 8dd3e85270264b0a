"""What a demo shows on the terminal: lines as they happen, a bar for the moves, a table, the verdict."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmha.sim.record import Fact

COUNTED = ("EVACUATION_ORDERED", "EVACUATION_ACCEPTED", "LANDED", "MOVING", "MOVED")
"""Lines that come once per instance; the bar counts them."""

BAR = 36


class View:
    """Prints; on a terminal the bar moves in place."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown: dict[str, int] = {}
        self._lock = threading.Lock()
        self._is_terminal = sys.stdout.isatty()
        self._bar = ""

    def title(self, words: str) -> None:
        """Say what is about to be shown."""
        self._print(f"\n{words}\n")

    def begin(self) -> None:
        """Count seconds from here on."""
        self._began = time.monotonic()
        self._print("")

    def say(self, sentence: str) -> None:
        """Print what the demo itself does."""
        self._print(f"{self._elapsed()}   {sentence}")

    def line(self, host: str, lines: list[dict[str, Any]]) -> None:
        """Print the lines of a timeline that are new."""
        with self._lock:
            new = lines[self._shown.get(host, 0) :]
            self._shown[host] = len(lines)
        for entry in new:
            if entry["code"] not in COUNTED:
                self._print(f"{self._elapsed()} > {entry['sentence']}")

    timeline = line

    def progress(self, recoveries: list[dict[str, Any]]) -> None:
        """Draw how far each recovery has come, where that changed."""
        bars = [f"{recovery['host']}: {recovery['phase']:<13} {recovery['message'][:70]}" for recovery in recoveries]
        bar = " | ".join(bars)
        if self._is_terminal and bar != self._bar:
            print(f"\r\033[K{bar[:118]}", end="", flush=True)
        self._bar = bar

    def table(self, recovery: dict[str, Any], facts: list[Fact], source: str) -> None:
        """Print instance, from, to and seconds by the cloud's own record, then the proof."""
        self._print("\nwhere the guests run, by the simulated cloud's own record\n")
        self._print(f"  {'instance':<14} {'from':<6} {'to':<10} {'seconds':>8}")
        for name, places in sorted(_journeys(facts, source).items(), key=lambda item: (len(item[0]), item[0])):
            to, seconds = places
            self._print(f"  {name:<14} {source:<6} {to:<10} {seconds:>8}")
        off = [fact for fact in facts if fact["what"] == "power" and fact["host"] == source and not fact["on"]]
        self._print(
            f"\n  {source} was switched off at {_clock(off[0]['at'])}" if off else f"\n  {source} was never off"
        )
        for proof in recovery["proofs"]:
            readings = ", ".join(f"{each['power'].upper()} at {each['at'][11:23]}" for each in proof["readings"])
            ending = f"; revoked: {proof['revoked_because']}" if proof["revoked_at"] else ""
            self._print(f"  proof by {proof['rung']}: {readings or 'a human word'}{ending}")
        if not recovery["proofs"]:
            self._print("  no proof that it is off: nothing may run elsewhere")

    def verdict(self, recovery: dict[str, Any], problems: list[str]) -> None:
        """Print how it stands, and whether the promises held."""
        if recovery["waits_for_human"]:
            self._print(
                f"\nit waits for a human, who would type:\n  masakari-manage recovery confirm {recovery['uuid']} --reason '...'"
            )
        for problem in problems:
            self._print(f"\nPROMISE BROKEN: {problem}")
        if not problems:
            self._print(f"\nevery promise held; the recovery stands at: {recovery['outcome'] or recovery['phase']}\n")

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:7.1f} s"

    def _print(self, text: str) -> None:
        with self._lock:
            clear = "\r\033[K" if self._is_terminal and self._bar else ""
            print(f"{clear}{text}", flush=True)


def _journeys(facts: list[Fact], source: str) -> dict[str, tuple[str, str]]:
    """Return for each instance of the source where it runs now, and the seconds from the report's first order to there."""
    began = next((fact["at"] for fact in facts if fact["what"] == "fault"), 0.0)
    names: dict[str, str] = {}
    running: dict[str, dict[str, float]] = {}
    for fact in facts:
        if fact["what"] == "server" and fact["why"] == "created" and fact["host"] == source:
            names[fact["instance"]] = f"vm{len(names) + 1}"
        if fact["what"] == "guest":
            places = running.setdefault(fact["instance"], {})
            if fact["runs"]:
                places[fact["host"]] = fact["at"]
            else:
                places.pop(fact["host"], None)
    journeys = {}
    for instance, name in names.items():
        places = running.get(instance, {})
        moved = [at for host, at in places.items() if host != source]
        seconds = f"{moved[-1] - began:.1f}" if moved else "-"
        journeys[name] = (" and ".join(places) or "nowhere", seconds)
    return journeys


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S.%f")[:12]
