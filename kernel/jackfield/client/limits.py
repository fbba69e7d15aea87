"""A client of ``/admin/v1/limits``: what is left of callers' limits, and counters that begin anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from jackfield.client.connection import ApiError, Connection, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.client.connection import Protection

PATH: Final = "/admin/v1/limits"
_NOT_FOUND: Final = 404
_NOT_ENABLED: Final = "not_enabled"
"""The route is there, and nothing that has limits."""

Answer = TypeVar("Answer", bound=msgspec.Struct)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
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


class _Limits(msgspec.Struct, frozen=True):
    limits: list[Limit]


class _Reset(msgspec.Struct, frozen=True):
    counters: int


async def limits_of(url: str, key: str | None, tls: Protection | None, only: Mapping[str, str]) -> Sequence[Limit]:
    """Limits of those who have asked for something since the gateway was started, last first; at most 1,000.

    Parameters:
        url: Of the server.
        key: Of somebody with the scope ``policy:read``.
        tls: See ``Connection``.
        only: Which ones: ``rule``, and names of ``Limit.whose``, and what they must be; empty for all.

    Raises:
        ApiError: The server refuses, has no such route, or cannot be reached.
    """
    return (await _asked("GET", Connection(url, key, tls), only, _Limits)).limits


async def reset_limits(url: str, key: str | None, tls: Protection | None, only: Mapping[str, str]) -> int:
    """Have counters begin anew; how many these were.

    Parameters:
        url: Of the server.
        key: Of somebody with the scope ``policy:write``.
        tls: See ``Connection``.
        only: As for ``limits_of``; never empty.

    Raises:
        ApiError: As ``limits_of``.
    """
    return (await _asked("DELETE", Connection(url, key, tls), only, _Reset)).counters


async def _asked(method: str, connection: Connection, only: Mapping[str, str], kind: type[Answer]) -> Answer:
    try:
        async with connection, connection.ask(method, PATH, query=only) as response:
            data = await whole(response)
    except ApiError as error:
        if error.status == _NOT_FOUND and error.code != _NOT_ENABLED:
            raise ApiError(
                f"{connection.url} has no {PATH}: enable the plugin admin there, and restart it", status=error.status
            ) from error
        raise
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ApiError(f"{connection.url}{PATH} answers with something else than limits") from error
