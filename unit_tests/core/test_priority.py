"""In which order instances are moved, and what is said of texts that nobody can read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import POLICY, draft, instance, move
from vmha.core.explain import Code
from vmha.core.model import Instance
from vmha.core.priority import Origin, Priority, in_order, priority_of, say_unreadable

TRUSTING = replace(POLICY, trust_tenant_metadata=True)
KEY = POLICY.priority_key


def wishing(uuid: str = "i1", *, metadata: str = "", flavor: str = "", image: str = "", **more: int) -> Instance:
    """An instance of which these say a priority."""
    found = instance(uuid, **more)
    return replace(
        found,
        metadata=((KEY, metadata),) if metadata else (),
        extra_specs=((KEY, flavor),) if flavor else (),
        image_properties=((KEY, image),) if image else (),
    )


@pytest.mark.parametrize(
    ("wish", "priority"),
    [
        (wishing(), Priority(number=100, origin=Origin.DEFAULT)),
        (wishing(image="7"), Priority(number=7, origin=Origin.IMAGE)),
        (wishing(image="7", flavor="8"), Priority(number=8, origin=Origin.FLAVOR)),
        (wishing(image="7", flavor="8", metadata="1000"), Priority(number=1000, origin=Origin.METADATA)),
        (wishing(flavor=" 0 "), Priority(number=0, origin=Origin.FLAVOR)),
    ],
)
def test_the_first_that_says_anything_counts(wish: Instance, priority: Priority) -> None:
    """Metadata before flavor before image."""
    assert priority_of(wish, TRUSTING) == priority


def test_a_tenants_word_counts_only_where_tenants_are_trusted() -> None:
    """Without trust_tenant_metadata it is as if it was not there, readable or not."""
    assert priority_of(wishing(metadata="1000", flavor="5"), POLICY) == Priority(number=5, origin=Origin.FLAVOR)
    assert priority_of(wishing(metadata="soon"), POLICY) == Priority(number=100, origin=Origin.DEFAULT)


@pytest.mark.parametrize("text", ["high", "1001", "-1", "1.5", "99999", "", " ", "٣", "²", "1_0", "+5"])
def test_what_is_no_whole_number_counts_as_the_default(text: str) -> None:
    """Whatever the others say: whoever wrote it finds it named, and not something else at work in its place."""
    wish = replace(wishing(flavor="900"), metadata=((KEY, text),))
    assert priority_of(wish, TRUSTING) == Priority(number=100, origin=Origin.METADATA, unreadable=text)


def test_the_order() -> None:
    """Priority, then the owner's wish, then memory, then vcpus; equals stay as Nova listed them."""
    wishes = {
        "small": instance("small", memory_mb=512, vcpus=1),
        "twin": instance("twin", memory_mb=512, vcpus=1),
        "wide": instance("wide", memory_mb=512, vcpus=4),
        "large": instance("large", memory_mb=4096, vcpus=1),
        "wished": instance("wished", memory_mb=1),
        "urgent": instance("urgent", memory_mb=1),
        "last": instance("last", memory_mb=8192),
    }
    changes = {"wished": {"is_tagged": True}, "urgent": {"priority": 101}, "last": {"priority": 99}}
    moves = [move(name, **({"priority": 100, "is_tagged": False} | changes.get(name, {}))) for name in wishes]
    ordered = [each.instance for each in in_order(moves, wishes)]
    assert ordered == ["urgent", "wished", "large", "wide", "small", "twin", "last"]


def test_what_cannot_be_read_is_said_once_for_all() -> None:
    """A few are named with what they say, cut short; the others are counted. A tenant cannot fill a timeline with it."""
    drafted = draft(policy=TRUSTING)
    say_unreadable(drafted, [wishing(f"i{n}", metadata="x" * 300) for n in range(900)])
    (reason,) = drafted.reasons
    assert reason.code is Code.PRIORITY_UNREADABLE
    assert "900 instances (name of i0: 'xxxxxxxxxxxxxxxxxxxx…' (metadata)" in reason.sentence
    assert len(reason.sentence) < 400


def test_a_mark_that_is_neither_yes_nor_no_is_said() -> None:
    """It counts as no, as upstream has it, and its owner meant something by it."""
    key = POLICY.ha_enabled_instance_metadata_key
    drafted = draft()
    say_unreadable(
        drafted, [instance(f"i{n}", metadata=((key, text),)) for n, text in enumerate(("si", "No", "on", ""))]
    )
    assert [reason.code for reason in drafted.reasons] == [Code.TAG_UNREADABLE]
    assert "of 1 instances (name of i0: 'si')" in drafted.reasons[0].sentence


def test_nothing_is_said_where_all_can_be_read() -> None:
    """Nor of an empty survey."""
    drafted = draft(policy=TRUSTING)
    say_unreadable(drafted, [wishing(metadata="5"), wishing(image="6"), instance()])
    assert drafted.reasons == []
