"""What is left of callers' limits, and counters that begin anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, NotEnabled
from jackfield.frontends.exchange import json_answer
from jackfield.ports.frontend import Operation, Parameter, Route
from jackfield.ports.identity import POLICY_READ, POLICY_WRITE
from jackfield_admin.bodies import query
from jackfield_admin.operations import ErrorBody
from jackfield_admin.trail import note, of_whole_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.limiter import LimitBook, LimitEntry

PATH: Final = "/admin/v1/limits"


class LimitRow(msgspec.Struct, kw_only=True):
    """One limit of somebody."""

    rule: str
    whose: dict[str, str]
    """By what it is counted for: ``{"key": "keys/ann", "model": "demo"}``; empty for everybody."""
    measure: str
    window: str
    """Empty for requests at a time, and places to wait."""
    limit: float
    remaining: float
    reset_s: float
    """Seconds until all of it is there again."""


class LimitList(msgspec.Struct, kw_only=True):
    """Those who have asked for something since the gateway was started, last first; at most 1,000."""

    limits: list[LimitRow]


class LimitsReset(msgspec.Struct, kw_only=True):
    """What was set to zero."""

    counters: int


_WHICH: Final = tuple(
    Parameter(name=name, where="query", description=f"Only those of this {what}.")
    for name, what in (
        ("rule", "rule"),
        ("key", "key, as keys/ann"),
        ("user", "user"),
        ("end_user", "end user's mark"),
        ("team", "team"),
        ("tenant", "tenant"),
        ("model", "model"),
    )
)
_NAMES: Final = tuple(parameter.name for parameter in _WHICH)
_LIST: Final = Operation(
    summary="What is left of callers' limits", answer=LimitList, error=ErrorBody, parameters=_WHICH
)
_RESET: Final = Operation(summary="Have counters begin anew", answer=LimitsReset, error=ErrorBody, parameters=_WHICH)


class LimitRoutes:
    """What concerns limits. Event loop thread.

    Parameters:
        gateway: Has them.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """The paths, of scope ``policy:read`` or ``policy:write``."""
        return (
            Route("GET", PATH, self.list_all, POLICY_READ, _LIST),
            Route("DELETE", PATH, self.reset, POLICY_WRITE, _RESET),
        )

    async def list_all(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/limits``."""
        of_whole_server(context)
        entries = await self._book.entries(query(request, *_NAMES))
        return json_answer(msgspec.json.encode(LimitList(limits=list(map(_row, entries)))))

    async def reset(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /admin/v1/limits``."""
        of_whole_server(context)
        only = query(request, *_NAMES)
        if not only:
            raise InvalidRequest(f"say whose counters begin anew: {', '.join(_NAMES)}", param="rule")
        count = await self._book.reset(only)
        note(context, "limits reset", counters=count, which=dict(only))
        return json_answer(msgspec.json.encode(LimitsReset(counters=count)))

    @property
    def _book(self) -> LimitBook:
        book = self._gateway.limits
        if book is None:
            raise NotEnabled(
                "no enabled plugin has limits to look at; enable one that has, such as limits, and restart"
            )
        return book


def _row(entry: LimitEntry) -> LimitRow:
    standing = entry.standing
    return LimitRow(
        rule=standing.rule,
        whose=dict(entry.whose),
        measure=standing.measure,
        window=standing.window,
        limit=standing.limit,
        remaining=standing.remaining,
        reset_s=round(standing.reset_s, 3),
    )
