"""Steps: clients that behave badly, come through a proxy, or are in a hurry; and what an operator sets against them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import pytest
from pytest_bdd import given, then, when

from jackfield.testing.command import CommandResult, run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Connections that the scenario holds open."""
    with ExitStack() as connections:
        yield connections


def settings(datatable: Sequence[Sequence[str]]) -> str:
    """Rows of key and value as lines of ``[kernel]``."""
    return "\n".join(f"{key} = {value}" for key, value in datatable)


@given("a server with a scripted model and these kernel settings", target_fixture="server")
def configured_server(servers: Callable[[str], Target], datatable: list[list[str]]) -> Target:
    """In this process; its model runs one request at a time."""
    return servers(scripted_manifest({"scripted": "max_sequences = 1"}, kernel=settings(datatable)))


@given("jackfield serve runs with a scripted model and these kernel settings", target_fixture="service")
def configured_service(serve: Callable[[str], ServeProcess], datatable: list[list[str]]) -> ServeProcess:
    """Supervisor, gateway and a worker, all ready."""
    service = serve(scripted_manifest(kernel=settings(datatable)))
    service.wait_ready()
    return service


@given(
    words("a server with a scripted model whose streams get a comment after {seconds:g} seconds"),
    target_fixture="server",
)
def commenting_server(servers: Callable[[str], Target], seconds: float) -> Target:
    """In this process; its model runs one request at a time."""
    manifest = scripted_manifest({"scripted": "max_sequences = 1"})
    return servers(f"{manifest}\n[config.openai]\nkeepalive_s = {seconds:g}\n")


def connect(server: Target) -> socket.socket:
    """A bare connection to the API."""
    url = urlsplit(server.url)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=20)


@when("a client sends half a request and falls silent", target_fixture="silent")
def half_request(server: Target, held: ExitStack) -> socket.socket:
    """Headers that never end."""
    client = held.enter_context(connect(server))
    client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-More: ")
    return client


@then("it is disconnected")
def disconnected(silent: socket.socket) -> None:
    """Without an answer."""
    with contextlib.suppress(ConnectionError):
        assert silent.recv(1) == b""


@when(words("a client holds {count:d} connections"))
def hold(server: Target, held: ExitStack, count: int) -> None:
    """All of them accepted, and nothing asked on them."""
    for _ in range(count):
        client = held.enter_context(connect(server))
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"


@when("the client goes away")
def let_go(held: ExitStack) -> None:
    """With all of its connections."""
    held.close()


@then(words("within {seconds:g} seconds {prompt:Text} is answered again"))
def answered_again(server: Target, seconds: float, prompt: str) -> None:
    """Some request succeeds."""
    assert server.run(_until_answered(server, prompt, seconds)) == 200


async def _until_answered(server: Target, prompt: str, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    status = 0
    body: JsonValue = {"model": server.client.model, "messages": [{"role": "user", "content": prompt}]}
    while status != 200 and loop.time() < deadline:
        # a connection that is kept would count against the next scenario's client
        reply = await server.client.request("POST", "/v1/chat/completions", body, headers={"Connection": "close"})
        status = reply.status
    return status


@when(words("I ask {prompt:Text} with a deadline of {milliseconds:d} ms"), target_fixture="reply")
def ask_in_a_hurry(server: Target, prompt: str, milliseconds: int) -> Reply:
    """With ``x-request-timeout-ms``."""
    return _ask(server, prompt, {"x-request-timeout-ms": str(milliseconds)})


@when(words("I ask {prompt:Text} through a proxy that says it is for {client:Text}"), target_fixture="reply")
def ask_through_proxy(server: Target, prompt: str, client: str) -> Reply:
    """With ``X-Forwarded-For``."""
    return _ask(server, prompt, {"X-Forwarded-For": client})


def _ask(server: Target, prompt: str, headers: dict[str, str]) -> Reply:
    body: JsonValue = {"model": server.client.model, "messages": [{"role": "user", "content": prompt}]}
    return server.run(server.client.request("POST", "/v1/chat/completions", body, headers=headers))


@when(words("I look at {path:Text} as JSON"), target_fixture="reply")
def look_as_json(server: Target, path: str) -> Reply:
    """A page of the health port, with ``Accept: application/json``."""
    return server.run(server.probe.request("GET", path, headers={"Accept": "application/json"}))


class _Sample(msgspec.Struct):
    value: float | None = None
    count: int | None = None
    percentiles: dict[str, float | None] = {}


class _Metric(msgspec.Struct):
    samples: list[_Sample]


@then(words("the page says that {name:Text} is at least {value:d}"))
def json_value(reply: Reply, name: str, value: int) -> None:
    """A metric, summed over its labels; other scenarios may have asked the same server."""
    assert sum(sample.value or 0 for sample in _metric(reply, name).samples) >= value


@then(words("the page has the median and the 99th percentile of {name:Text}"))
def json_percentiles(reply: Reply, name: str) -> None:
    """Of a histogram."""
    (sample,) = _metric(reply, name).samples
    median, high = sample.percentiles["p50"], sample.percentiles["p99"]
    assert median is not None
    assert high is not None
    assert 0 < median <= high


def _metric(reply: Reply, name: str) -> _Metric:
    return msgspec.json.decode(reply.body, type=dict[str, _Metric])[name]


@when(words("the log level in plugins.toml becomes {level:Text} and SIGHUP is sent"))
def change_log_level(service: ServeProcess, level: str) -> None:
    """And the supervisor has said what it made of it."""
    file = service.folder / "plugins.toml"
    file.write_text(file.read_text().replace('log_level = "info"', f'log_level = "{level}"'))
    service.signal(signal.SIGHUP)
    service.wait("an answer to SIGHUP", lambda: "log_level" in service.announced or "log level" in service.announced)


@when("a second server is started at the same address", target_fixture="result")
def second_server(service: ServeProcess) -> CommandResult:
    """It cannot."""
    address = service.target.url.removeprefix("http://")
    return run_command(f"serve --listen {address} --health 127.0.0.1:0", service.folder)


@then("it says which process has the address")
def names_owner(service: ServeProcess, result: CommandResult) -> None:
    """By its number: the supervisor's, who has held it from the start."""
    assert "already in use by " in result.output, result.output
    assert f"process {service.pid}" in result.output, result.output


@then("a comment comes before the first text")
def comment_first(raw_stream: bytes) -> None:
    """So that nobody on the way hangs up."""
    assert raw_stream.startswith(b": ")
    assert b"data: " in raw_stream


@when(words("I stream {prompt:Text} while {other:Text} is being answered"), target_fixture="raw_stream")
def stream_behind(server: Target, prompt: str, other: str) -> bytes:
    """All bytes of a streamed answer that has to wait for another one."""
    opened = server.run(server.client.open(other))
    server.run(opened.reached(1))
    messages = [{"role": "user", "content": prompt}]
    body: JsonValue = {"model": server.client.model, "messages": messages, "stream": True}
    reply = server.run(server.client.request("POST", "/v1/chat/completions", body))
    server.run(opened.finished())
    return reply.body
