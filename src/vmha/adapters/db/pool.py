"""The pool of connections, where SQLAlchemy and oslo.db would ask the server more than is needed.

Each question between two transactions costs about what a short statement costs, and the API has few statements in a request.

Rules:
1. A connection comes back without a transaction: `Connection` has ended its own by then, and nobody works below it. So none is rolled
   back once more.
2. A connection that was used a moment ago is not asked whether it is alive. One that died since fails whoever uses it, as it would
   have failed him in mid-transaction, and then all are made anew.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CreateEnginePlugin, event
from sqlalchemy.dialects import plugins
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.engine import Engine

POOL_SIZE: Final = 20
"""Connections that are kept, and as many more while all of them are busy."""
REST_SECONDS: Final = 1.0
"""How long a connection rests before it is asked. A server that fails over is away for longer, and what was under way fails anyway."""
_USED_AT: Final = "vmha_used_at"


class OurPool(CreateEnginePlugin):
    """What a URL with `plugin=` this name gets, since oslo.db has no options for it."""

    NAME = "vmha_pool"

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        self._reads_only = url.query.get(READS_ONLY) is not None
        self._is_server = url.get_backend_name() != "sqlite"
        kwargs.update(pool_reset_on_return=None)
        if self._is_server:
            kwargs.update(pool_pre_ping=False)
        else:
            # oslo.db would open a connection for each transaction. That is most of the transaction's time: closing the last one
            # writes the log back.
            kwargs.update(poolclass=QueuePool, pool_size=POOL_SIZE, max_overflow=POOL_SIZE)
        if self._reads_only:
            kwargs.update(isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)

    def update_url(self, url: URL) -> URL:
        """Take our own words out, which the driver would not know."""
        return url.difference_update_query(["plugin", READS_ONLY])

    def engine_created(self, engine: Engine) -> None:
        """Ask in our own way."""
        if self._is_server:
            _ask_after_a_rest(engine)


READS_ONLY: Final = "vmha_reads_only"
"""What a URL says for connections on which each statement stands for itself: no transaction is begun, and none ended."""

plugins.register(OurPool.NAME, __name__, OurPool.__name__)


def _ask_after_a_rest(engine: Engine) -> None:
    """Ask a connection whether it is alive when it has rested for `REST_SECONDS`; a dead one is replaced, and all others with it."""

    @event.listens_for(engine, "checkin")
    def _note(connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: Any, borrowed: Any) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None or time.monotonic() - used_at < REST_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("the connection is dead") from error
