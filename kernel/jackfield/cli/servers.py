"""Running servers of this user: finding them, choosing one, asking it."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import click

from jackfield.channel.framing import FrameDecoder
from jackfield.channel.operator import (
    ANSWER_MAX,
    CacheRead,
    CachesAsked,
    Declined,
    GetState,
    LogLines,
    ReadCache,
    answers,
    questions,
)
from jackfield.cli.complete import complete_servers
from jackfield.cli.errors import warn
from jackfield.errors import ChannelError, JackfieldError
from jackfield.ports.operating import ServerState
from jackfield.runtime_folder import SUFFIX, UnsafeFolder, check, folders, short_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from jackfield.channel.operator import Answer, AskCaches, Question, ReadLog, RestartWorker

ANSWER_S: Final = 5.0
"""A supervisor answers within milliseconds; one that does not in this time hangs or is stopped."""

RETRY_S: Final = 0.02
"""Between two tries to connect to a server that is being flooded."""

_READ_BYTES: Final = 1 << 16

T = TypeVar("T", ServerState, LogLines, CachesAsked, CacheRead)
Command = TypeVar("Command", bound="Callable[..., object]")


class ServerUnreachable(JackfieldError):
    """No running server can be asked; the message says why and what to do."""


class Operator:
    """A conversation with one supervisor; a context manager.

    Parameters:
        path: Of its control socket.

    Raises:
        OSError: Nobody listens there.
        ServerUnreachable: Somebody does, but takes no more connections.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name.removesuffix(SUFFIX)
        """Address of its API, as ``--server`` takes it."""
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(ANSWER_S)
        self._frames = FrameDecoder(ANSWER_MAX)
        self._questions = questions()
        self._answers = answers()
        try:
            self._connect(path)
        except (OSError, ServerUnreachable):
            self._connection.close()
            raise

    def state(self) -> ServerState:
        """How it is."""
        return self._expect(ServerState, GetState())

    def restart(self, question: RestartWorker) -> ServerState:
        """Begin to restart a worker; the state as it is then."""
        return self._expect(ServerState, question)

    def log(self, question: ReadLog) -> LogLines:
        """Lines of a log."""
        return self._expect(LogLines, question)

    def ask_caches(self, question: AskCaches) -> CachesAsked:
        """Ask workers about their caches; who was asked."""
        return self._expect(CachesAsked, question)

    def read_cache(self, ticket: int) -> CacheRead:
        """What one of them has answered by now."""
        return self._expect(CacheRead, ReadCache(ticket=ticket))

    def close(self) -> None:
        """End the conversation."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, path: Path) -> None:
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                with short_path(path) as name:
                    self._connection.connect(name)
            except BlockingIOError as error:  # more connections wait than fit; AF_UNIX has no other way to say so
                if time.monotonic() > deadline:
                    raise self._broken("takes no connections") from error
                time.sleep(RETRY_S)
            else:
                return

    def _expect(self, kind: type[T], question: Question) -> T:
        answer = self._ask(question)
        if isinstance(answer, kind):
            return answer
        if isinstance(answer, Declined):
            raise ServerUnreachable(answer.message)
        raise self._broken("says something else than what it was asked")

    def _ask(self, question: Question) -> Answer:
        try:
            self._connection.sendall(self._questions.encode(question))
            while True:
                data = self._connection.recv(_READ_BYTES)
                if not data:
                    raise self._broken("ended, or speaks another version than this command")
                for payload in self._frames.feed(data):
                    return self._answers.decode(payload)
        except TimeoutError as error:
            raise self._broken(f"has not answered in {ANSWER_S:g} s") from error
        except OSError as error:
            raise self._broken("ended") from error
        except ChannelError as error:
            raise self._broken("speaks another version than this command") from error

    def _broken(self, what: str) -> ServerUnreachable:
        return ServerUnreachable(f"the server {self.name} {what}")


def server_option(function: Command) -> Command:
    """``--server``: parameter *server*."""
    return click.option(
        "--server",
        metavar="HOST:PORT",
        shell_complete=complete_servers,
        help="Address of the server's API; needed where several run.",
    )(function)


def choose(server: str | None) -> Operator:
    """The running server that *server* names, or the only one.

    Parameters:
        server: ``HOST:PORT`` of the API, also as a URL.

    Raises:
        ServerUnreachable: There is none, or several; the message lists them.
    """
    wanted = None if server is None else server.partition("://")[2] or server
    wanted = wanted.rstrip("/") if wanted else wanted
    running = list(find())
    chosen = [each for each in running if wanted in (None, each.name, each.name.partition("~")[0])]
    for each in running:
        if len(chosen) != 1 or each is not chosen[0]:
            each.close()
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(sorted(each.name for each in running))
    if not running:
        raise ServerUnreachable("no server of this user is running here; jackfield serve starts one")
    if not chosen:
        raise ServerUnreachable(f"no server runs at {wanted}; running: {names}")
    raise ServerUnreachable(f"several servers are running: {names}; choose one with --server {chosen[0].name}")


def find() -> Iterator[Operator]:
    """All running servers of this user; what killed ones left behind is passed over."""
    for folder in folders():
        with suppress(UnsafeFolder, OSError):
            check(folder)
            for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):
                with suppress(OSError):
                    yield Operator(path)


def running_state(server: str | None) -> ServerState | None:
    """The state of the server that *server* names, or of the only one; None where that is not clear, or none runs."""
    if server is None:
        running = sum(_closed(each) for each in find())
        if running > 1:
            warn(f"{running} servers are running; name one with --server to see how it is")
        if running != 1:
            return None
    with choose(server) as operator:
        return operator.state()


def _closed(operator: Operator) -> int:
    operator.close()
    return 1
