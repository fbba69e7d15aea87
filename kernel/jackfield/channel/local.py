"""Messages and descriptors over a local ``AF_UNIX`` stream socket."""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from jackfield.channel.framing import FrameDecoder
from jackfield.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.messages import Codec

In = TypeVar("In")
Out = TypeVar("Out")

_READ_BYTES: Final = 1 << 16
_DESCRIPTORS_MAX: Final = 32
"""Descriptors that one ``recvmsg`` may bring; Linux allows 253 (``SCM_MAX_FD``), we never send more than a few."""

_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Received descriptors must not leak into processes that we start; Linux sets that in the same call."""


class PeerGone(Exception):
    """End-of-file: the process at the other end has ended or closed the channel."""


class MessageSocket(Generic[In, Out]):
    """One end of a conversation.

    Parameters:
        connection: Connected ``AF_UNIX`` ``SOCK_STREAM`` socket, blocking or not; owned from here on.
        incoming: Codec of what the peer says.
        outgoing: Codec of what we say.

    One thread may receive while another one sends; neither side is shared further.
    """

    def __init__(self, connection: socket.socket, incoming: Codec[In], outgoing: Codec[Out]) -> None:
        self._connection = connection
        self._incoming = incoming
        self._outgoing = outgoing
        self._frames = FrameDecoder()
        self._descriptors: deque[int] = deque()

    def fileno(self) -> int:
        """For selectors and event loops."""
        return self._connection.fileno()

    def send(self, message: Out, descriptors: Sequence[int] = ()) -> None:
        """Send *message*, with copies of *descriptors*.

        Raises:
            PeerGone: Nobody reads any more.
            BlockingIOError: The socket is non-blocking and its buffer is full; part of the message may be out, so the
                conversation is over.
        """
        frame = self._outgoing.encode(message)
        try:
            sent = 0
            if descriptors:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
                sent = self._connection.sendmsg([frame], [rights])
            if sent < len(frame):
                self._connection.sendall(memoryview(frame)[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise PeerGone from error

    def receive(self) -> list[In]:
        """Read once and return the messages that are complete now, possibly none.

        Blocks if the socket does. Descriptors that came along wait for ``take``.

        Raises:
            PeerGone: End-of-file.
            ChannelError: What came is not a message.
        """
        try:
            data, ancillary, _, _ = self._connection.recvmsg(
                _READ_BYTES, socket.CMSG_SPACE(_DESCRIPTORS_MAX * array.array("i").itemsize), _CLOSE_ON_EXEC
            )
        except BlockingIOError:
            return []
        except ConnectionResetError as error:
            raise PeerGone from error
        for level, kind, rights in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(rights[: len(rights) - len(rights) % received.itemsize])
                self._descriptors.extend(received)
        if not data:
            raise PeerGone
        return [self._incoming.decode(payload) for payload in self._frames.feed(data)]

    def take(self) -> socket.socket:
        """The oldest descriptor that came with a message, as a socket the caller owns."""
        if not self._descriptors:
            raise ChannelError("a message that announces a descriptor came without one")
        return socket.socket(fileno=self._descriptors.popleft())

    def close(self) -> None:
        """Close the socket and any descriptor nobody took."""
        self._connection.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
