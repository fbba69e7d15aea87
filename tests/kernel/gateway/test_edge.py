"""The outermost stage: ids, protections, HTTP-level errors, defects, the access log."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from jackfield.errors import PluginError
from jackfield.gateway import bodies
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import KernelConfig
from jackfield.ports.observer import RequestEnded
from jackfield.types import Started

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.gateway.conftest import Notes, Serve, Served

    from jackfield.plugins import Kernel
    from jackfield.ports.frontend import FrontendFactory

LIMIT = 2048


@pytest.mark.parametrize(
    "offered",
    ["a", "0123-abc_DEF.x", "x" * 64],
)
def test_safe_request_id_is_kept(served: Served, offered: str) -> None:
    """A client's own id comes back."""
    response = served.request("GET", "/models", headers={"x-request-id": offered})
    assert response.getheader("x-request-id") == offered


@pytest.mark.parametrize(
    "offered",
    ["", " ", "x" * 65, "a b", "-a", ".a", 'a"b', "a;b", "a\tb", "\xe9", "<script>", "a/b"],
)
def test_unsafe_request_id_is_replaced(served: Served, offered: str) -> None:
    """Anything that would need quoting somewhere, or is long, gives way to a fresh id."""
    response = served.request("GET", "/models", headers={"x-request-id": offered})
    fresh = response.getheader("x-request-id", "")
    assert fresh.startswith("req_")
    assert len(fresh) == 28


def test_fresh_ids_differ(served: Served) -> None:
    """Each request has an id of its own."""
    assert len({served.request("GET", "/models").getheader("x-request-id") for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:8080", 200),
        ("app.localhost", 200),
        ("localhost.", 200),
        ("127.0.0.1", 200),
        ("127.8.9.1:1", 200),
        ("[::1]", 200),
        ("[::1]:8080", 200),
        ("chat.example", 200),
        ("CHAT.example:443", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("notlocalhost", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("10.0.0.1", 403),
        ("0.0.0.0", 403),
        ("[::]", 403),
        ("[::1", 403),
        ("::1", 403),
        ("2130706433", 403),
        ("0x7f.1", 403),
        ("", 403),
        ("localhost:port", 403),
        ("a" * 5000, 403),
    ],
)
def test_host_header(serve: Serve, host: str, status: int) -> None:
    """Only loopback names and listed hosts are served: a rebound DNS name is none of them."""
    served = serve(kernel=KernelConfig(allowed_hosts=("Chat.Example",)))
    response = served.request("GET", "/models", headers={"Host": host})
    assert response.status == status
    if status == 403:
        assert json.loads(response.read())["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: localhost\r\nHost: evil\r\n"]
)
def test_host_header_is_there_once(served: Served, hosts: bytes) -> None:
    """No host, or two, is refused."""
    client = served.raw(b"GET /models HTTP/1.1\r\n" + hosts + b"\r\n")
    response = http.client.HTTPResponse(client)
    response.begin()
    assert response.status in {400, 403}
    assert response.getheader("x-request-id")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:3000", 200),
        ("https://127.0.0.1", 200),
        ("http://[::1]:5173", 200),
        ("https://chat.example", 200),
        ("https://CHAT.example", 200),
        ("http://chat.example", 403),
        ("https://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("https://localhost@evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
        ("chrome-extension://abc", 403),
        ("http://localhost/path", 403),
        ("localhost", 403),
    ],
)
def test_origin_header(serve: Serve, origin: str | None, status: int) -> None:
    """Pages of this machine and of listed origins may call; others, and those that hide theirs, may not."""
    served = serve(kernel=KernelConfig(allowed_origins=("https://chat.example/",)))
    headers = {} if origin is None else {"Origin": origin}
    assert served.request("POST", "/length", b"", headers).status == status


def test_foreign_origin_reaches_no_worker(served: Served) -> None:
    """A refused request is refused before its body is read."""
    worker = served.worker()
    body = b'{"prompt": "hi"}'
    assert served.request("POST", "/generate", body, {"Origin": "https://evil.example"}).status == 403
    connection = served.begin()
    assert worker.answer("ok").id == 1
    assert connection.getresponse().status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_url"),
        ("GET", "/" + "x" * 3000, 404, "unknown_url"),
        ("GET", "/generate", 405, "method_not_allowed"),
        ("DELETE", "/models", 405, "method_not_allowed"),
        ("OPTIONS", "/models", 405, "method_not_allowed"),
        ("POST", "/items/1", 405, "method_not_allowed"),
    ],
)
def test_unserved(served: Served, method: str, path: str, status: int, code: str) -> None:
    """What nobody serves is refused in a dialect, with an id, and in bounded length."""
    response = served.request(method, path)
    error = json.loads(response.read())
    assert (response.status, error["code"]) == (status, code)
    assert error["id"] == response.getheader("x-request-id")
    assert response.getheader("x-dialect") == "/"
    assert len(error["message"]) < 400
    assert response.getheader("x-should-retry") == "false"


def test_method_not_allowed_names_those_that_are(served: Served) -> None:
    """RFC 9110 wants an ``Allow`` header."""
    assert served.request("GET", "/generate").getheader("Allow") == "POST"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [("/a/nothing", "/a"), ("/b/nothing", "/b"), ("/b/items/1/2", "/b"), ("/c", "/a"), ("/", "/a")],
)
def test_nearest_dialect(serve: Serve, small: Callable[[str], FrontendFactory], path: str, dialect: str) -> None:
    """An unserved path takes the dialect of the frontend whose paths are most like it, else of the first one."""
    served = serve(frontends={"a": small("/a"), "b": small("/b")})
    response = served.request("GET", path)
    assert (response.status, response.getheader("x-dialect")) == (404, dialect)


@pytest.mark.parametrize("other", ["/b/models", "/{any}"])
def test_a_path_is_nearest_to_itself(serve: Serve, small: Callable[[str], FrontendFactory], other: str) -> None:
    """Also where another frontend, listed before, has longer ones that begin with it, or some that take anything."""
    served = serve(frontends={"a": small(other), "b": small("/b")})
    response = served.request("DELETE", "/b/models")
    assert (response.status, response.getheader("x-dialect")) == (405, "/b")


def test_without_frontends(serve: Serve) -> None:
    """The server still answers, in a shape of its own, and warns at start."""
    with capture_logs() as lines:
        served = serve(frontends={})
    assert "no frontend" in lines[0]["event"]
    error = json.loads(served.request("GET", "/v1/models").read())["error"]
    assert error["code"] == "unknown_url"


def test_frontend_that_cannot_render(serve: Serve, ugly: FrontendFactory) -> None:
    """Its defect is logged; the client still gets the error's status and code."""
    served = serve(frontends={"ugly": ugly})
    with capture_logs() as lines:
        response = served.request("GET", "/nothing")
    assert (response.status, json.loads(response.read())["error"]["code"]) == (404, "unknown_url")
    assert any(line["event"] == "frontend cannot render an error" for line in lines)


def test_two_owners_of_a_route(kernel_of: Callable[..., Kernel], small: Callable[[str], FrontendFactory]) -> None:
    """Two frontends on one path are a start-up error that names both."""
    with pytest.raises(PluginError, match=r"one and two both serve POST /generate"):
        GatewayServer(kernel_of(frontends={"one": small(""), "two": small("")}), started=0)


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (10 * LIMIT, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_limit(serve: Serve, size: int, status: int, *, chunked: bool) -> None:
    """The limit holds for announced and for chunked bodies."""
    served = serve(kernel=KernelConfig(body_limit_bytes=LIMIT))
    connection = served.connection()
    body = b"x" * size
    parts = (body[start : start + 500] for start in range(0, size, 500))
    connection.request("POST", "/length", parts if chunked else body, encode_chunked=chunked)
    response = connection.getresponse()
    assert response.status == status
    if status == 413:
        assert json.loads(response.read())["code"] == "request_too_large"
    else:
        assert response.read() == str(size).encode()


def test_compressed_body_is_limited_by_what_it_becomes(serve: Serve) -> None:
    """A small body that inflates to 64 MB is refused; one that stays small is read."""
    served = serve(kernel=KernelConfig(body_limit_bytes=LIMIT))
    bomb = zlib.compress(b"\0" * 64_000_000, 9)[:LIMIT]
    response = served.request("POST", "/length", bomb, {"Content-Encoding": "deflate"})
    assert response.status == 413
    small = served.request("POST", "/length", gzip.compress(b"hello"), {"Content-Encoding": "gzip"})
    assert small.read() == b"5"


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "x", "brotli"])
def test_body_in_an_unknown_encoding_is_refused(served: Served, coding: str) -> None:
    """It is not read as if it had none."""
    response = served.request("POST", "/length", b"hello", {"Content-Encoding": coding})
    assert response.status == 400
    error = json.loads(response.read())
    assert error["code"] == "malformed_body"
    assert error["message"].startswith("content-encoding: ")


@pytest.mark.parametrize("coding", ["identity", "Identity"])
def test_body_that_is_not_encoded_may_say_so(served: Served, coding: str) -> None:
    """As a client may that always names its encoding."""
    assert served.request("POST", "/length", b"hello", {"Content-Encoding": coding}).read() == b"5"


def test_damaged_body_is_the_clients_fault(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """A body that does not inflate is 400, and no defect that would be logged."""
    head = b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n"
    client = served.raw(head + b"not gzip at all")
    answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"malformed_body" in answer
    assert caplog.records == []


def test_damaged_chunk_is_refused_at_once(served: Served) -> None:
    """The handler that reads the body does not wait for a rest that cannot come."""
    client = served.raw(
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert client.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"5\r\nhello\r\nno length\r\n")
    answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"malformed_body" in answer


def test_too_large_body_is_not_invited(serve: Serve) -> None:
    """A client that asks before it sends (``Expect: 100-continue``) is told no at once."""
    served = serve(kernel=KernelConfig(body_limit_bytes=LIMIT))
    head = b"POST /length HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    refused = served.raw(head % (LIMIT + 1))
    assert refused.recv(64).startswith(b"HTTP/1.1 413 ")
    invited = served.raw(head % 5)
    assert invited.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
    invited.sendall(b"hello")
    assert invited.recv(64).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("version", "expect", "length", "body"),
    [(b"1.0", b"100-continue", 5, b"hello"), (b"1.1", b"100-continue", 0, b""), (b"1.1", b"nothing", 5, b"hello")],
)
def test_nobody_is_invited_who_did_not_ask(
    served: Served, version: bytes, expect: bytes, length: int, body: bytes
) -> None:
    """An HTTP/1.0 client knows no 100; one that sends nothing needs none; other expectations are ignored."""
    head = b"POST /length HTTP/%b\r\nHost: localhost\r\nExpect: %b\r\nContent-Length: %d\r\n\r\n"
    client = served.raw(head % (version, expect, length))
    client.sendall(body)
    assert client.recv(64).split()[1] == b"200"


@pytest.mark.parametrize(
    "data",
    [
        b"this is not HTTP\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /models HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"GET /models HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
)
def test_malformed_http(served: Served, data: bytes) -> None:
    """What is not HTTP gets 400 in the first dialect, without an echo, and the connection ends."""
    response = http.client.HTTPResponse(served.raw(data))
    response.begin()
    body = response.read()
    assert response.status == 400
    error = json.loads(body)
    assert error["code"] == "client_error"
    assert error["message"].startswith("the request is not valid HTTP/1.1, or has headers that are too long")
    assert response.getheader("x-request-id") == error["id"]
    assert response.will_close


def test_defect_is_500_without_details(served: Served) -> None:
    """The client gets the id; the log gets modules, lines and the type, and neither the message nor a path."""
    with capture_logs() as lines:
        response = served.request("GET", "/boom", headers={"x-request-id": "mine"})
        body = response.read()
    error = json.loads(body)
    assert (response.status, error["code"], error["id"]) == (500, "internal_error", "mine")
    assert "mine" in error["message"]
    assert response.getheader("x-should-retry") == "false"
    logged = next(line for line in lines if line["event"] == "unexpected exception")
    assert (logged["request_id"], logged["error"]) == ("mine", "ValueError")
    assert "in boom" in logged["traceback"]
    for secret in ("hunter2", "/etc/secret", ".py"):
        assert secret not in body.decode() + str(lines)


def test_defect_after_the_first_byte_breaks_the_connection(serve: Serve, notes: Notes) -> None:
    """A stream that cannot go on must not look whole."""
    served = serve(observers={"notes": lambda: notes})
    response = served.request("GET", "/late-boom")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    served.until(lambda: bool(notes.events))
    ended = notes.events[0]
    assert isinstance(ended, RequestEnded)
    assert (ended.status, ended.code) == (200, "internal_error")


def test_redirect_passes(served: Served) -> None:
    """A frontend may raise aiohttp's redirects."""
    response = served.request("GET", "/redirect")
    assert (response.status, response.getheader("Location")) == (302, "/models")


def test_one_access_line_without_the_prompt(served: Served) -> None:
    """Route, status, code, times and tokens; never what was said, nor the query string."""
    worker = served.worker()
    with capture_logs() as lines:
        connection = served.begin(prompt="my secret prompt")
        worker.answer("my secret answer")
        connection.getresponse().read()
        served.request("GET", "/items/7?token=hunter2").read()
        served.until(lambda: sum(line["event"] == "request" for line in lines) == 2)
    first, second = (line for line in lines if line["event"] == "request")
    assert first["request_id"] == "mine-1"
    assert (first["method"], first["route"], first["status"], first["code"]) == ("POST", "/generate", 200, "stop")
    assert (first["model"], first["prompt_tokens"], first["completion_tokens"]) == ("demo", 3, 1)
    assert first["ttft_ms"] <= first["duration_ms"]
    assert second["route"] == "/items/{id}"
    assert "secret" not in str(lines)
    assert "hunter2" not in str(lines)


def test_kernel_headers(served: Served) -> None:
    """No answer says which libraries serve it."""
    for path in ("/models", "/nothing", "/boom"):
        response = served.request("GET", path)
        assert response.getheader("Server") == "jackfield"
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Referrer-Policy") == "no-referrer"
        assert response.getheader("Cache-Control") == "no-store"
        assert response.getheader("X-Frame-Options") == "DENY"
        assert response.getheader("Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'"
        assert response.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    for path in ("/livez", "/nothing"):
        connection = http.client.HTTPConnection("127.0.0.1", served.health_port, timeout=20)
        connection.request("GET", path)
        assert connection.getresponse().getheader("Server") == "jackfield"
        connection.close()


def test_head_is_get_without_a_body(served: Served) -> None:
    """RFC 9110: whoever serves GET serves HEAD."""
    response = served.request("HEAD", "/models")
    assert (response.status, response.read()) == (200, b"")


@pytest.mark.parametrize("path", ["models", "/x/{", "/x/{a}{a}"])
def test_path_that_is_no_pattern(
    kernel_of: Callable[..., Kernel], small: Callable[[str], FrontendFactory], path: str
) -> None:
    """A plugin's broken path is a start-up error with its name."""
    with pytest.raises(PluginError, match="frontend odd"):
        GatewayServer(kernel_of(frontends={"odd": small(path)}), started=0)


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"}


def test_page_of_an_allowed_origin_may_read(serve: Serve) -> None:
    """Its preflight is answered, and its answers, errors too, name it; a listed origin would be of no use otherwise."""
    served = serve(kernel=KernelConfig(allowed_origins=("https://chat.example",)))
    origin = {"Origin": "https://chat.example"}
    asked = served.request("OPTIONS", "/generate", headers={**origin, **PREFLIGHT})
    assert asked.status == 204
    assert asked.getheader("Access-Control-Allow-Headers") == "content-type,authorization"
    assert "POST" in asked.getheader("Access-Control-Allow-Methods", "")
    for path in ("/models", "/nothing"):
        response = served.request("GET", path, headers=origin)
        assert response.getheader("Access-Control-Allow-Origin") == "https://chat.example"
        assert response.getheader("Vary") == "Origin"


def test_page_of_a_foreign_origin_may_not_read(served: Served) -> None:
    """Neither the preflight nor the refusal opens anything."""
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
        response = served.request(method, "/models", headers={"Origin": "https://evil.example", **more})
        assert response.status == 403
        assert response.getheader("Access-Control-Allow-Origin") is None


def test_body_that_does_not_arrive(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that announces a body and goes quiet is told 408."""
    monkeypatch.setattr(bodies, "BODY_S", 0.05)
    client = served.raw(b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
    response = http.client.HTTPResponse(client)
    response.begin()
    assert (response.status, json.loads(response.read())["code"]) == (408, "deadline_exceeded")


@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {"Retry-After": "1", "retry-after-ms": "1000"}), (503, {"Retry-After": "1"}), (529, {"Retry-After": "1"})],
)
def test_overload_status(serve: Serve, status: int, headers: dict[str, str]) -> None:
    """A full queue answers what is configured, so that clients and balancers do what the operator wants of them."""
    served = serve(kernel=KernelConfig(queue=0, overload_status=status))  # type: ignore[arg-type]  # one of the three
    worker = served.worker()
    for _ in range(2):
        served.begin()
        worker.submitted()
    response = served.begin().getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (status, "queue_full")
    assert {name: response.getheader(name) for name in headers} == headers
    assert response.getheader("x-should-retry") is None


def test_infeasible_deadline_has_the_overload_status(serve: Serve) -> None:
    """It is refused at once, before the queue."""
    served = serve(kernel=KernelConfig(queue=5, overload_status=529))
    worker = served.worker()
    first = served.begin()
    worker.answer("ok")
    assert first.getresponse().read() == b"ok"
    for _ in range(2):
        served.begin()
        worker.submitted()
    connection = served.connection()
    connection.request("POST", "/generate", b'{"prompt": "hi"}', {"x-request-timeout-ms": "10"})
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (529, "deadline_infeasible")


def test_per_address_limit_behind_a_proxy(serve: Serve) -> None:
    """Clients of a trusted proxy share its connections, so each one's requests are counted, and its own are logged."""
    served = serve(kernel=KernelConfig(trusted_proxies=("127.0.0.0/8",), connections_per_address=1))
    worker = served.worker()
    body, one = b'{"prompt": "hi"}', {"X-Forwarded-For": "192.0.2.1"}
    first = served.connection()
    with capture_logs() as lines:
        first.request("POST", "/generate", body, one)
        submit = worker.submitted()
        refused = served.request("GET", "/models", headers=one)
        assert (refused.status, json.loads(refused.read())["code"]) == (429, "too_many_connections")
        assert served.request("GET", "/models", headers={"X-Forwarded-For": "192.0.2.2"}).status == 200
        assert served.request("GET", "/models").status == 200
        worker.send(submit.id, Started(3, 16))
        worker.finish(submit.id, "hi")
        assert first.getresponse().read() == b"hi"
        served.until(lambda: served.request("GET", "/models", headers=one).status == 200)
    clients = {line["client"] for line in lines if line["event"] == "request"}
    assert clients == {"192.0.2.1", "192.0.2.2", "127.0.0.1"}
