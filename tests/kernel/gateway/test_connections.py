"""How many connections there may be, and how long their clients may keep them waiting."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING

import pytest

from jackfield.gateway import connections, public_port, server
from jackfield.manifest import KernelConfig
from jackfield.ports.observer import RequestEnded
from jackfield.types import Started, TextDelta

if TYPE_CHECKING:
    from tests.kernel.gateway.conftest import Notes, Serve, Served

HEAD = b"GET /models HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at connections often, so that nobody waits a second for it."""
    monkeypatch.setattr(connections, "SWEEP_S", 0.02)


def ask(connection: http.client.HTTPConnection) -> int:
    """The status of one more request on *connection*, whose socket must still be the same."""
    before = connection.sock
    connection.request("GET", "/models")
    response = connection.getresponse()
    response.read()
    assert connection.sock is before
    return response.status


@pytest.mark.parametrize("beginning", [b"", b"GET", HEAD, HEAD + b"X-More: " + b"x" * 5000])
def test_headers_that_do_not_arrive(serve: Serve, beginning: bytes) -> None:
    """A connection whose first request's headers do not arrive in time is closed; one that is served is not."""
    served = serve(kernel=KernelConfig(header_timeout_s=0.5))
    busy = served.connection()
    busy.connect()
    ask(busy)
    assert served.raw(beginning).recv(1) == b""
    assert ask(busy) == 200


def test_headers_byte_by_byte(serve: Serve) -> None:
    """Each byte is progress, but the time is for all of them."""
    served = serve(kernel=KernelConfig(header_timeout_s=0.5))
    client = served.raw(HEAD)
    client.settimeout(0.01)
    with pytest.raises((ConnectionError, EOFError)):  # noqa: PT012 -- which of the two calls sees the end is chance
        while True:
            client.send(b"X")
            try:
                if client.recv(1) == b"":
                    raise EOFError
            except TimeoutError:
                continue


def test_headers_of_a_later_request(serve: Serve) -> None:
    """On a connection that has served, headers have as much time, from their first byte."""
    served = serve(kernel=KernelConfig(header_timeout_s=0.5, idle_timeout_s=60))
    client = served.raw(HEAD + b"\r\n")
    first = http.client.HTTPResponse(client)
    first.begin()
    first.read()
    client.sendall(HEAD)
    assert client.recv(1) == b""


def test_a_body_that_came_late_is_no_beginning_of_headers(serve: Serve) -> None:
    """After it the connection is idle, and has that time."""
    served = serve(kernel=KernelConfig(header_timeout_s=0.5, idle_timeout_s=60))
    head = b"POST /length HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    client = served.raw(head)
    assert client.recv(64).split()[1] == b"100"
    client.sendall(b"hello")
    _read(client)
    assert served.raw(b"").recv(1) == b""  # the headers' time has passed
    client.sendall(HEAD + b"\r\n")
    _read(client)


def _read(client: socket.socket) -> None:
    answer = http.client.HTTPResponse(client)
    answer.begin()
    assert answer.status == 200
    answer.read()


def test_idle_connection(serve: Serve) -> None:
    """One that asks nothing more is closed after its time, not after the headers' time."""
    served = serve(kernel=KernelConfig(header_timeout_s=60, idle_timeout_s=0.1))
    connection = served.connection()
    connection.connect()
    assert ask(connection) == 200
    assert connection.sock.recv(1) == b""


def test_slow_handler_is_not_idle(serve: Serve) -> None:
    """While an answer is being computed nothing is due from the client."""
    served = serve(kernel=KernelConfig(header_timeout_s=0.5, idle_timeout_s=0.5, write_timeout_s=0.5))
    worker = served.worker()
    connection = served.begin()
    submit = worker.submitted()
    assert served.raw(b"").recv(1) == b""  # all of these times have passed
    worker.send(submit.id, Started(3, 16))
    worker.finish(submit.id, "late")
    assert connection.getresponse().read() == b"late"


def test_requests_on_one_connection(serve: Serve) -> None:
    """The last one is answered like the others, and says that it is the last."""
    served = serve(kernel=KernelConfig(requests_per_connection=2))
    connection = served.connection()
    connection.request("GET", "/models")
    first = connection.getresponse()
    first.read()
    assert not first.will_close
    connection.request("GET", "/models")
    last = connection.getresponse()
    assert (last.status, last.getheader("Connection")) == (200, "close")
    assert last.read()
    assert last.will_close


@pytest.mark.parametrize(
    "bounds", [{"connections": 2}, {"connections_per_address": 2}], ids=["everywhere", "per-address"]
)
@pytest.mark.parametrize("status", [429, 503, 529])
def test_too_many_connections(serve: Serve, notes: Notes, bounds: dict[str, int], status: int) -> None:
    """One too many is told so, in the dialect, and counted; when another one goes there is room again."""
    served = serve(
        kernel=KernelConfig(overload_status=status, **bounds),  # type: ignore[arg-type]  # one of the three
        observers={"notes": lambda: notes},
    )
    first, second = served.raw(b""), served.connection()
    second.connect()
    assert ask(second) == 200  # both have been accepted
    refused = http.client.HTTPResponse(served.raw(b""))
    refused.begin()
    error = json.loads(refused.read())
    assert (refused.status, error["code"]) == (status, "too_many_connections")
    assert refused.getheader("Retry-After") == "1"
    assert refused.getheader("retry-after-ms") == "1000"
    assert refused.getheader("x-should-retry") is None
    assert refused.getheader("x-request-id") == error["id"]
    assert refused.will_close
    assert any(isinstance(each, RequestEnded) and each.status == status for each in notes.events)
    first.close()
    served.until(lambda: _accepted(served))


def _accepted(served: Served) -> bool:
    return served.request("GET", "/models").status == 200


def test_refusals_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the few that are told why are closed without a word."""
    monkeypatch.setattr(connections, "REFUSED_MAX", 0)
    served = serve(kernel=KernelConfig(connections=1))
    first = served.connection()
    first.connect()
    assert ask(first) == 200
    assert _end_of(served.raw(b"")) == b""
    assert ask(first) == 200


def _end_of(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except ConnectionError:
        return b""


def test_health_port_is_never_crowded_out(serve: Serve) -> None:
    """Clients of the API take nothing from it."""
    served = serve(kernel=KernelConfig(connections=1, connections_per_address=1))
    first = served.connection()
    first.connect()
    assert ask(first) == 200
    assert served.request("GET", "/models").status == 429
    assert served.get_health("/livez")[0] == 200


def test_health_port_is_bounded_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses with 503, as probes expect."""
    monkeypatch.setattr(server, "HEALTH_BOUNDS", server.HEALTH_BOUNDS._replace(connections=1))
    served = serve()
    probe = http.client.HTTPConnection("127.0.0.1", served.health_port, timeout=20)
    probe.request("GET", "/livez")
    probe.getresponse().read()
    assert served.get_health("/livez")[0] == 503
    probe.close()


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET /livez HTTP/1.1\r\nBad Header: x\r\n\r\n"])
def test_the_health_port_does_not_say_what_it_is_made_of(serve: Serve, data: bytes) -> None:
    """Also where what came is no HTTP: no version of any library."""
    served = serve()
    with socket.create_connection(("127.0.0.1", served.health_port), timeout=20) as client:
        client.sendall(data)
        response = http.client.HTTPResponse(client)
        response.begin()
    assert (response.status, response.getheader("Server")) == (400, "jackfield")


def test_requests_on_one_connection_to_the_health_port(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many, and no more."""
    monkeypatch.setattr(server, "HEALTH_BOUNDS", server.HEALTH_BOUNDS._replace(requests=1))
    served = serve()
    probe = http.client.HTTPConnection("127.0.0.1", served.health_port, timeout=20)
    probe.request("GET", "/livez")
    assert probe.getresponse().will_close
    probe.close()


def test_limit_of_open_files_bounds_connections(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor there would be no connection to refuse on."""
    monkeypatch.setattr(public_port, "open_files_limit", lambda: public_port.DESCRIPTORS_KEPT + 1)
    served = serve()
    first = served.connection()
    first.connect()
    assert ask(first) == 200
    assert served.request("GET", "/models").status == 429


def test_reader_that_does_not_read(serve: Serve, notes: Notes) -> None:
    """Its stream stands still without growing, and after a while its request is cancelled."""
    served = serve(kernel=KernelConfig(write_timeout_s=0.2), observers={"notes": lambda: notes})
    worker = served.worker()
    body = b'{"prompt": "hi", "stream": true}'
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", served.public_port))
        client.sendall(
            b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        submit = worker.submitted()
        worker.send(submit.id, Started(3, 16))
        for _ in range(100):
            worker.send(submit.id, TextDelta("x" * 100_000, 1))
        assert worker.cancelled() == submit.id
        served.until(lambda: any(isinstance(event, RequestEnded) for event in notes.events))
    [ended] = [event for event in notes.events if isinstance(event, RequestEnded)]
    assert ended.code == "client_disconnected"


def test_answer_that_nobody_reads(serve: Serve) -> None:
    """A connection that the server wants to close does not live for ever because its client reads nothing."""
    served = serve(kernel=KernelConfig(write_timeout_s=0.1, requests_per_connection=1))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", served.public_port))
    worker = served.worker()
    body = b'{"prompt": "hi"}'
    client.sendall(b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    worker.answer("x" * 10_000_000)
    served.until(lambda: _connections(served) == 0)
    client.close()


def _connections(served: Served) -> int:
    return len(served.server._public._listener._door._inside)


def test_refused_connection_does_not_hold_up_the_end(serve: Serve) -> None:
    """Closing the server closes those too."""
    served = serve(kernel=KernelConfig(connections=1))
    first = served.connection()
    first.connect()
    assert ask(first) == 200
    refused = served.raw(b"")
    assert refused.recv(12) == b"HTTP/1.1 429"
    served.close()
