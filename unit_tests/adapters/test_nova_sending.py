"""How requests to Nova leave: once, in time, with one token and an explicit microversion."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from unit_tests.adapters.http_stub import Answer, Stub, running_stub
from unit_tests.adapters.nova_stub import (
    ACTION,
    SERVERS,
    SERVICE_ID,
    SERVICES,
    listed,
    nova,
    refused,
    service,
    within,
)
from vmha import __version__
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class StoppedClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time that was set."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve a stub for one test."""
    with running_stub() as running:
        running.answer("POST", ACTION, Answer())
        running.answer("GET", SERVICES, listed("services", service()))
        running.answer("PUT", f"{SERVICES}/{SERVICE_ID}", Answer(body={"service": service()}))
        yield running


def test_every_request_names_its_microversion(stub: Stub) -> None:
    """Each request to Nova, reading or order, carries 2.94 in both headers that Nova knows."""
    client = nova(stub)

    client.evacuate("i1", target=None, deadline=within())
    client.force_down("c1", reason="why", deadline=within())

    assert [request.method for request in stub.sent()] == ["POST", "GET", "PUT"]
    for request in stub.sent():
        assert request.headers["OpenStack-API-Version"] == "compute 2.94"
        assert request.headers["X-OpenStack-Nova-API-Version"] == "2.94"


def test_requests_name_their_engine(stub: Stub) -> None:
    """Nova's access log tells engines apart by the user agent, also for tokens."""
    nova(stub).services(deadline=within())

    assert stub.tokens == 1
    assert all(request.headers["User-Agent"].startswith(f"vmha/{__version__} engine-1") for request in stub.requests)


def test_one_token_serves_all_threads(stub: Stub) -> None:
    """Sixteen threads that begin at the same time share one token."""
    client = nova(stub)
    start = threading.Barrier(16)

    def read() -> None:
        start.wait()
        client.services(deadline=within())

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(read) for _ in range(16)]:
            future.result()

    assert stub.tokens == 1
    assert {request.headers["X-Auth-Token"] for request in stub.sent()} == {"token-1"}


def test_no_discovery_before_a_request(stub: Stub) -> None:
    """A reading costs one request once there is a token."""
    client = nova(stub)
    client.services(deadline=within())
    stub.requests.clear()

    client.services(deadline=within())

    assert [request.path for request in stub.requests] == [SERVICES]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_order_is_not_repeated_after_a_server_error(stub: Stub, status: int) -> None:
    """A 5xx leaves open whether the order was taken, so it is reported and never sent again."""
    stub.answer("POST", ACTION, Answer(status=status, headers={"Retry-After": "0"}), Answer())

    with pytest.raises(NovaUnavailable, match=str(status)):
        nova(stub).evacuate("i1", target=None, deadline=within())

    assert len(stub.sent("POST")) == 1


def test_an_order_is_not_repeated_after_a_dropped_connection(stub: Stub) -> None:
    """A connection that ends without an answer is reported, on a fresh connection and on one that was kept open."""
    client = nova(stub)
    client.services(deadline=within())
    stub.answer("POST", ACTION, Answer(drops=True))

    for _ in range(2):
        with pytest.raises(NovaUnavailable, match="servers/i1/action"):
            client.evacuate("i1", target=None, deadline=within())

    assert len(stub.sent("POST")) == 2


def test_an_order_is_not_repeated_after_a_timeout(stub: Stub) -> None:
    """An order that gets no answer ends at its deadline, once."""
    client = nova(stub)
    client.services(deadline=within())
    stub.answer("POST", ACTION, Answer(delay_seconds=60.0))
    began = time.monotonic()

    with pytest.raises(NovaUnavailable, match="timed out"):
        sent_in_time(lambda: client.evacuate("i1", target=None, deadline=within(0.2)))

    assert time.monotonic() - began < 30
    while not stub.sent("POST"):  # a slow machine's stub may look after the deadline only
        assert time.monotonic() - began < 60
    time.sleep(0.1)
    assert len(stub.sent("POST")) == 1


def sent_in_time(call: Callable[[], object]) -> None:
    """Make a call; again where the machine stood still until its deadline, so that nothing was sent."""
    for _ in range(4):
        try:
            call()
        except OrderExpired:
            continue
        except NovaUnavailable as error:
            if "no time was left" not in str(error):
                raise
        else:
            return
    pytest.fail("it was never sent in time")


def test_an_order_follows_no_redirect(stub: Stub) -> None:
    """A redirect is an answer like any other; the order is not sent elsewhere."""
    stub.answer("POST", ACTION, Answer(status=308, headers={"Location": f"{stub.url}/elsewhere"}))

    with pytest.raises(NovaRefused) as caught:
        nova(stub).evacuate("i1", target=None, deadline=within())

    assert caught.value.status == 308
    assert [request.path for request in stub.sent()] == [ACTION]


def test_an_order_past_its_deadline_stays_here(stub: Stub) -> None:
    """Nothing leaves once the deadline has passed, neither the order nor a request for a token."""
    clock = StoppedClock()
    client = nova(stub, clock)

    with pytest.raises(OrderExpired):
        client.evacuate("i1", target=None, deadline=Deadline(at=clock.now))

    assert stub.requests == []


def test_an_order_whose_token_came_too_late_stays_here(stub: Stub) -> None:
    """The clock is looked at again after Keystone has answered."""
    clock = StoppedClock()
    client = nova(stub, clock)
    take = stub.take

    def slow_keystone(request):  # type: ignore[no-untyped-def]
        clock.now += 4
        return take(request)

    stub.take = slow_keystone  # type: ignore[method-assign]

    with pytest.raises(OrderExpired):
        client.evacuate("i1", target=None, deadline=Deadline(at=clock.now + 5))

    assert stub.tokens == 1
    assert stub.sent() == []


def test_a_late_order_of_two_requests_is_expired(stub: Stub) -> None:
    """The reading before an order is part of it: without time for it the order has expired, and was not lost."""
    clock = StoppedClock()
    client = nova(stub, clock)

    with pytest.raises(OrderExpired):
        client.force_down("c1", reason="why", deadline=Deadline(at=clock.now - 1))
    with pytest.raises(OrderExpired):
        client.enable("c1", deadline=Deadline(at=clock.now - 1))

    assert stub.requests == []


def test_a_put_past_its_deadline_stays_here(stub: Stub) -> None:
    """An order of two requests looks at the clock before the second, which is the one that counts."""
    clock = StoppedClock()
    client = nova(stub, clock)
    client.services(deadline=Deadline(at=clock.now + 5))
    take = stub.take

    def slow_nova(request):  # type: ignore[no-untyped-def]
        clock.now += 6
        return take(request)

    stub.take = slow_nova  # type: ignore[method-assign]

    with pytest.raises(OrderExpired):
        client.force_down("c1", reason="why", deadline=Deadline(at=clock.now + 5))

    assert stub.sent("PUT") == []


def test_a_reading_past_its_deadline_is_no_answer(stub: Stub) -> None:
    """A reading whose time is over is `NovaUnavailable`, as any other without an answer."""
    clock = StoppedClock()

    with pytest.raises(NovaUnavailable, match="no time was left"):
        nova(stub, clock).services(deadline=Deadline(at=clock.now - 1))

    assert stub.requests == []


def test_an_order_with_a_revoked_token_is_sent_again_once(stub: Stub) -> None:
    """Nova did not look at a request that it answered with 401: a new token is fetched and the order sent once more."""
    stub.answer("POST", ACTION, Answer(status=401), Answer())

    nova(stub).evacuate("i1", target=None, deadline=within())

    assert [request.headers["X-Auth-Token"] for request in stub.sent("POST")] == ["token-1", "token-2"]


def test_a_second_401_is_no_answer(stub: Stub) -> None:
    """A 401 with a new token is reported, not tried for ever."""
    stub.answer("POST", ACTION, Answer(status=401))

    with pytest.raises(NovaUnavailable, match="401"):
        nova(stub).evacuate("i1", target=None, deadline=within())

    assert len(stub.sent("POST")) == 2


def test_a_late_second_sending_stays_here(stub: Stub) -> None:
    """The order that would be sent again after a 401 is held back when its deadline has passed meanwhile."""
    clock = StoppedClock()
    client = nova(stub, clock)
    stub.answer("POST", ACTION, Answer(status=401))
    take = stub.take

    def slow_nova(request):  # type: ignore[no-untyped-def]
        clock.now += 2
        return take(request)

    stub.take = slow_nova  # type: ignore[method-assign]

    with pytest.raises(OrderExpired):
        client.evacuate("i1", target=None, deadline=Deadline(at=clock.now + 7))

    assert len(stub.sent("POST")) == 1


def test_an_answer_that_trickles_ends_at_the_deadline(stub: Stub) -> None:
    """An answer of which a byte comes now and then is given up at the deadline, though none of them was late; one in time is read."""
    client = nova(stub)
    client.services(deadline=within())
    trickle = listed("services", service())
    stub.answer(
        "GET", SERVICES, Answer(body=trickle.body, byte_seconds=0.25), Answer(body=trickle.body, byte_seconds=0.0005)
    )
    began = time.monotonic()

    with pytest.raises(NovaUnavailable, match="timed out"):
        sent_in_time(lambda: client.services(deadline=within(0.3)))

    assert time.monotonic() - began < 30, "the whole answer takes a minute"
    assert [reading.host for reading in client.services(deadline=within())] == ["c1"]


@pytest.mark.parametrize("status", [408, 413, 429])
def test_too_many_requests(stub: Stub, status: int) -> None:
    """Not now is no refusal: it says nothing of the instance or the host that was asked for, be it an order or a reading."""
    stub.answer("POST", ACTION, refused(status, "slow down"))
    stub.answer("GET", SERVICES, refused(status, "slow down"))
    client = nova(stub)

    with pytest.raises(NovaUnavailable, match="slow down"):
        client.evacuate("i1", target=None, deadline=within())
    with pytest.raises(NovaUnavailable, match="slow down"):
        client.services(deadline=within())


def test_a_refusal_carries_novas_own_words(stub: Stub) -> None:
    """The message comes out of Nova's envelope, with the status beside it."""
    stub.answer("POST", ACTION, refused(409, "Cannot 'evacuate' instance i1 while it is in task_state rebuilding"))

    with pytest.raises(NovaRefused) as caught:
        nova(stub).evacuate("i1", target=None, deadline=within())

    assert caught.value.status == 409
    assert caught.value.detail == "Cannot 'evacuate' instance i1 while it is in task_state rebuilding"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404, body="<html>no such page</html>"),
        Answer(status=404, body={}),
        Answer(status=404, body={"itemNotFound": "text"}),
        Answer(status=404, body={"errors": []}),
    ],
)
def test_a_refusal_in_another_shape_is_one_too(stub: Stub, answer: Answer) -> None:
    """A proxy between us and Nova may refuse in its own way; the status is what counts."""
    stub.answer("POST", ACTION, answer)

    with pytest.raises(NovaRefused) as caught:
        nova(stub).evacuate("i1", target=None, deadline=within())

    assert caught.value.status == 404


@pytest.mark.parametrize("answer", [Answer(body="<html>hello</html>"), Answer(body={"other": 1})])
def test_an_answer_of_another_shape_is_none(stub: Stub, answer: Answer) -> None:
    """A reading that is not what Nova would say is `NovaUnavailable`, not a crash."""
    stub.answer("GET", SERVICES, answer)

    with pytest.raises(NovaUnavailable):
        nova(stub).services(deadline=within())


def test_a_wrong_password_names_keystone(stub: Stub) -> None:
    """When Keystone refuses our user the message says so, and no order left."""
    stub.keystone = Answer(
        status=401, body={"error": {"message": "The request you have made requires authentication."}}
    )

    with pytest.raises(NovaUnavailable, match="Keystone refused"):
        nova(stub).evacuate("i1", target=None, deadline=within())

    assert stub.sent() == []


def test_a_region_without_nova_is_named(stub: Stub) -> None:
    """A catalog without the endpoint is reported with the options to correct."""
    with pytest.raises(NovaUnavailable, match="os_region_name"):
        nova(stub, extra="[x]\n[DEFAULT]\nos_region_name = three\n").services(deadline=within())


def test_a_cloud_that_is_down_is_no_answer(stub: Stub) -> None:
    """A refused connection is `NovaUnavailable`, for orders and readings alike, and another try later works."""
    client = nova(stub)
    stub.keystone = Answer(status=503)

    with pytest.raises(NovaUnavailable):
        client.services(deadline=within())
    with pytest.raises(NovaUnavailable):
        client.evacuate("i1", target=None, deadline=within())

    stub.keystone = Answer(status=201)
    client.evacuate("i1", target=None, deadline=within())


def test_messages_carry_no_token_and_no_password(stub: Stub) -> None:
    """What goes to logs and timelines has no secret in it."""
    client = nova(stub)
    stub.answer("GET", SERVERS, Answer(drops=True))

    with pytest.raises(NovaUnavailable) as caught:
        client.instances_on("c1", deadline=within())

    chain = [caught.value, caught.value.__cause__]
    assert all("token-1" not in str(error) and "not-a-secret" not in str(error) for error in chain)
