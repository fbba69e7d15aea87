"""Connections to gateways: requests in, events out.

One thread reads all connections. The engine loop and the intake's threads write; what a slow gateway does not take is
buffered up to a bound and sent by the reading thread.
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.channel import messages
from jackfield.channel.framing import FrameDecoder
from jackfield.channel.messages import Cancel, Events, RequestFailed, Submit
from jackfield.error_record import ErrorRecord
from jackfield.errors import ChannelError, DeadlineExceeded
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.pooled import Pooled
from jackfield.types import Finished, GenerateRequest, Started
from jackfield.worker.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import SequenceEvent, ToGateway
    from jackfield.lifecycle import RequestEvent

log = structlog.get_logger("jackfield.worker")

BACKLOG_MAX: Final = 256 * 1024 * 1024
"""Bytes a gateway may leave unread before its connection counts as hung: hours of text at any real rate, and several
of the largest results of a pooled model."""

_READ_BYTES: Final = 1 << 18

_WRITE_BYTES: Final = 1 << 18
"""Of a backlog offered at once: a socket takes no more, and what is offered is copied while the engine may wait."""


class GatewayLink:
    """One gateway's connection.

    Parameters:
        connection: Our end of the socketpair; owned from here on.
        wants_write: Called, from any thread, when a backlog begins.
    """

    def __init__(self, connection: socket.socket, wants_write: Callable[[], None]) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.requests: dict[int, RequestHandle] = {}
        """Requests that have not ended; filled by the reading thread, emptied by whoever posts the last event."""
        self.frames = FrameDecoder()
        self._wants_write = wants_write
        self._codec = messages.to_gateway()
        self._lock = threading.Lock()
        self._pending: list[tuple[int, SequenceEvent]] = []
        self._backlog = bytearray()
        self._closed = False

    @property
    def backlog(self) -> int:
        """Bytes waiting for the gateway to read."""
        return len(self._backlog)

    def queue(self, request: int, event: SequenceEvent) -> None:
        """Keep *event* for the step's message. Engine loop thread only."""
        self._pending.append((request, event))

    def flush(self) -> None:
        """Send what was queued as one message. Engine loop thread only."""
        if self._pending:
            pending, self._pending = self._pending, []
            self.send(Events(pending))

    def send(self, message: ToGateway) -> None:
        """Send *message* without blocking; any thread. Nothing happens once the gateway is gone."""
        with self._lock:
            if self._closed:
                return
            frame = self._codec.encode(message)
            if self._backlog:
                self._backlog += frame
            else:
                self._backlog += frame[self._send_some(frame) :]
            waiting = len(self._backlog)
        if waiting > BACKLOG_MAX:
            log.error("gateway does not read its events; closing its connection", bytes=waiting)
            self.close()
        elif waiting:
            self._wants_write()

    def send_backlog(self) -> None:
        """Send more of the backlog. Reading thread only."""
        with self._lock:
            if not self._closed:
                del self._backlog[: self._send_some(bytes(self._backlog[:_WRITE_BYTES]))]

    def close(self) -> None:
        """Shut the connection down; the reading thread sees end-of-file and takes the link apart. Any thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._backlog.clear()
                try:
                    self.connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    log.debug("gateway was gone already")

    def _send_some(self, data: bytes) -> int:
        try:
            return self.connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:  # the gateway is gone; the reading thread sees end-of-file and cancels its requests
            return len(data)


class RequestHandle:
    """Who asked: one request of one gateway. Implements the loops' ``Recipient``.

    Parameters:
        link: The gateway's connection.
        number: The request's id there.
        answers: How many it asks for.
    """

    __slots__ = ("_left", "cancelled", "id", "link", "lives")

    def __init__(self, link: GatewayLink, number: int, answers: int) -> None:
        self.link = link
        self.id = number
        self.cancelled = False
        self.lives = tuple([LifeCycle(REQUEST, RequestState.PREPARING) for _ in range(answers)])
        self._left = answers

    @property
    def over(self) -> bool:
        """Whether nothing is sent for it any more."""
        return self.link.requests.get(self.id) is not self

    def fire(self, event: RequestEvent) -> None:
        """Advance all its answers. Intake thread, or one that compiles for it."""
        for life in self.lives:
            life.fire(event)

    def post(self, event: SequenceEvent) -> None:
        """Queue *event* for the step's message. Loop thread."""
        if self.cancelled:
            return
        if isinstance(event, Finished):
            self._left -= 1
            if not self._left:
                self.link.requests.pop(self.id, None)
        elif isinstance(event, RequestFailed | Pooled):
            self.link.requests.pop(self.id, None)
        self.link.queue(self.id, event)

    def send(self, event: SequenceEvent) -> None:
        """Send *event* at once. Intake thread, or one that compiles for it."""
        if self.cancelled:
            return
        if not isinstance(event, Started):
            self.link.requests.pop(self.id, None)
        self.link.send(Events([(self.id, event)]))

    def expire(self) -> None:
        """Its deadline has passed: say so at once, whatever the loop is doing. Reading thread."""
        if self.link.requests.pop(self.id, None) is None:  # it has just ended
            return
        self.cancelled = True
        waits = all(life.state in _UNBEGUN for life in self.lives)
        error = DeadlineExceeded(
            "the request waited longer than its deadline allows"
            if waits
            else "the request took longer than its deadline allows"
        )
        self.link.send(Events([(self.id, RequestFailed(ErrorRecord.of(error)))]))


_UNBEGUN: Final = frozenset({RequestState.PREPARING, RequestState.WAITING})


class GatewayLinks:
    """All connections, and the thread that reads them."""

    def __init__(self) -> None:
        self._submit: Callable[[RequestHandle, Submit], None]
        self._cancelled: Callable[[], None]
        self._codec = messages.to_worker()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._arrivals: list[socket.socket] = []
        self._stopping = False
        self._links: tuple[GatewayLink, ...] = ()
        self._deadlines = Deadlines()
        self._thread = threading.Thread(target=self._run, name="gateway-links", daemon=True)

    def start(self, submit: Callable[[RequestHandle, Submit], None], cancelled: Callable[[], None]) -> None:
        """Start the reading thread.

        Parameters:
            submit: Takes a new request; reading thread.
            cancelled: Told that handles were marked ``cancelled``; reading thread.
        """
        self._submit = submit
        self._cancelled = cancelled
        self._thread.start()

    def attach(self, connection: socket.socket) -> None:
        """Serve one more gateway. Any thread."""
        self._arrivals.append(connection)
        self._wake()

    @property
    def in_flight(self) -> int:
        """Requests of all gateways that have not ended. Any thread."""
        return sum(len(link.requests) for link in self._links)

    def flush(self) -> None:
        """Send every link's events of this step. Engine loop thread."""
        for link in self._links:
            link.flush()

    def broadcast(self, message: ToGateway) -> None:
        """Send *message* to every gateway. Engine loop thread."""
        for link in self._links:
            link.send(message)

    def stop(self) -> None:
        """Send what gateways still take, close everything, end the thread. Not from the reading thread."""
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()

    # --- reading thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            for key, ready in self._selector.select(self._deadlines.wait_s()):
                if key.fileobj is self._wake_read:
                    self._serve_wake()
                else:
                    self._serve_link(key.data, ready)
            self._expire()
        for link in self._links:
            link.send_backlog()
            self._detach(link)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _wake(self) -> None:
        with suppress(OSError):  # plenty of wake-ups are waiting already, or the thread has ended
            self._wake_write.send(b"\0")

    def _serve_wake(self) -> None:
        self._wake_read.recv(4096)
        while self._arrivals:
            link = GatewayLink(self._arrivals.pop(0), self._wake)
            self._selector.register(link.connection, selectors.EVENT_READ, link)
            self._links = (*self._links, link)
        for link in self._links:
            self._watch(link)

    def _watch(self, link: GatewayLink) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.backlog else 0)
        if self._selector.get_key(link.connection).events != wanted:
            self._selector.modify(link.connection, wanted, link)

    def _serve_link(self, link: GatewayLink, ready: int) -> None:
        if ready & selectors.EVENT_WRITE:
            link.send_backlog()
            self._watch(link)
        if ready & selectors.EVENT_READ:
            try:
                data = link.connection.recv(_READ_BYTES)
                if not data:
                    raise ConnectionResetError
                self._take(link, link.frames.feed(data))
            except BlockingIOError:  # readiness may be spurious
                return
            except ChannelError as error:
                log.warning("closing a gateway's connection", error=error.message)
                self._detach(link)
            except OSError:  # whatever is wrong with one connection must not end the thread that reads all
                self._detach(link)

    def _take(self, link: GatewayLink, payloads: list[bytes]) -> None:
        for payload in payloads:
            message = self._codec.decode(payload)
            if isinstance(message, Submit):
                answers = message.request.n if isinstance(message.request, GenerateRequest) else 1
                handle = RequestHandle(link, message.id, answers)
                link.requests[message.id] = handle
                if message.timeout_s is not None:
                    self._deadlines.add(handle, message.timeout_s)
                self._submit(handle, message)
            elif isinstance(message, Cancel):
                self._cancel(link.requests.pop(message.id, None))

    def _expire(self) -> None:
        due = self._deadlines.due()
        for handle in due:
            handle.expire()
        if due:
            self._cancelled()

    def _cancel(self, *handles: RequestHandle | None) -> None:
        known = [handle for handle in handles if handle is not None]
        for handle in known:
            handle.cancelled = True
        if known:
            self._cancelled()

    def _detach(self, link: GatewayLink) -> None:
        self._links = tuple(other for other in self._links if other is not link)
        self._selector.unregister(link.connection)
        link.close()
        link.connection.close()
        self._cancel(*link.requests.values())
        link.requests.clear()
