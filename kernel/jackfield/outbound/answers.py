"""Answers of other servers, read within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from jackfield.outbound.errors import OutboundError, OutboundTooLarge

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_PLAIN: Final = ("", "identity")
_ZLIB: Final = ("gzip", "x-gzip", "deflate")

_ANY_FORM: Final = zlib.MAX_WBITS | 32
"""zlib tells by the first bytes whether it is gzip's form or its own."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Nothing in it has been trusted: not the status, not the headers."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several with one name the last."""
    body: bytes
    url: str
    """Where it came from, after redirects. Its path and query may be secrets."""


class _Inflate(Protocol):
    """What zlib gives for a stream; it has no name there."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


async def read_body(response: ClientResponse, limit_bytes: int) -> bytes:
    """The body of *response*, decompressed.

    Raises:
        OutboundTooLarge: It has more than *limit_bytes*; the rest was not read.
        OutboundError: It is compressed in a way that nobody asked for, or damaged.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _PLAIN + _ZLIB:
        raise OutboundError("the answer is compressed in an unknown way")
    if (response.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)
    inflate = None if encoding in _PLAIN else zlib.decompressobj(_ANY_FORM)
    body, arrived = bytearray(), 0
    async for data in response.content.iter_any():
        arrived += len(data)
        if arrived > limit_bytes:  # also of what becomes nothing when it is decompressed
            raise _too_large(limit_bytes)
        body += data if inflate is None else _inflated(inflate, data, limit_bytes + 1 - len(body))
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    if inflate is not None and arrived and not inflate.eof:
        raise OutboundError("the answer ends within its compressed body")
    return bytes(body)


def _inflated(inflate: _Inflate, data: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(data, room)
    except zlib.error:
        raise OutboundError("the answer is damaged: it cannot be decompressed") from None


def _too_large(limit_bytes: int) -> OutboundTooLarge:
    return OutboundTooLarge(f"the answer has more than {limit_bytes:,} bytes")
