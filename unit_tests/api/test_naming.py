"""Which host a name means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmha.api.naming import resolve, similar

labels = st.text("ab1-", min_size=1, max_size=3)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("c1", {"c1", "c1.example.org"}, "c1"),
        ("c1", {"c1.example.org", "c2"}, "c1.example.org"),
        ("c1.example.org", {"c1", "c11"}, "c1"),
        ("C1.Example.org", {"c1.example.org"}, "c1.example.org"),
        ("c1.example.com", {"c1.example.org"}, None),
        ("c1", {"c1.a.org", "c1.b.org"}, None),
        ("c1", {"c11", "c"}, None),
        ("c1", set(), None),
    ],
)
def test_a_name_means_one_host_or_none(name: str, known: set[str], meant: str | None) -> None:
    """The name itself comes first; short and full names mean each other unless several fit."""
    assert resolve(name, known) == meant


@given(name=names, known=st.sets(names))
def test_what_is_meant_is_known_and_of_the_same_short_name(name: str, known: set[str]) -> None:
    """No host is taken for one whose name differs before its first dot."""
    meant = resolve(name, known)
    assert meant is None or (meant in known and meant.partition(".")[0] == name.partition(".")[0])


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("compute-21", {"compute-12", "storage"}, " Similar names that are known: compute-12."),
        ("node", {"node.a", "node.b"}, " Similar names that are known: node.a, node.b."),
        ("x", {"compute-12"}, ""),
        ("storage.example.org", {"compute-12.example.org"}, ""),
        ("c1", set(), ""),
    ],
)
def test_similar_names_are_told(name: str, known: set[str], words: str) -> None:
    """Who reads the error sees what the name may have been meant for."""
    assert similar(name, known) == words
