"""The control socket against clients that mean no good, and beside what killed servers left behind."""

from __future__ import annotations

import os
import selectors
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.channel.framing import FrameDecoder
from jackfield.channel.operator import (
    ANSWER_MAX,
    QUESTION_MAX,
    Answer,
    Declined,
    GetState,
    LogLines,
    Question,
    ReadLog,
    RestartWorker,
    answers,
    questions,
)
from jackfield.runtime_folder import UnsafeFolder, short_path
from jackfield.supervisor import control_socket
from jackfield.supervisor.control_socket import CONNECTIONS_MAX, IDLE_S, PAUSE_S, ControlSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADDRESS = "127.0.0.1:8080"
DESCRIPTORS = Path("/proc/self/fd")
LARGE = LogLines(data=b"x" * (ANSWER_MAX // 4), cursor=1)


class Bench:
    """A control socket with a loop, a clock and what it was asked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[Question] = []
        self.answer: Callable[[Question], Answer] = lambda _: Declined("no")
        self.selector = selectors.DefaultSelector()
        self.control = ControlSocket(self.selector, self._answer, lambda: self.now)
        self.path = self.control.open(ADDRESS)
        self.clients: list[socket.socket] = []

    def _answer(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.answer(question)

    def turn(self, times: int = 3) -> None:
        """What the supervisor's loop does, as long as there is something to do."""
        for _ in range(times):
            for key, events in self.selector.select(0):
                key.data(events)
            self.control.tick()

    def connect(self) -> socket.socket:
        """A new client."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        self.clients.append(client)
        with short_path(self.path) as name:
            client.connect(name)
        self.turn()
        return client

    def close(self) -> None:
        """End."""
        self.control.close()
        self.selector.close()
        for client in self.clients:
            client.close()

    def hears(self, client: socket.socket) -> Answer:
        """The next answer that *client* gets."""
        frames = FrameDecoder(ANSWER_MAX)
        client.setblocking(False)
        while True:
            self.turn()
            for payload in frames.feed(client.recv(1 << 16)):
                return answers().decode(payload)

    def gone(self, client: socket.socket) -> bool:
        """Whether the other end has hung up."""
        self.turn()
        client.setblocking(False)
        try:
            return client.recv(1) == b""
        except ConnectionResetError:
            return True
        except BlockingIOError:
            return False


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One that listens."""
    monkeypatch.setenv("JACKFIELD_RUNTIME_DIR", str(tmp_path / "runtime"))
    bench = Bench()
    yield bench
    bench.close()


def ask(question: Question) -> bytes:
    """A question as bytes."""
    return questions().encode(question)


def test_questions_are_answered_in_order(bench: Bench) -> None:
    """One answer each, however the bytes arrive."""
    client = bench.connect()
    data = ask(RestartWorker(model="a", now=True)) + ask(GetState())
    for position in range(0, len(data), 3):
        client.sendall(data[position : position + 3])
        bench.turn(1)
    assert bench.hears(client) == Declined("no")
    assert bench.asked == [RestartWorker(model="a", now=True), GetState()]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff\xff\xff\xff",
        (QUESTION_MAX + 1).to_bytes(4, "big"),
        (1).to_bytes(4, "big") + b"\xc1",
        ask(GetState())[:4] + b"\x00" * 64,
        (8).to_bytes(4, "big") + b"\x81\xa4type\xa1x",
    ],
)
def test_whoever_talks_nonsense_is_hung_up_on(bench: Bench, data: bytes) -> None:
    """And nobody else is."""
    other, client = bench.connect(), bench.connect()
    client.sendall(data)
    assert bench.gone(client)
    other.sendall(ask(GetState()))
    assert bench.hears(other) == Declined("no")


@settings(deadline=None, max_examples=50)
@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_end_the_supervisor(data: bytes) -> None:
    """Whatever comes, the loop goes on and the next client is served."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACKFIELD_RUNTIME_DIR", f"/tmp/jackfield-test-{os.getpid()}")
        bench = Bench()
        try:
            bench.connect().sendall(data)
            bench.turn()
            client = bench.connect()
            client.sendall(ask(GetState()))
            assert bench.hears(client) == Declined("no")
        finally:
            bench.close()
            bench.path.parent.rmdir()


def test_whoever_does_not_read_gets_no_second_answer(bench: Bench) -> None:
    """A thousand large answers are not computed, nor kept."""
    bench.answer = lambda _: LARGE
    client = bench.connect()
    client.sendall(ask(ReadLog(kind="gateway")) * 1000)
    bench.turn(100)
    assert len(bench.asked) == 1
    assert bench.hears(client) == LARGE


def test_the_others_are_served_meanwhile(bench: Bench) -> None:
    """Nobody waits for a client that hangs."""
    bench.answer = lambda _: LARGE
    hanging = bench.connect()
    hanging.sendall(ask(GetState()))
    bench.turn()
    assert bench.hears(bench_ask(bench)) == LARGE
    bench.now += IDLE_S
    assert bench.gone(bench.connect()) is False
    assert hanging not in [client.connection for client in bench.control._clients]


def bench_ask(bench: Bench) -> socket.socket:
    """A client with a question."""
    client = bench.connect()
    client.sendall(ask(GetState()))
    return client


def test_silent_clients_are_dropped_after_a_while(bench: Bench) -> None:
    """Those that ask again and again, as one that follows a log, are not."""
    silent, busy = bench.connect(), bench.connect()
    for _ in range(3):
        bench.now += IDLE_S / 2
        busy.sendall(ask(GetState()))
        assert bench.hears(busy) == Declined("no")
    assert bench.gone(silent)


def test_a_thousand_connections_take_sixteen_places(bench: Bench) -> None:
    """Those that were silent longest make room, so that an operator is always served."""
    before = len(list(DESCRIPTORS.iterdir()))
    clients = []
    for _ in range(1000):
        client = socket.socket(socket.AF_UNIX)
        with short_path(bench.path) as name:
            client.connect(name)
        clients.append(client)
        bench.now += 0.001
        bench.turn(1)
    bench.turn()
    assert len(list(DESCRIPTORS.iterdir())) <= before + 1000 + CONNECTIONS_MAX
    assert bench.hears(bench_ask(bench)) == Declined("no")
    for client in clients:
        client.close()
    bench.turn()
    assert len(bench.control._clients) <= 1


def test_a_process_of_another_user_is_turned_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should it get at the socket at all; root may."""
    monkeypatch.setattr(control_socket, "_peer_uid", lambda _: os.geteuid() + 1)
    assert bench.gone(bench.connect())
    monkeypatch.setattr(control_socket, "_peer_uid", lambda _: 0)
    assert not bench.gone(bench.connect())


def test_the_peers_user_is_read_from_the_kernel() -> None:
    """Not from what it says."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert control_socket._peer_uid(ours) == os.geteuid()


def test_no_descriptors_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop does not spin on a connection that cannot be taken; a second later it tries again."""

    class Full:
        def accept(self) -> None:
            raise OSError(24, "Too many open files")

    listener = bench.control._listener
    assert listener is not None
    client = socket.socket(socket.AF_UNIX)
    bench.clients.append(client)
    with short_path(bench.path) as name:
        client.connect(name)
    bench.control._accept_from(Full())  # type: ignore[arg-type]  # the least of a socket
    assert not bench.selector.select(0)
    bench.now += PAUSE_S
    client.sendall(ask(GetState()))
    assert bench.hears(client) == Declined("no")


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_socket_is_the_users_alone_and_goes_with_the_server(bench: Bench) -> None:
    """Mode 0600 in a folder of 0700; nothing is left."""
    assert bench.path.name == f"{ADDRESS}.sock"
    assert bench.path.stat().st_mode & 0o777 == 0o600
    bench.control.close()
    assert list(bench.path.parent.iterdir()) == []
    bench.control.close()


def test_what_a_killed_server_left_is_replaced_and_others_are_swept(bench: Bench) -> None:
    """Also those of addresses that nobody uses again; living ones stay."""
    folder = bench.path.parent
    for name in ("127.0.0.1:9999.sock", "127.0.0.1:8081.sock"):
        with socket.socket(socket.AF_UNIX) as dead, short_path(folder / name) as short:
            dead.bind(short)
    second = ControlSocket(bench.selector, bench.answer)
    path = second.open("127.0.0.1:9999")
    assert sorted(each.name for each in folder.iterdir()) == sorted([bench.path.name, path.name])
    second.close()


def test_two_servers_of_one_address_have_two_names(bench: Bench) -> None:
    """As in two containers that share a folder."""
    second = ControlSocket(bench.selector, bench.answer)
    path = second.open(ADDRESS)
    assert path.name == f"{ADDRESS}~{os.getpid()}.sock"
    second.close()
    assert bench.path.exists()


def test_a_socket_that_somebody_replaced_is_left_alone(bench: Bench) -> None:
    """At the end we remove our own only."""
    bench.path.unlink()
    bench.path.touch()
    bench.control.close()
    assert bench.path.exists()


def test_an_unsafe_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which and why."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("JACKFIELD_RUNTIME_DIR", str(folder))
    with selectors.DefaultSelector() as selector, pytest.raises(UnsafeFolder, match="0700"):
        ControlSocket(selector, lambda _: Declined("no")).open(ADDRESS)


def test_the_second_folder_is_taken_where_the_first_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime folder of another session must not keep operators out."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(mode=0o755)
    monkeypatch.setattr(control_socket, "folders", lambda: [first, second])
    with selectors.DefaultSelector() as selector:
        control = ControlSocket(selector, lambda _: Declined("no"))
        assert control.open(ADDRESS).parent == second
        control.close()
