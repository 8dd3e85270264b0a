"""Lists as they are answered: cut at their limit, and where we cut them on our own with a link to the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from vmha.api import params
from vmha.api.call import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmha.adapters.db.listing import Page
    from vmha.api.call import Call, JsonObject


def one_more(page: Page) -> Page:
    """Return a page that shows whether another one follows."""
    return replace(page, limit=page.limit + 1)


def answer(
    call: Call, name: str, rows: Sequence[Any], page: Page, view: Callable[[Any], JsonObject], *, marker: str = "id"
) -> Answer:
    """Answer with the `rows` that `one_more` of `page` found; their attribute `marker` is what the next page begins behind.

    A client that gets as many rows as it named knows how to go on behind the last of them. One that named none, or more than we
    send, would take what it gets for all there are, as it does with upstream. Others follow the header (RFC 8288); openstacksdk
    4.22 fails over it (KeyError 'uri' in `_get_next_link`) unless the body has the link too, as Nova's bodies have it.
    """
    shown = rows[: page.limit]
    body: JsonObject = {name: [view(row) for row in shown]}
    is_as_asked = params.limit(call.query, max_limit=page.limit + 1) == page.limit
    if len(rows) <= len(shown) or not shown or is_as_asked:
        return Answer(body)
    href = _next(call, marker=str(getattr(shown[-1], marker)))
    return Answer({**body, f"{name}_links": [{"rel": "next", "href": href}]}, headers={"Link": f'<{href}>; rel="next"'})


def _next(call: Call, *, marker: str) -> str:
    parameters = [pair for pair in call.query.pairs if pair[0] != "marker"]
    return f"{call.url}?{urlencode([*parameters, ('marker', marker)])}"
