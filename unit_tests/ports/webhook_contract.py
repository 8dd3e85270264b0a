"""What every implementation of the port `Webhook` must do: the one over HTTP, and the one of the tests of couriers.

A test module makes a class of its own from `WebhookContract` with a fixture `harness`, which is a receiver that does what the test says.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from vmha.ports import Clock, Deadline, Webhook, WebhookFailed

DOCUMENT = '{"summary": "c1 waits"}'
SECONDS = 20.0


class WebhookHarness(Protocol):
    """A receiver, and the port to it."""

    webhook: Webhook
    clock: Clock

    def take(self) -> None:
        """Let it take what comes."""

    def refuse(self) -> None:
        """Let it take nothing."""

    def hang(self) -> None:
        """Let it say nothing for much longer than a deadline."""

    def taken(self) -> list[str]:
        """Return the documents that it took."""


class WebhookContract:
    """The contract. Subclasses give a fixture `harness`."""

    def test_what_is_taken_was_sent_once(self, harness: WebhookHarness) -> None:
        """A receiver that takes the document has it, once, and what it said comes back."""
        harness.take()
        assert post(harness)
        assert harness.taken() == [DOCUMENT]

    def test_what_is_not_taken_is_a_failure_in_words(self, harness: WebhookHarness) -> None:
        """One error says so, whatever the receiver did."""
        harness.refuse()
        with pytest.raises(WebhookFailed) as error:
            post(harness)
        assert str(error.value)
        assert harness.taken() == []

    def test_it_ends_at_the_deadline(self, harness: WebhookHarness) -> None:
        """A receiver that hangs costs the time that there is, not more."""
        harness.hang()
        began = harness.clock.monotonic()
        with pytest.raises(WebhookFailed):
            post(harness, seconds=0.5)
        assert 0.4 < harness.clock.monotonic() - began < SECONDS

    def test_nothing_leaves_after_the_deadline(self, harness: WebhookHarness) -> None:
        """Past the deadline nothing is sent."""
        harness.take()
        with pytest.raises(WebhookFailed):
            post(harness, seconds=-1.0)
        assert harness.taken() == []

    def test_names_say_no_secret(self, harness: WebhookHarness) -> None:
        """Key and name stay the same, and the key can be a column's value."""
        hook = harness.webhook
        assert (hook.key, hook.name) == (hook.key, hook.name)
        assert 0 < len(hook.key) <= 32


def post(harness: WebhookHarness, *, seconds: float = SECONDS) -> str:
    """Send the document."""
    deadline = Deadline(at=harness.clock.monotonic() + seconds)
    return harness.webhook.post(DOCUMENT, alert="a1", attempt=1, deadline=deadline)
