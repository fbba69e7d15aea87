"""A gateway on real sockets with a small frontend of its own, and workers played by the test."""

from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import ExitStack, aclosing
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import msgspec
import pluggy
import pytest
from aiohttp import web

from jackfield.channel.local import MessageSocket
from jackfield.channel.messages import Cancel, Events, SequenceEvent, Submit, WorkerStatus, to_gateway, to_worker
from jackfield.errors import InternalError, JackfieldError
from jackfield.errors import http as http_row
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import InstanceRef, KernelConfig, Manifest, ModelConfig
from jackfield.plugin_calls import PluginCalls
from jackfield.plugin_instance import HookSet, PluginInstance
from jackfield.plugins import Kernel
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.frontend import ErrorPayload, Frontend, FrontendFactory, Gateway, Route
from jackfield.testing.background import BackgroundLoop
from jackfield.types import Finished, GenerateRequest, Started, TextDelta, TextPrompt, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.identity import AuthenticatorFactory
    from jackfield.ports.observer import EngineStats, ObservedEvent, ObserverFactory
    from jackfield.ports.policy import PolicyEngineFactory
    from jackfield.types import GenerateEvent

DEADLINE_S = 20.0
"""Nothing here takes a second on an idle machine."""

INFO = ModelInfo(
    architecture="llama",
    title="tiny",
    description="llama 2M",
    parameters=2,
    size_bytes=2,
    context_train=64,
    vocabulary=9,
)
LIMITS = RunnerLimits(context=64, max_sequences=2, kv_tokens=128, max_batch_tokens=32)


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What the small frontend's ``/generate`` takes."""

    prompt: str
    model: str = "demo"
    stream: bool = False


class SmallFrontend:
    """A dialect as small as one can be, and the ways in which a handler can go wrong."""

    def __init__(self, gateway: Gateway, prefix: str = "") -> None:
        self.gateway = gateway
        self.prefix = prefix
        self.kept: list[AsyncGenerator[GenerateEvent, None]] = []

    def routes(self) -> Sequence[Route]:
        """``PREFIX/generate`` and friends."""
        return (
            Route("POST", f"{self.prefix}/generate", self.generate),
            Route("POST", f"{self.prefix}/length", self.length),
            Route("GET", f"{self.prefix}/models", self.models),
            Route("POST", f"{self.prefix}/surrogate", self.surrogate),
            Route("POST", f"{self.prefix}/abandon", self.abandon),
            Route("GET", f"{self.prefix}/boom", self.boom),
            Route("GET", f"{self.prefix}/late-boom", self.late_boom),
            Route("GET", f"{self.prefix}/redirect", self.redirect),
            Route("GET", f"{self.prefix}/items/{{id}}", self.item),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        """``{"dialect", "code", "message", "param", "id"}``."""
        row = http_row(error)
        body = {
            "dialect": self.prefix,
            "code": row.code,
            "message": error.message,
            "param": error.param,
            "id": request_id,
        }
        return ErrorPayload(
            status=row.status, body=json.dumps(body).encode(), headers={"x-dialect": self.prefix or "/"}
        )

    async def generate(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """The text, at once or as server-sent events."""
        body = msgspec.json.decode(await request.read(), type=Body)
        asked = GenerateRequest(model=body.model, prompt=TextPrompt(body.prompt))
        async with aclosing(self.gateway.generate(context, asked)) as events:
            if not body.stream:
                return web.Response(
                    text="".join([event.text async for event in events if isinstance(event, TextDelta)])
                )
            await anext(events)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            try:
                async for event in events:
                    if isinstance(event, TextDelta):
                        await response.write(b"data: %b\n\n" % event.text.encode())
            except JackfieldError as error:
                await response.write(b"event: error\ndata: %b\n\n" % http_row(error).code.encode())
            return response

    async def length(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """How many bytes the body has."""
        return web.Response(text=str(len(await request.read())))

    async def models(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """The model cards."""
        return web.Response(body=msgspec.json.encode(self.gateway.models(context)))

    async def surrogate(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """Ask for text that UTF-8 cannot write."""
        async for _ in self.gateway.generate(context, GenerateRequest(model="demo", prompt=TextPrompt("\ud800"))):
            pass
        return web.Response()

    async def abandon(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """Begin a generation and forget to close it."""
        asked = GenerateRequest(model="demo", prompt=TextPrompt("hi"))
        self.kept.append(self.gateway.generate(context, asked))
        await anext(self.kept[-1])
        return web.Response(text="whatever")

    async def boom(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """A defect."""
        raise ValueError("hunter2 in /etc/secret")

    async def late_boom(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """A defect after the first byte."""
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"so far so good")
        raise ValueError("hunter2")

    async def redirect(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """Elsewhere."""
        raise web.HTTPFound("/models")

    async def item(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """A path with a variable."""
        return web.Response(text=request.match_info["id"])


class UglyFrontend(SmallFrontend):
    """One that breaks the promise that rendering an error never raises."""

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        """Breaks."""
        raise InternalError(f"cannot render {error} {request_id}")


class Notes:
    """An observer that keeps what it is told, and has a page."""

    def __init__(self) -> None:
        self.events: list[ObservedEvent] = []
        self.broken = False

    def observe(self, event: ObservedEvent) -> None:
        """Take note."""
        self.events.append(event)
        if self.broken:
            raise ValueError("the observer is broken")

    def render(self, accept: str) -> tuple[str, bytes]:
        """A page that says what was accepted."""
        if self.broken:
            raise ValueError("the page is broken")
        return "text/plain; version=0.0.4", f"noted {accept}\n".encode()


class GivenKernel(Kernel):
    """A kernel whose plugins the test hands over."""

    def __init__(
        self,
        manifest: Manifest,
        frontends: Mapping[str, FrontendFactory],
        observers: Mapping[str, ObserverFactory],
        authenticators: Mapping[str, AuthenticatorFactory],
        policies: Mapping[str, PolicyEngineFactory],
    ) -> None:
        super().__init__(manifest, pluggy.PluginManager("jackfield"), (), PluginCalls())
        self._frontends = frontends
        self._observers = observers
        self._authenticators = authenticators
        self._policies = policies

    def frontends(self) -> Mapping[str, FrontendFactory]:
        """As given."""
        return self._frontends

    def observers(self) -> Mapping[str, ObserverFactory]:
        """As given."""
        return self._observers

    def authenticators(self) -> Mapping[str, AuthenticatorFactory]:
        """As given."""
        return self._authenticators

    def policies(self) -> Mapping[str, PolicyEngineFactory]:
        """As given."""
        return self._policies

    def scheduler_owners(self) -> Mapping[str, PluginInstance]:
        """One, as in every kernel that serves."""
        ref = InstanceRef("fcfs", "fcfs", defaulted=True)
        return {"fcfs": PluginInstance(ref, "tests", HookSet(ModuleType("fcfs")), self.manifest)}


class FakeWorker:
    """The worker's end of a link, driven by the test step by step."""

    def __init__(self) -> None:
        self.theirs, ours = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        self.raw = ours
        self._messages = MessageSocket(ours, to_worker(), to_gateway())
        self._inbox: list[Submit | Cancel] = []

    def submitted(self) -> Submit:
        """The next message, which must be a request."""
        message = self._next()
        assert isinstance(message, Submit)
        return message

    def cancelled(self) -> int:
        """The next message, which must be a cancellation."""
        message = self._next()
        assert isinstance(message, Cancel)
        return message.id

    def send(self, number: int, *events: SequenceEvent) -> None:
        """Events of one request, in one message."""
        self._messages.send(Events([(number, event) for event in events]))

    def report(self, stats: EngineStats) -> None:
        """The engine's figures."""
        self._messages.send(stats)

    def finish(self, number: int, *texts: str) -> None:
        """The rest of an answer."""
        self.send(number, *[TextDelta(text, 1) for text in texts], finished(len(texts)))

    def answer(self, *texts: str) -> Submit:
        """Take the next request and answer it whole."""
        submit = self.submitted()
        self.send(submit.id, Started(3, 16))
        self.finish(submit.id, *texts)
        return submit

    def close(self) -> None:
        """Die."""
        self._messages.close()

    def _next(self) -> Submit | Cancel:
        while not self._inbox:
            self._inbox += self._messages.receive()
        return self._inbox.pop(0)


def finished(tokens: int, *, service_s: float = 0.5) -> Finished:
    """The end of an answer."""
    return Finished("stop", Usage(3, tokens, 1), Timings(0.25, service_s / 2, service_s / 2))


class Served:
    """A gateway that serves, and clients of it. All of it is used by the test's thread."""

    def __init__(self, loop: BackgroundLoop, server: GatewayServer, resources: ExitStack) -> None:
        self.loop = loop
        self.server = server
        self._resources = resources
        self.public, self.health = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.public_port = int(self.public.getsockname()[1])
        self.health_port = int(self.health.getsockname()[1])
        loop.run(server.start([self.public], [self.health]))

    def worker(self, model: str = "demo") -> FakeWorker:
        """Attach a ready worker."""
        worker = FakeWorker()
        self._resources.callback(worker.close)
        self.loop.run(self._attach(model, worker.theirs))
        self.until(lambda: self.ready(model))
        return worker

    def tell(self, status: WorkerStatus) -> None:
        """Report a worker's state, as the supervisor would."""

        async def change() -> None:
            self.server.worker_changed(status)

        self.loop.run(change())

    def ready(self, model: str = "demo") -> bool:
        """What ``/readyz`` says of *model*."""
        rows = json.loads(self.get_health("/readyz")[1])["models"]
        return bool(rows[model]["ready"])

    def connection(self) -> http.client.HTTPConnection:
        """A client's connection to the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public_port, timeout=DEADLINE_S)
        self._resources.callback(connection.close)
        return connection

    def raw(self, data: bytes) -> socket.socket:
        """A client's bare connection to the API, with *data* sent."""
        client = socket.create_connection(("127.0.0.1", self.public_port), timeout=DEADLINE_S)
        self._resources.callback(client.close)
        client.sendall(data)
        return client

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Send a request and wait for its response's headers."""
        connection = self.connection()
        connection.request(method, path, body, dict(headers or {}))
        return connection.getresponse()

    def begin(self, *, stream: bool = False, model: str = "demo", prompt: str = "hi") -> http.client.HTTPConnection:
        """Send a request to ``/generate`` without waiting."""
        connection = self.connection()
        body = json.dumps({"prompt": prompt, "stream": stream, "model": model})
        connection.request("POST", "/generate", body, {"x-request-id": "mine-1"})
        return connection

    def get_health(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes, str]:
        """Status, body and content type of a page on the health port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read(), response.getheader("Content-Type", "")
        finally:
            connection.close()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for *condition*, which no event announces."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.005)

    def close(self) -> None:
        """End the gateway."""
        self.loop.run(self.server.close())

    async def _attach(self, model: str, connection: socket.socket) -> None:
        self.server.worker_changed(WorkerStatus(model=model, state="ready", info=INFO, limits=LIMITS))
        self.server.attach(model, connection)


class Serve(Protocol):
    """Makes a serving gateway."""

    def __call__(
        self,
        *,
        kernel: KernelConfig = ...,
        models: Mapping[str, ModelConfig] | None = ...,
        frontends: Mapping[str, FrontendFactory] | None = ...,
        observers: Mapping[str, ObserverFactory] | None = ...,
        authenticators: Mapping[str, AuthenticatorFactory] | None = ...,
        policies: Mapping[str, PolicyEngineFactory] | None = ...,
    ) -> Served:
        """With these settings."""
        ...


def make_kernel(
    kernel: KernelConfig | None = None,
    models: Mapping[str, ModelConfig] | None = None,
    frontends: Mapping[str, FrontendFactory] | None = None,
    observers: Mapping[str, ObserverFactory] | None = None,
    authenticators: Mapping[str, AuthenticatorFactory] | None = None,
    policies: Mapping[str, PolicyEngineFactory] | None = None,
) -> Kernel:
    """A kernel of one model and one frontend, or what is given instead."""
    manifest = Manifest(
        enabled=(),
        kernel=kernel or KernelConfig(queue=1),
        models=dict(models or {"demo": ModelConfig(source="demo.gguf", max_sequences=2, aliases=("default",))}),
    )
    given = frontends if frontends is not None else {"small": SmallFrontend}
    return GivenKernel(manifest, given, observers or {}, authenticators or {}, policies or {})


@pytest.fixture(scope="package")
def loop() -> Iterator[BackgroundLoop]:
    """The event loop of all gateways here."""
    with BackgroundLoop() as background:
        yield background


@pytest.fixture
def kernel_of() -> Callable[..., Kernel]:
    """Makes kernels; see ``make_kernel``."""
    return make_kernel


@pytest.fixture
def serve(loop: BackgroundLoop) -> Iterator[Serve]:
    """Makes gateways; they and their clients end with the test."""
    with ExitStack() as resources:

        def make(
            *,
            kernel: KernelConfig | None = None,
            models: Mapping[str, ModelConfig] | None = None,
            frontends: Mapping[str, FrontendFactory] | None = None,
            observers: Mapping[str, ObserverFactory] | None = None,
            authenticators: Mapping[str, AuthenticatorFactory] | None = None,
            policies: Mapping[str, PolicyEngineFactory] | None = None,
        ) -> Served:
            given = make_kernel(kernel, models, frontends, observers, authenticators, policies)
            server = GatewayServer(given, started=1_700_000_000)
            served = Served(loop, server, resources)
            resources.callback(served.close)
            return served

        yield make


@pytest.fixture
def served(serve: Serve) -> Served:
    """A gateway of the model ``demo`` (2 at once, 1 waiting) without a worker."""
    return serve()


@pytest.fixture
def ugly() -> FrontendFactory:
    """A frontend that cannot render errors."""
    return UglyFrontend


@pytest.fixture
def small() -> Callable[[str], FrontendFactory]:
    """Small frontends under a prefix."""

    def at(prefix: str) -> FrontendFactory:
        def make(gateway: Gateway) -> Frontend:
            return SmallFrontend(gateway, prefix)

        return make

    return at


@pytest.fixture
def notes() -> Notes:
    """An observer's notes."""
    return Notes()
