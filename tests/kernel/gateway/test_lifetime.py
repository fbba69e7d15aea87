"""Readiness, draining, closing, and what may be listened on."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import socket
from typing import TYPE_CHECKING

import pytest

from jackfield.channel.messages import WorkerStatus
from jackfield.errors import ManifestError, PluginError
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import KernelConfig, ModelConfig
from jackfield.types import Started, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.gateway.conftest import Notes, Serve, Served

    from jackfield.plugins import Kernel
    from jackfield.ports.frontend import Gateway
    from jackfield.testing.background import BackgroundLoop


def test_livez(served: Served) -> None:
    """Alive means alive, whatever the models do."""
    assert served.get_health("/livez")[:2] == (200, b"ok\n")


def test_readyz_says_why_not(serve: Serve) -> None:
    """503 until every model is ready, with each model's state and reason."""
    served = serve(models={name: ModelConfig(source=f"{name}.gguf") for name in ("demo", "other")})
    served.worker("demo")
    served.tell(WorkerStatus(model="other", state="loading", reason="loading 43 %", restarts=2))
    status, body, content_type = served.get_health("/readyz")
    assert (status, content_type) == (503, "application/json")
    assert json.loads(body) == {
        "ready": False,
        "draining": False,
        "models": {
            "demo": {"ready": True, "state": "ready", "reason": "", "restarts": 0},
            "other": {"ready": False, "state": "loading", "reason": "loading 43 %", "restarts": 2},
        },
        "troubles": {},
    }
    served.worker("other")
    assert served.get_health("/readyz")[0] == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [("?model=demo", 200), ("?model=first", 200), ("?model=org/other", 503), ("?model=", 404), ("?model=x", 404)],
)
def test_readyz_of_one_model(serve: Serve, query: str, status: int) -> None:
    """For those who route by model: its own names, whatever the others do."""
    demo = ModelConfig(source="demo.gguf", aliases=("first",))
    served = serve(models={"demo": demo, "org/other": ModelConfig(source="other.gguf")})
    served.worker("demo")
    assert served.get_health(f"/readyz{query}")[0] == status


def test_lost_link_is_not_ready(served: Served) -> None:
    """A model whose worker hung up is not ready, even before the supervisor says so."""
    worker = served.worker()
    assert served.get_health("/readyz")[0] == 200
    worker.close()
    served.until(lambda: served.get_health("/readyz")[0] == 503)


def test_metrics(serve: Serve, notes: Notes) -> None:
    """The first observer with a page has it served; a page that breaks is 500, and the port lives on."""
    served = serve(observers={"notes": lambda: notes})
    status, body, content_type = served.get_health("/metrics", {"Accept": "application/openmetrics-text"})
    assert (status, body) == (200, b"noted application/openmetrics-text\n")
    assert content_type == "text/plain; version=0.0.4"
    notes.broken = True
    assert served.get_health("/metrics")[0] == 500
    assert served.get_health("/livez")[0] == 200


def test_without_metrics(served: Served) -> None:
    """Nobody has a page: 404."""
    assert served.get_health("/metrics")[0] == 404


def test_health_port_is_safe_from_rebinding(served: Served) -> None:
    """On loopback a web page cannot read it under its own name."""
    assert served.get_health("/readyz", {"Host": "evil.example"})[0] == 403


@pytest.mark.parametrize(("allowed", "status"), [(False, 404), (True, 200)])
def test_public_health_port_is_bare(
    loop: BackgroundLoop, kernel_of: Callable[..., Kernel], notes: Notes, *, allowed: bool, status: int
) -> None:
    """Beyond loopback: a word, no model names; metrics only if allowed; any host, as probes use addresses."""
    config = KernelConfig(health_metrics=allowed)
    server = GatewayServer(kernel_of(kernel=config, observers={"notes": lambda: notes}), started=0)
    health = socket.create_server(("0.0.0.0", 0))
    port = health.getsockname()[1]
    loop.run(server.start([], [health]))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        for path, expected, body in (
            ("/readyz", 503, b"not ready\n"),
            ("/readyz?model=unknown", 503, b"not ready\n"),
            ("/metrics", status, None),
        ):
            connection.request("GET", path, headers={"Host": "10.1.2.3:8081"})
            response = connection.getresponse()
            text = response.read()
            assert response.status == expected
            assert body is None or text == body
    finally:
        connection.close()
        loop.run(server.close())


def test_drain_finishes_what_runs(served: Served) -> None:
    """Readiness 503 and refusals at once, also on kept connections; what runs ends as if nothing were."""
    worker = served.worker()
    kept = served.connection()
    kept.request("GET", "/models")
    kept.getresponse().read()
    running = served.begin(stream=True)
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 16), TextDelta("one", 1))
    response = running.getresponse()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        drained = threads.submit(served.loop.run, served.server.drain(20))
        served.until(lambda: bool(json.loads(served.get_health("/readyz")[1])["draining"]))
        assert served.get_health("/readyz")[0] == 503
        kept.request("GET", "/models")
        refused = kept.getresponse()
        assert (refused.status, json.loads(refused.read())["code"]) == (503, "draining")
        assert refused.getheader("Retry-After") == "1"
        assert refused.getheader("Connection") == "close"
        assert not drained.done()
        worker.finish(submit.id, "two")
        assert response.read() == b"data: one\n\ndata: two\n\n"
        assert drained.result(timeout=20) is True


def test_drain_gives_up(served: Served) -> None:
    """What does not end in time is reported."""
    worker = served.worker()
    served.begin()
    worker.submitted()
    assert served.loop.run(served.server.drain(0.05)) is False


def test_drain_does_not_wait_for_half_a_request(served: Served) -> None:
    """A body that has not arrived when the drain begins is refused with 503, long before the drain gives up."""
    half = served.connection()
    half.putrequest("POST", "/generate")
    half.putheader("Content-Length", "100")
    half.endheaders(b"{")
    served.until(lambda: bool(served.server._edge._bodies._receiving))
    assert served.loop.run(served.server.drain(60)) is True
    refused = half.getresponse()
    assert (refused.status, json.loads(refused.read())["code"]) == (503, "draining")


def test_drain_when_idle(served: Served) -> None:
    """Nothing runs: done at once."""
    assert served.loop.run(served.server.drain(20)) is True


def test_close_ends_streams_with_an_error(served: Served) -> None:
    """An answer that is cut off says so."""
    worker = served.worker()
    running = served.begin(stream=True)
    worker.send(worker.submitted().id, Started(3, 16), TextDelta("one", 1))
    response = running.getresponse()
    served.close()
    assert response.read() == b"data: one\n\nevent: error\ndata: draining\n\n"
    assert worker.raw.recv(1) == b""
    with pytest.raises(OSError, match="refused"):
        served.connection().request("GET", "/models")


def test_large_answer_is_flushed_by_drain(served: Served) -> None:
    """Drain waits until a slow client's answer is out, not only until it is computed."""
    worker = served.worker()
    running = served.begin()
    text = "x" * 30_000_000
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 16), TextDelta(text, 1))
    worker.finish(submit.id)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        drained = threads.submit(served.loop.run, served.server.drain(20))
        response = running.getresponse()
        assert not drained.done()
        assert len(response.read()) == len(text)
        assert drained.result(timeout=20) is True


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.com:80", "127.0.0.1.evil:1"])
def test_public_bind_is_refused(kernel_of: Callable[..., Kernel], listen: str) -> None:
    """Without an authenticator nothing but loopback is listened on; the message says what to do."""
    with pytest.raises(ManifestError, match=r"kernel\.listen.*127\.0\.0\.1.*authenticator") as caught:
        GatewayServer(kernel_of(kernel=KernelConfig(listen=listen)), started=0)
    assert caught.value.param == "kernel.listen"


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "[::1]:0", "127.1.2.3:0"])
def test_loopback_bind_is_accepted(kernel_of: Callable[..., Kernel], listen: str) -> None:
    """Loopback in any spelling."""
    GatewayServer(kernel_of(kernel=KernelConfig(listen=listen)), started=0)


def test_public_socket_is_refused(loop: BackgroundLoop, kernel_of: Callable[..., Kernel]) -> None:
    """Whatever the configuration says, the socket itself is looked at."""
    with socket.create_server(("0.0.0.0", 0)) as public, pytest.raises(ManifestError, match=r"kernel\.listen"):
        loop.run(GatewayServer(kernel_of(), started=0).start([public], []))


def test_unix_socket(loop: BackgroundLoop, kernel_of: Callable[..., Kernel]) -> None:
    """A private ``AF_UNIX`` socket serves as well."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0jackfield-test-gateway")
    listener.listen()
    server = GatewayServer(kernel_of(), started=0)
    loop.run(server.start([listener], []))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect("\0jackfield-test-gateway")
        client.sendall(b"GET /models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 200 ")
    loop.run(server.close())


def test_alias_of_two_models(kernel_of: Callable[..., Kernel]) -> None:
    """A name means one model."""
    models = {"one": ModelConfig(source="a", aliases=("x",)), "two": ModelConfig(source="b", aliases=("x",))}
    with pytest.raises(ManifestError, match="x is already a name of the model one"):
        GatewayServer(kernel_of(models=models), started=0)


def test_factory_that_raises(kernel_of: Callable[..., Kernel]) -> None:
    """The plugin at fault is named."""

    def broken(*_: object) -> None:
        raise KeyError("nope")

    with pytest.raises(PluginError, match="observer bad: its factory raised KeyError"):
        GatewayServer(kernel_of(observers={"bad": broken}), started=0)
    with pytest.raises(PluginError, match="frontend bad could not be made: KeyError"):
        GatewayServer(kernel_of(frontends={"bad": broken}), started=0)


def test_factory_that_makes_something_else(kernel_of: Callable[..., Kernel]) -> None:
    """Said at the start, not at the first event or request."""

    class Routeless:
        def __init__(self, gateway: Gateway) -> None:
            self.gateway = gateway

        def routes(self) -> list[str]:
            return ["/v1"]

    with pytest.raises(PluginError, match=r"observer bad: its factory made dict, which has no observe\(\)"):
        GatewayServer(kernel_of(observers={"bad": dict}), started=0)
    with pytest.raises(PluginError, match=r"frontend bad: routes\(\) must give Route records, not str"):
        GatewayServer(kernel_of(frontends={"bad": Routeless}), started=0)


def test_connection_for_an_unknown_model(served: Served) -> None:
    """It is closed, and nothing else happens."""
    ours, theirs = socket.socketpair()

    async def attach() -> None:
        served.server.attach("nobody", theirs)

    served.loop.run(attach())
    with ours:
        ours.settimeout(20)
        assert ours.recv(1) == b""
