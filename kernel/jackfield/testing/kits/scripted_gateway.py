"""A ``Gateway`` port that plays a script, and the least of an HTTP server around a frontend."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from aiohttp import web

from jackfield.context import RequestContext
from jackfield.errors import BodyTooLarge, JackfieldError, UnsupportedField
from jackfield.pooled import Pooled
from jackfield.ports.backend import ModelInfo
from jackfield.ports.frontend import ModelCard
from jackfield.types import Finished, Started, TextDelta, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from jackfield.context import Room
    from jackfield.moderation import Moderation
    from jackfield.pooled import PoolRequest
    from jackfield.ports.frontend import Frontend, FrontendFactory, Handler
    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import KeyIssuer
    from jackfield.ports.limiter import LimitBook, Standing
    from jackfield.ports.operating import Operator
    from jackfield.ports.policy_store import PolicyDocuments
    from jackfield.ports.records import RecordStore
    from jackfield.questions import Question, Reply
    from jackfield.types import FinishReason, GenerateEvent, GenerateRequest

MODEL: Final = "demo"
"""Name of the only model."""

ALIAS: Final = "default"
"""Its other name."""

CREATED: Final = 1_700_000_000

Step: TypeAlias = "GenerateEvent | JackfieldError | asyncio.Event"
"""One step of a script: an event to yield, an error to raise, or something to wait for."""

PoolStep: TypeAlias = "Pooled | JackfieldError | asyncio.Event"
"""One step of a pooled request's script: the result, an error to raise, or something to wait for."""

VECTOR: Final = (0.5, -0.5, 0.5, -0.5)
"""What every input is embedded as, where no script says otherwise; its length is 1."""

LABELS: Final = ("cat", "dog")
"""What inputs are classified as."""

INFO: Final = ModelInfo(
    architecture="scripted",
    title="scripted",
    description="scripted",
    parameters=1000,
    size_bytes=2000,
    context_train=1024,
    vocabulary=257,
    tasks=("generate", "embed", "rerank", "classify"),
    quantisation="Q8_0",
    embedding_size=len(VECTOR),
    labels=LABELS,
)
"""What the model is. It can be asked for everything."""


def answer(*texts: str, reason: FinishReason = "stop", cached: int = 0) -> list[Step]:
    """The script of an answer in so many pieces, one token each."""
    deltas: list[Step] = [TextDelta(text, 1) for text in texts]
    return [Started(7, 64), *deltas, finished(len(texts), reason=reason, cached=cached)]


def finished(tokens: int, *, reason: FinishReason = "stop", cached: int = 0, index: int = 0) -> Finished:
    """The end of answer *index*, of *tokens* tokens, to a prompt of 7."""
    return Finished(reason, Usage(7, tokens, cached), Timings(0.0, 0.01, 0.1), index)


def row(*values: float) -> bytes:
    """*values* as a row of ``Pooled``: little-endian float32."""
    return struct.pack(f"<{len(values)}f", *values)


def pooled(request: PoolRequest) -> Pooled:
    """A result for *request*: ``VECTOR`` for each input, the inputs' own numbers as scores, or even probabilities."""
    count = len(request.inputs)
    if request.task == "rerank":
        return Pooled(tuple(row(float(number)) for number in range(count)), 7 * count)
    if request.task == "classify":
        return Pooled((row(0.5, 0.5),) * count, 7 * count, LABELS)
    return Pooled((row(*VECTOR[: request.dimensions]),) * count, 7 * count)


class ScriptedGateway:
    """Plays ``script`` for every request. Event loop thread.

    Attributes:
        script: What happens; may be replaced between requests.
        pool_script: What happens to pooled requests; while it is empty each gets what ``pooled`` gives.
        requests: What was asked, in order.
        pool_requests: Which pooled requests were, in order.
        contexts: The contexts that came with it.
        questions: Which questions were asked, in order.
        reached: Which models were asked to be there, in order.
        replies: What they are answered with, in order.
        records: Where records are kept; None keeps none.
        key_issuers: Whose keys can be changed, by name.
        documents: Those of the policy store; None where there is none.
        limits: What is left of callers' limits; None where nobody can say.
        refusals: Why principals may nothing any more, by their id; the empty one is nobody's.
        accounted: What was told of work that no request waits for: its context and status.
        chat_template: The model's; None where it has none.
        revision: What requests learn of the model: its mark.
        room: What they learn of its room; None tells them nothing.
        standings: What they learn of the caller's limits.
        openapi: The document that describes the server.
        moderations: What is found in texts, in order.
        guarded: Whether guardrails are said to be enabled.
        open: Requests that are being played right now; back to 0 when a frontend has closed all its generators.
        left: Requests whose generator was closed before its script ended.
    """

    def __init__(self, script: Sequence[Step] = ()) -> None:
        self.script: Sequence[Step] = script or answer("Hello")
        self.pool_script: Sequence[PoolStep] = ()
        self.requests: list[GenerateRequest] = []
        self.pool_requests: list[PoolRequest] = []
        self.contexts: list[RequestContext] = []
        self.questions: list[Question] = []
        self.reached: list[str] = []
        self.replies: list[Reply | JackfieldError] = []
        self.records: RecordStore | None = None
        self.chat_template: str | None = None
        self.revision = ""
        self.room: Room | None = None
        self.standings: Sequence[Standing] = ()
        self.refusals: dict[str, JackfieldError] = {}
        self.reviewed: Principal | None = None
        self.reviews = 0
        self.accounted: list[tuple[RequestContext, int]] = []
        self.key_issuers: Mapping[str, KeyIssuer] = {}
        self.documents: PolicyDocuments | None = None
        self.limits: LimitBook | None = None
        self.scripted_operator: Operator | None = None
        self.openapi = b'{"openapi":"3.1.1","info":{"title":"scripted","version":"0"},"paths":{}}'
        self.moderations: list[Moderation] = []
        self.guarded = False
        self.open = 0
        self.left = 0

    async def moderate(self, context: RequestContext, texts: Sequence[str]) -> Sequence[Moderation]:
        """The next of ``moderations``, for each text; refused where there is none."""
        self.contexts.append(context)
        if not self.moderations:
            raise UnsupportedField("no guardrail is enabled here that moderates", param="input")
        return [self.moderations.pop(0) for _ in texts]

    async def review(self, principal: Principal | None) -> Principal | None:
        """Whoever is not in ``refusals`` may what it could, or what ``reviewed`` may."""
        self.reviews += 1
        refusal = self.refusals.get(principal.id if principal is not None else "")
        if refusal is not None:
            raise refusal
        return self.reviewed or principal

    def account(self, context: RequestContext, status: int) -> None:
        """Remember it."""
        self.accounted.append((context, status))

    @property
    def operator(self) -> Operator:
        """None of its own: whoever needs one gives it."""
        if self.scripted_operator is None:
            raise AssertionError("the script has no operator")
        return self.scripted_operator

    def models(self, context: RequestContext) -> Sequence[ModelCard]:
        """The scripted model, and one that is still loading."""
        card = ModelCard(name=MODEL, aliases=(ALIAS,), created=CREATED, ready=True)
        card = msgspec.structs.replace(
            card, context=512, description=INFO.description, info=INFO, chat_template=self.chat_template
        )
        cards = (card, ModelCard(name="org/loading", aliases=(), created=CREATED, ready=False))
        caller = context.principal
        return [each for each in cards if caller is None or caller.may_use(each.name, *each.aliases)]

    async def generate(self, context: RequestContext, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Play the script."""
        self.requests.append(request)
        self.contexts.append(context)
        context.model, context.revision, context.room = MODEL, self.revision, self.room
        context.standings = self.standings
        self.open += 1
        ended = False
        try:
            for step in self.script:
                if isinstance(step, JackfieldError):
                    ended = True
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                    continue
                ended = isinstance(step, Finished)
                yield step
        finally:
            self.open -= 1
            self.left += not ended

    async def ask(self, context: RequestContext, question: Question) -> Reply:
        """The next of ``replies``."""
        self.questions.append(question)
        self.contexts.append(context)
        context.model = MODEL
        reply = self.replies.pop(0)
        if isinstance(reply, JackfieldError):
            raise reply
        return reply

    @asynccontextmanager
    async def reach(self, context: RequestContext, model: str) -> AsyncIterator[None]:
        """Remember it; refused where the next of ``replies``, if there is any, is an error."""
        self.reached.append(model)
        self.contexts.append(context)
        context.model = MODEL
        reply = self.replies.pop(0) if self.replies else None
        if isinstance(reply, JackfieldError):
            raise reply
        yield

    async def pool(self, context: RequestContext, request: PoolRequest) -> Pooled:
        """Play the pooled script."""
        self.pool_requests.append(request)
        self.contexts.append(context)
        context.model = MODEL
        self.open += 1
        ended = False
        try:
            for step in self.pool_script:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                    continue
                ended = True
                if isinstance(step, JackfieldError):
                    raise step
                return step
            ended = True
            return pooled(request)
        finally:
            self.open -= 1
            self.left += not ended


def serve_frontend(factory: FrontendFactory, gateway: ScriptedGateway, *, body_limit: int = 1 << 20) -> web.Application:
    """An application that calls a frontend's handlers as the kernel does.

    Parameters:
        factory: Makes the frontend.
        gateway: What it asks.
        body_limit: Largest request body in bytes.
    """
    frontend = factory(gateway)
    application = web.Application(client_max_size=body_limit)
    for number, route in enumerate(frontend.routes()):
        handler = _handler(frontend, route.handler, route.path, f"req-{number}")
        application.router.add_route(route.method, route.path, handler)
    return application


def _handler(
    frontend: Frontend, serve: Handler, path: str, request_id: str
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await serve(request, RequestContext(request_id, path, "127.0.0.1"))
        except JackfieldError as error:
            return _rendered(frontend, error, request_id)
        except web.HTTPRequestEntityTooLarge:
            return _rendered(frontend, BodyTooLarge("the request body is too large"), request_id)

    return handle


def _rendered(frontend: Frontend, error: JackfieldError, request_id: str) -> web.Response:
    payload = frontend.render_error(error, request_id)
    return web.Response(
        status=payload.status, body=payload.body, headers=dict(payload.headers), content_type=payload.content_type
    )
