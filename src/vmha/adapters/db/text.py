"""Texts as every database stores them."""

from __future__ import annotations

LONGEST_SENTENCE = 4000
"""Characters of a sentence that are kept: an answer may quote a whole web page, and TEXT holds 64 KiB on MySQL."""


def sentence(text: str) -> str:
    """Make of a text what every database stores; a commit that cannot be stored would stop a recovery for the sake of a word."""
    plain = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= LONGEST_SENTENCE else f"{plain[: LONGEST_SENTENCE - 1]}…"
