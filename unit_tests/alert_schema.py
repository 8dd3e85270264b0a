"""The schema of alerts that the repository ships, and what else holds of all alerts of one recovery."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

PATH = Path(__file__).resolve().parents[1] / "docs" / "operate" / "alert.schema.json"
STANDING = ("waits", "hindered", "stopped")
"""Kinds that begin what a reminder reminds of, and what is told to be over."""


@cache
def schema() -> dict[str, Any]:
    """Read the schema."""
    read: dict[str, Any] = json.loads(PATH.read_text())
    return read


@cache
def _validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    checked = jsonschema.FormatChecker(("uuid",))  # times have a pattern as well
    return jsonschema.Draft202012Validator(schema(), format_checker=checked)


def validate(document: dict[str, Any]) -> None:
    """See that a document is what the schema says, and has no key that it does not describe."""
    _validator().validate(document)
    assert set(document) == set(schema()["properties"])
    counts = document["instances"]
    assert counts is None or counts["total"] == sum(counts.values()) - counts["total"]


def check_incident(
    documents: Sequence[dict[str, Any]], *, outcome: str | None, waits: bool, is_host: bool = True
) -> None:
    """See that the alerts of one recovery, oldest first, tell its story.

    It begins with its opening; a reminder reminds of what was told; what was told is over once, or was never told; the end is the last
    word, and said where there was one. `waits` says that the recovery stands in a wait that was to be told of by now.
    An instance or a process (not `is_host`) is not told as opened, and its end only if there was something to tell.
    """
    for document in documents:
        validate(document)
    kinds = [document["kind"] for document in documents]
    assert [document["number"] for document in documents] == list(range(1, len(documents) + 1))
    assert len({document["id"] for document in documents}) == len(documents)
    assert len({(document["incident"], document["dedup_key"]) for document in documents}) == (1 if documents else 0)
    assert kinds[:1] == ["opened"] or not is_host
    assert kinds.count("opened") == is_host
    is_over = outcome is not None and (is_host or kinds[-1:] == ["ended"])
    assert kinds.count("ended") == is_over
    if is_over:
        assert (kinds[-1], documents[-1]["outcome"]) == ("ended", outcome)
    is_told = False
    for before, document in zip([None, *documents], documents, strict=False):
        if document["kind"] in ("reminder", "resumed"):
            assert is_told, (before, document)
        is_told = (is_told or document["kind"] in STANDING) and document["kind"] not in ("resumed", "ended")
    assert is_told or not waits
    assert outcome is None or not is_told
