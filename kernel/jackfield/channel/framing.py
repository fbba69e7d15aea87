"""Frames: a 4-byte big-endian length, then that many bytes. No I/O here.

Garbage, truncation and absurd lengths are told apart from data before anything is allocated for them.
"""

from __future__ import annotations

from typing import Final

from jackfield.errors import ChannelError

FRAME_MAX: Final = 64 * 1024 * 1024
"""Largest payload in bytes. A request body is at most ``kernel.body_limit_bytes``, far below; more is a damaged
stream."""

_PREFIX: Final = 4


def encode_frame(payload: bytes) -> bytes:
    """*payload* with its length in front; raises ``ChannelError`` above ``FRAME_MAX``."""
    size = len(payload)
    if size > FRAME_MAX:
        raise ChannelError(f"a message of {size} bytes exceeds the channel's limit of {FRAME_MAX}")
    return size.to_bytes(_PREFIX, "big") + payload


class FrameDecoder:
    """Cuts a byte stream into payloads, however the stream was chunked.

    Parameters:
        limit: Largest payload in bytes that is taken.

    Used by one thread. After ``ChannelError`` the stream cannot be resynchronised and must be closed.
    """

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = FRAME_MAX) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Take *data* in and return the payloads that are complete now, in order."""
        self._buffer += data
        payloads: list[bytes] = []
        start, end = 0, len(self._buffer)
        while end - start >= _PREFIX:
            size = int.from_bytes(self._buffer[start : start + _PREFIX], "big")
            if size > self._limit:
                raise ChannelError(f"a frame claims {size} bytes; the limit is {self._limit}")
            stop = start + _PREFIX + size
            if stop > end:
                break
            payloads.append(bytes(self._buffer[start + _PREFIX : stop]))
            start = stop
        del self._buffer[:start]
        return payloads

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame; not 0 at end-of-file means the peer died in mid-message."""
        return len(self._buffer)
