"""Carries orders out in threads with bounds: one pool for BMCs, one for orders to Nova, one for readings, one for causes.

Four pools, so that hanging BMCs cannot hold up evacuations, nor slow lists the readings of power, nor the causes of what failed
already the heartbeats of a host that fails now.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from vmha.core import effects
from vmha.engine.carrying import carry_out
from vmha.engine.loop import Reply
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.core.events import Event
    from vmha.engine.carrying import Tools
    from vmha.ports import Lease, Order

logger = logging.getLogger(__name__)

READ_THREADS = 8
"""Readings of Nova at the same time; each recovery has at most three under way."""

CAUSE_THREADS = 2
"""Instances that Nova is asked about at the same time, of all recoveries: each costs some nine questions, and none of them is urgent."""


class ThreadExecutor:
    """The executor of a real engine. `on_reply` is called from a worker's thread when an answer lies ready."""

    def __init__(self, tools: Tools, *, power_calls: int, evacuate_threads: int, on_reply: Callable[[], None]) -> None:
        self._tools = tools
        self._on_reply = on_reply
        self._replies: SimpleQueue[Reply] = SimpleQueue()
        self._under_way: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._power = ThreadPoolExecutor(power_calls, thread_name_prefix="power")
        self._orders = ThreadPoolExecutor(evacuate_threads, thread_name_prefix="orders")
        self._reads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="reads")
        self._causes = ThreadPoolExecutor(CAUSE_THREADS, thread_name_prefix="causes")

    def submit(self, order: Order, lease: Lease) -> None:
        """Queue an order for its pool. It ages from here on, not from when a thread is free."""
        now = self._tools.clock.monotonic()
        future = self._pool(order.effect).submit(self._carry, order, lease, now)
        with self._lock:
            self._under_way.add(future)
        future.add_done_callback(self._finished)

    def drain(self) -> list[Reply]:
        """Return the answers that came since the last call."""
        replies = []
        while True:
            try:
                replies.append(self._replies.get_nowait())
            except Empty:
                return replies

    def stop(self, *, timeout_seconds: float) -> bool:
        """Send nothing more; wait for what is under way. Tell whether all of it ended in time."""
        for pool in (self._power, self._orders, self._reads, self._causes):
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            left = set(self._under_way)
        return not wait(left, timeout=timeout_seconds).not_done

    def _pool(self, effect: effects.Effect) -> ThreadPoolExecutor:
        if isinstance(effect, effects.ReadPower | effects.PowerOff):
            return self._power
        if isinstance(effect, effects.ExamineInstance):
            return self._causes
        return self._orders if effect.is_order else self._reads

    def _carry(self, order: Order, lease: Lease, submitted_at: float) -> None:
        event: Event | None = carry_out(order, lease, self._tools, submitted_at=submitted_at)
        if event is not None:
            self._replies.put(Reply(recovery=order.recovery, order=order.id, event=event))
            self._on_reply()

    def _finished(self, future: Future[None]) -> None:
        with self._lock:
            self._under_way.discard(future)
        if not future.cancelled() and future.exception() is not None:
            log(logger, "order-crashed", level=logging.ERROR, detail=repr(future.exception()))
