"""What every ``Frontend`` must pass.

Subclass ``FrontendKit`` in a test module and say which plugin it is about, and what its dialect looks like::

    class TestConformance(FrontendKit):
        manifest = 'enabled = ["my-plugin"]'
        needs = {"path": "/my/generate", "body": '{"q": "hi"}', "stream_body": '{"q": "hi", "live": true}',
                 "text": "answer", "stream_text": "piece", "end": "[DONE]"}

A frontend that has no model answer says ``needs = {"generates": False}``; the promises about answers are then left out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.errors import HTTP, JackfieldError, QueueFull, WorkerDied, http
from jackfield.plugins import Kernel
from jackfield.ports.identity import SCOPE
from jackfield.testing.kits.kit import Kit
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, finished, serve_frontend
from jackfield.types import Started, TextDelta

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.ports.frontend import FrontendFactory
    from jackfield.testing.kits.scripted_gateway import Step

T = TypeVar("T")

DEADLINE_S: Final = 10.0
"""Longest wait for something that takes milliseconds."""

_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixtures are stateless, the kit's subclasses share its tests, and each example starts an HTTP server."""

_BODY_LIMIT: Final = 1 << 16

HOSTILE_BODIES: Final[dict[str, bytes]] = {
    "empty": b"",
    "not JSON": b"hello",
    "cut off": b'{"model": "demo", "mess',
    "an array": b"[]",
    "a string": b'"demo"',
    "null": b"null",
    "not UTF-8": b'{"model": "\xff\xfe"}',
    "a lone surrogate": b'{"model": "\\ud800"}',
    "NaN": b'{"temperature": NaN}',
    "a number beyond all floats": b'{"temperature": 1e999}',
    "an integer of 6000 digits": b'{"seed": ' + b"9" * 6000 + b"}",
    "10000 levels of arrays": b'{"messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10000 levels of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a byte order mark": b"\xef\xbb\xbf{}",
    "too large": b'{"user": "' + b"x" * _BODY_LIMIT + b'"}',
}
"""Bodies that no dialect takes; each must give a 4xx."""


@dataclass(frozen=True)
class ReadStream:
    """What a client of the dialect reads in a streamed answer."""

    text: str
    complete: bool
    """Whether the stream ended the way the dialect ends a whole answer."""
    errors: int
    """How many error events it had."""


@dataclass(frozen=True)
class Exchange:
    """One generation in the frontend's dialect, for a model named ``demo``."""

    path: str
    body: bytes
    """Asks for a whole answer."""
    stream_body: bytes
    """Asks for a streamed one."""
    read_answer: Callable[[bytes], str]
    """The text in a whole answer's body."""
    read_stream: Callable[[bytes], ReadStream]
    """What is in a streamed answer's body."""
    method: str = "POST"


Answer: TypeAlias = tuple[int, bytes]
"""Status and body."""


class ExchangeNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of one generation in the dialect, for a model named ``demo``.

    Raises:
        ValueError: There are generations, and not all is said of them.
    """

    generates: bool = True
    """Whether the frontend has a model answer: then all that is empty by default must be said, else nothing."""
    path: str = ""
    body: str = ""
    """Asks for a whole answer, which is JSON."""
    stream_body: str = ""
    """Asks for a streamed one: server-sent events, or one JSON object a line."""
    text: str = ""
    """Where the text of a whole answer is: ``choices.0.message.content``."""
    stream_text: str = ""
    """Where the text of one event is; events without it have none."""
    stream_error: str = "error"
    """What an error event has at its top."""
    end: str = ""
    """What the last event of a whole stream has in it: ``[DONE]``, ``"done":true``."""
    method: str = "POST"

    def __post_init__(self) -> None:
        for name in ("path", "body", "stream_body", "text", "stream_text", "end"):
            if self.generates and not getattr(self, name):
                raise ValueError(f"Object missing required field `{name}`")

    def exchange(self) -> Exchange:
        """It, as the kit plays it."""
        return Exchange(
            self.path,
            self.body.encode(),
            self.stream_body.encode(),
            read_answer=lambda data: str(_at(msgspec.json.decode(data), self.text)),
            read_stream=self._read_stream,
            method=self.method,
        )

    def _read_stream(self, data: bytes) -> ReadStream:
        lines = [line.removeprefix(b"data:").strip() for line in data.split(b"\n")]
        events = [_json(line) for line in lines if line.startswith(b"{")]
        text = "".join(str(_at(event, self.stream_text) or "") for event in events)
        last = next((line for line in reversed(lines) if line), b"")
        errors = sum(_at(event, self.stream_error) is not None for event in events)
        return ReadStream(text, complete=self.end.encode() in last, errors=errors)


def _json(line: bytes) -> object:
    decoded: object = msgspec.json.decode(line)
    return decoded


def _at(value: object, path: str) -> object:
    """What stands at *path*; None where nothing does."""
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


class FrontendKit(Kit):
    """The kit. Each test plays a script behind the frontend and reads its answers over HTTP."""

    Needs = ExchangeNeeds

    @pytest.fixture
    def make_frontend(self) -> FrontendFactory:
        """The factory that the plugin hands over."""
        factory: FrontendFactory = self.made(Kernel.frontends)
        return factory

    @pytest.fixture
    def exchange(self) -> Exchange:
        """A generation in the plugin's dialect."""
        needs = self.told(ExchangeNeeds)
        if not needs.generates:
            pytest.skip("the frontend has no model answer")
        return needs.exchange()

    def test_routes_are_distinct_and_served_by_coroutines(self, make_frontend: FrontendFactory) -> None:
        """The kernel mounts what ``routes`` gives: paths from the root, no pair twice, handlers that can be awaited."""
        routes = make_frontend(ScriptedGateway()).routes()
        assert routes, "a frontend without routes serves nothing"
        claims = [(route.method, route.path) for route in routes]
        assert len(set(claims)) == len(claims), f"a method and path twice: {claims}"
        for route in routes:
            assert route.path.startswith("/"), route.path
            assert SCOPE.match(route.scope), f"{route.path}: {route.scope!r} is not a scope"
            web.Application().router.add_route(route.method, route.path, _unused)
            assert asyncio.iscoroutinefunction(route.handler), f"{route.path}: the handler must be async"

    def test_making_it_asks_for_nothing(self, make_frontend: FrontendFactory) -> None:
        """Frontends are made before any worker is ready."""
        gateway = ScriptedGateway()
        make_frontend(gateway).routes()
        assert not gateway.requests

    @pytest.mark.parametrize("kind", HTTP, ids=lambda kind: kind.__name__)
    def test_every_error_keeps_its_status_and_message(
        self, make_frontend: FrontendFactory, kind: type[JackfieldError]
    ) -> None:
        """Errors look as the dialect wants, but a client must be able to act on them."""
        error = kind("the reason", param="messages[0].content")
        payload = make_frontend(ScriptedGateway()).render_error(error, "req-1")
        assert payload.status == http(error).status
        assert b"the reason" in payload.body
        assert payload.content_type

    @pytest.mark.parametrize("text", ["", '"quoted" \\ and\nbroken', "日本語 🎹", "x" * 100_000])
    def test_any_message_can_be_rendered(self, make_frontend: FrontendFactory, text: str) -> None:
        """``render_error`` must not raise."""
        payload = make_frontend(ScriptedGateway()).render_error(JackfieldError(text, param=text), "req-1")
        payload.body.decode()

    @pytest.mark.parametrize("texts", [(), ("Hello",), ("Hel", "lo", " 日本", "🎹", ' "quoted"\n\\')])
    def test_a_whole_answer_has_the_text(
        self, make_frontend: FrontendFactory, exchange: Exchange, texts: tuple[str, ...]
    ) -> None:
        """All pieces, in order, and nothing else."""
        status, body = self.play(make_frontend, exchange, answer(*texts))
        assert status == 200, body
        assert exchange.read_answer(body) == "".join(texts)

    @settings(max_examples=25, deadline=None, suppress_health_check=_ACCEPTED)
    @given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=12))
    def test_a_stream_has_the_text(self, make_frontend: FrontendFactory, exchange: Exchange, texts: list[str]) -> None:
        """All pieces, in order, and nothing else, whatever characters they have; then the dialect's end."""
        status, body = self.play(make_frontend, exchange, answer(*texts), stream=True)
        assert status == 200, body
        assert exchange.read_stream(body) == ReadStream("".join(texts), complete=True, errors=0)

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_refusal_is_a_status(self, make_frontend: FrontendFactory, exchange: Exchange, *, stream: bool) -> None:
        """Also for a streamed request: nothing was sent yet."""
        status, body = self.play(make_frontend, exchange, [QueueFull("too much work")], stream=stream)
        assert status == 429
        assert b"too much work" in body

    @pytest.mark.parametrize("stream", [False, True])
    def test_an_error_before_the_first_text_is_a_status(
        self, make_frontend: FrontendFactory, exchange: Exchange, *, stream: bool
    ) -> None:
        """That a worker accepted the request does not yet make it a success."""
        script: list[Step] = [Started(7, 64), WorkerDied("the worker ended")]
        status, body = self.play(make_frontend, exchange, script, stream=stream)
        assert status == 503
        assert b"the worker ended" in body

    def test_an_error_in_a_whole_answer_is_a_status(self, make_frontend: FrontendFactory, exchange: Exchange) -> None:
        """Half an answer is never passed off as one."""
        script: list[Step] = [Started(7, 64), TextDelta("Hel", 1), WorkerDied("the worker ended")]
        status, body = self.play(make_frontend, exchange, script)
        assert status == 503
        assert b"the worker ended" in body

    def test_an_error_in_a_stream_is_one_event_and_no_end_mark(
        self, make_frontend: FrontendFactory, exchange: Exchange
    ) -> None:
        """The text so far, one error, and nothing that would make the answer look whole; the context knows the code."""
        gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), WorkerDied("the worker ended")])
        status, body = self.play(make_frontend, exchange, gateway.script, stream=True, gateway=gateway)
        assert status == 200
        assert exchange.read_stream(body) == ReadStream("Hel", complete=False, errors=1)
        assert b"the worker ended" in body
        assert gateway.contexts[0].code == "worker_died"

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_client_that_leaves_ends_the_generation(
        self, make_frontend: FrontendFactory, exchange: Exchange, *, stream: bool
    ) -> None:
        """The generator is closed, which cancels the request in the worker."""

        async def leave(server: TestServer, gateway: ScriptedGateway) -> None:
            async with aiohttp.ClientSession() as session:
                sending = asyncio.create_task(_send(session, server, exchange, stream=stream))
                await _until(lambda: gateway.open == 1)
                if stream:
                    response = await sending
                    await response.content.readany()
                    response.close()
                sending.cancel()
            await _until(lambda: gateway.open == 0)
            assert gateway.left == 1

        script: list[Step] = [Started(7, 64), TextDelta("Hel", 1), asyncio.Event()]
        self.run(make_frontend, ScriptedGateway(script), leave)

    @pytest.mark.parametrize("stream", [False, True])
    def test_no_generation_stays_open(
        self, make_frontend: FrontendFactory, exchange: Exchange, *, stream: bool
    ) -> None:
        """A frontend reads to the end, or closes."""
        gateway = ScriptedGateway([*answer("Hello")[:-1], finished(1)])
        self.play(make_frontend, exchange, gateway.script, stream=stream, gateway=gateway)
        assert (gateway.open, gateway.left) == (0, 0)

    @pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=list(HOSTILE_BODIES))
    def test_hostile_bodies_are_refused(self, make_frontend: FrontendFactory, exchange: Exchange, body: bytes) -> None:
        """The client's fault, said as such, and nothing was generated for it."""
        gateway = ScriptedGateway()

        async def send(server: TestServer, _gateway: ScriptedGateway) -> int:
            async with (
                aiohttp.ClientSession() as session,
                session.request(exchange.method, server.make_url(exchange.path), data=body) as response,
            ):
                await response.read()
                return response.status

        status = self.run(make_frontend, gateway, send)
        assert 400 <= status < 500
        assert not gateway.requests

    def play(
        self,
        make_frontend: FrontendFactory,
        exchange: Exchange,
        script: Sequence[Step],
        *,
        stream: bool = False,
        gateway: ScriptedGateway | None = None,
    ) -> Answer:
        """Send the exchange's request while *script* plays behind the frontend."""

        async def send(server: TestServer, _gateway: ScriptedGateway) -> Answer:
            async with aiohttp.ClientSession() as session:
                response = await _send(session, server, exchange, stream=stream)
                return response.status, await response.read()

        return self.run(make_frontend, gateway or ScriptedGateway(script), send)

    def run(
        self,
        make_frontend: FrontendFactory,
        gateway: ScriptedGateway,
        scenario: Callable[[TestServer, ScriptedGateway], Awaitable[T]],
    ) -> T:
        """Run *scenario* against the frontend on a server of its own."""

        async def serve() -> T:
            server = TestServer(serve_frontend(make_frontend, gateway, body_limit=_BODY_LIMIT))
            async with asyncio.timeout(DEADLINE_S), server:
                return await scenario(server, gateway)

        return asyncio.run(serve())


async def _send(
    session: aiohttp.ClientSession, server: TestServer, exchange: Exchange, *, stream: bool
) -> aiohttp.ClientResponse:
    body = exchange.stream_body if stream else exchange.body
    headers = {"Content-Type": "application/json"}
    return await session.request(exchange.method, server.make_url(exchange.path), data=body, headers=headers)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - polled under the scenario's deadline
        await asyncio.sleep(0.001)


async def _unused(_request: web.Request) -> web.StreamResponse:
    raise AssertionError("only mounted")
