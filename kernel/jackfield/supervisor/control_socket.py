"""The socket through which the command line reaches a running server.

Everything a client could do to the supervisor is bounded: it must be a process of the same user (``SO_PEERCRED``), its
questions are small, it gets its next answer only when it has read the one before, it is dropped when it neither asks
nor reads, and when too many come the one that was silent longest makes room.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import time
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from jackfield.channel.framing import FrameDecoder
from jackfield.channel.operator import QUESTION_MAX, answers, questions
from jackfield.errors import ChannelError
from jackfield.runtime_folder import SUFFIX, UnsafeFolder, folders, prepare, short_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.channel.operator import Answer, Question

CONNECTIONS_MAX: Final = 16
"""Operators at one time, with some room; more take the place of those that were silent longest."""

IDLE_S: Final = 30.0
"""A client that neither asks nor reads for so long is gone or broken; one that follows a log asks all the time."""

PAUSE_S: Final = 1.0
"""After a failed ``accept`` (no descriptors left): otherwise the loop would spin on a socket that stays readable."""

SWEPT_MAX: Final = 100
"""Sockets of killed servers that one start looks at."""

_BACKLOG: Final = 64
_READ_BYTES: Final = 4096
_ACCEPTS: Final = 32
"""Connections taken in one turn of the loop; the children must be heard as well."""

_CREDENTIALS: Final = struct.Struct("3i")
"""``struct ucred`` of ``unix(7)``: process, user and group id."""


class Selector(Protocol):
    """The part of ``selectors.BaseSelector`` that is needed. The registered data is called with the event mask."""

    def register(self, fileobj: socket.socket, events: int, data: Callable[[int], None]) -> object:
        """Wait for *events*, too."""
        ...

    def modify(self, fileobj: socket.socket, events: int, data: Callable[[int], None]) -> object:
        """Wait for other *events*."""
        ...

    def unregister(self, fileobj: socket.socket) -> object:
        """Wait no more."""
        ...


class ControlSocket:
    """Listens, and serves operators. Supervisor's only thread; never blocks.

    Parameters:
        selector: The supervisor's own.
        answer: Answers a question at once.
        clock: Monotonic seconds.
    """

    def __init__(
        self, selector: Selector, answer: Callable[[Question], Answer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._selector = selector
        self._answer = answer
        self._clock = clock
        self._listener: socket.socket | None = None
        self._path: Path | None = None
        self._inode = 0
        self._paused_until: float | None = None
        self._clients: list[_Client] = []

    def open(self, address: str) -> Path:
        """Listen under the name of *address*, in the first folder that can be used.

        Parameters:
            address: ``HOST:PORT`` of the API: operators tell servers apart by it.

        Returns:
            Path of the socket.

        Raises:
            UnsafeFolder: There is no folder that this user owns alone; the message says what is wrong.
            OSError: The socket cannot be made.
        """
        folder = _usable_folder()
        _sweep(folder)
        path = _free_name(folder, address)
        self._listener = _listen(path)
        self._path, self._inode = path, path.lstat().st_ino
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        return path

    def tick(self) -> None:
        """Drop clients that were silent for too long; accept again after a pause."""
        now = self._clock()
        for client in [each for each in self._clients if now - each.active >= IDLE_S]:
            self._drop(client)
        if self._paused_until is not None and now >= self._paused_until and self._listener is not None:
            self._paused_until = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """End all conversations, and remove the socket if it is still ours."""
        for client in list(self._clients):
            self._drop(client)
        if self._listener is not None:
            if self._paused_until is None:
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        if self._path is not None:
            with suppress(OSError):
                if self._path.lstat().st_ino == self._inode:
                    self._path.unlink()
            self._path = None

    def _accept(self, _events: int) -> None:
        if self._listener is not None:
            self._accept_from(self._listener)

    def _accept_from(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError:
                self._pause()
                return
            self._admit(connection)

    def _pause(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._paused_until = self._clock() + PAUSE_S

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if _peer_uid(connection) not in (os.geteuid(), 0):
            connection.close()
            return
        if len(self._clients) >= CONNECTIONS_MAX:
            self._drop(min(self._clients, key=lambda each: each.active))
        client = _Client(connection, self._clock())
        self._clients.append(client)
        self._selector.register(connection, selectors.EVENT_READ, lambda events: self._serve(client, events))

    def _serve(self, client: _Client, events: int) -> None:
        if client not in self._clients:  # dropped by what was served just before
            return
        client.active = self._clock()
        try:
            if events & selectors.EVENT_READ:
                client.read()
            client.write()
            while not client.unsent and client.asked:
                client.tell(self._answer(client.asked.popleft()))
        except (ChannelError, OSError):
            self._drop(client)
            return
        wanted = selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ
        if wanted != client.waits_for:
            client.waits_for = wanted
            self._selector.modify(client.connection, wanted, lambda ready: self._serve(client, ready))

    def _drop(self, client: _Client) -> None:
        self._clients.remove(client)
        self._selector.unregister(client.connection)
        client.connection.close()


class _Client:
    """One operator's connection."""

    def __init__(self, connection: socket.socket, now: float) -> None:
        self.connection = connection
        self.active = now
        """When it last asked or read something."""
        self.asked: deque[Question] = deque()
        self.unsent = b""
        self.waits_for = selectors.EVENT_READ
        self._frames = FrameDecoder(QUESTION_MAX)
        self._incoming = questions()
        self._outgoing = answers()

    def read(self) -> None:
        """Take in what it says; raises ``OSError`` at end-of-file."""
        try:
            data = self.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError
        self.asked.extend(self._incoming.decode(payload) for payload in self._frames.feed(data))

    def tell(self, answer: Answer) -> None:
        """Send *answer*, as much of it as goes."""
        self.unsent = self._outgoing.encode(answer)
        self.write()

    def write(self) -> None:
        """Send more of the answer."""
        if self.unsent:
            with suppress(BlockingIOError):
                self.unsent = self.unsent[self.connection.send(self.unsent) :]


def _usable_folder() -> Path:
    """The first folder that this user owns alone; raises ``UnsafeFolder`` for the last one where none is."""
    *others, last = folders()
    for folder in others:
        with suppress(UnsafeFolder):
            prepare(folder)
            return folder
    try:
        prepare(last)
    except UnsafeFolder as error:
        raise UnsafeFolder(f"{last} {error}") from error
    return last


def _sweep(folder: Path) -> None:
    """Remove what killed servers left behind."""
    for path in islice(folder.glob(f"[!.]*{SUFFIX}"), SWEPT_MAX):
        if not _lives(path):
            with suppress(OSError):
                path.unlink()


def _free_name(folder: Path, address: str) -> Path:
    """The name of *address*; one with the process id where another server of that address lives (a container's)."""
    path = folder / f"{address}{SUFFIX}"
    return folder / f"{address}~{os.getpid()}{SUFFIX}" if _lives(path) else path


def _lives(path: Path) -> bool:
    """Whether somebody listens there; a killed server leaves its socket behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, short_path(path) as name:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except BlockingIOError:  # its backlog is full: somebody is there
            return True
        except OSError:
            return False
        return True


def _listen(path: Path) -> socket.socket:
    """Listen at *path*, whatever was there; the name appears when the socket is ready."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    new = path.with_name(f".{os.getpid()}{SUFFIX}")
    try:
        with suppress(FileNotFoundError):
            new.unlink()
        with short_path(new) as name:
            listener.bind(name)
        new.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        new.rename(path)
    except OSError:
        listener.close()
        with suppress(OSError):
            new.unlink()
        raise
    return listener


def _peer_uid(connection: socket.socket) -> int:
    """User id of the process that connected."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # not Linux: the folder's mode alone keeps others out
        return os.geteuid()
    return int(_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))[1])
