"""The gateway's end of the conversation with the supervisor."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from jackfield.channel.local import MessageSocket, PeerGone
from jackfield.channel.messages import (
    HEARTBEAT_INTERVAL_S,
    BootGateway,
    Heartbeat,
    to_child,
    to_supervisor,
)
from jackfield.errors import ChannelError

if TYPE_CHECKING:
    import socket

    from jackfield.channel.messages import ToChild, ToSupervisor

BOOT_S: Final = 60.0
"""How long heartbeats vouch for a start-up: a plugin that hangs on import must fall silent some day."""


class Control:
    """Messages to and from the supervisor.

    Parameters:
        connection: Our end of the socketpair, blocking; owned from here on.

    ``send`` may be called by any thread, everything else by the main thread.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._messages: MessageSocket[ToChild, ToSupervisor] = MessageSocket(connection, to_child(), to_supervisor())
        self._sending = threading.Lock()
        self._received: list[ToChild] = []

    def fileno(self) -> int:
        """For the event loop."""
        return self._messages.fileno()

    def send(self, message: ToSupervisor) -> None:
        """Send *message*; raises ``PeerGone`` where the supervisor has ended, or has not read for minutes."""
        with self._sending:
            try:
                self._messages.send(message)
            except BlockingIOError as error:
                raise PeerGone from error

    def boot(self) -> tuple[BootGateway, list[socket.socket], list[socket.socket]]:
        """Wait for the first message.

        Returns:
            It, the public and the health listeners.

        Raises:
            PeerGone: The supervisor has ended.
            ChannelError: It said something else first.
        """
        while not self._received:
            self._received += self._messages.receive()
        first = self._received.pop(0)
        if not isinstance(first, BootGateway):
            raise ChannelError(f"the first message to a gateway must be BootGateway, not {type(first).__name__}")
        public = [self._messages.take() for _ in range(first.public_listeners)]
        health = [self._messages.take() for _ in range(first.health_listeners)]
        return first, public, health

    def receive(self) -> list[ToChild]:
        """Messages that have arrived since the last call; does not block. Raises ``PeerGone`` at end-of-file."""
        self._connection.setblocking(False)
        early, self._received = self._received, []
        return early or self._messages.receive()

    def take(self) -> socket.socket:
        """The connection that came with an ``Attach``."""
        return self._messages.take()


class BootHeartbeat:
    """Heartbeats while the main thread is busy with starting up, at most ``BOOT_S``; a context manager."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="boot-heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        for _ in range(int(BOOT_S / HEARTBEAT_INTERVAL_S)):
            try:
                self._control.send(Heartbeat())
            except PeerGone:
                return
            if self._done.wait(HEARTBEAT_INTERVAL_S):
                return
