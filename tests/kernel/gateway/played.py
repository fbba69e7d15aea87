"""A connection to a worker that the test plays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.channel.framing import FrameDecoder
from jackfield.channel.messages import to_worker

if TYPE_CHECKING:
    from jackfield.channel.messages import Cancel, Submit


class Transport(asyncio.Transport):
    """Keeps what the gateway says."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Submit | Cancel] = []
        self.closed = False
        self._frames = FrameDecoder()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what is said."""
        self.sent += [to_worker().decode(payload) for payload in self._frames.feed(bytes(data))]

    def get_write_buffer_size(self) -> int:
        """All is read at once."""
        return 0

    def close(self) -> None:
        """Take note."""
        self.closed = True
