"""Frontends: HTTP dialects.

``jackfield_frontends`` hands over factories of ``Frontend``. A frontend decodes bodies into requests, asks the
``Gateway`` port, encodes the events, and renders errors in its dialect's own shape. Everything runs on the gateway's
event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from jackfield.capabilities import Capabilities, Need
from jackfield.errors import JackfieldError
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.identity import ALL

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.moderation import Moderation
    from jackfield.pooled import Pooled, PoolRequest
    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import KeyIssuer
    from jackfield.ports.limiter import LimitBook
    from jackfield.ports.operating import Operator
    from jackfield.ports.policy_store import PolicyDocuments
    from jackfield.ports.records import RecordStore
    from jackfield.questions import Question, Reply
    from jackfield.types import GenerateEvent, GenerateRequest


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A model as clients may see it. No path, no host."""

    name: str
    aliases: tuple[str, ...]
    created: int
    """Unix seconds at which the server started; stable while it runs."""
    ready: bool
    """Whether a worker serves it right now."""
    context: int | None = None
    """Longest request in tokens; None until a worker has loaded it."""
    description: str | None = None
    """One line from the model file; None until a worker has loaded it."""
    info: ModelInfo | None = None
    """All that is known of it; None until a worker has loaded it."""
    limits: RunnerLimits | None = None
    """What it can do at once; None until a worker has loaded it."""
    capabilities: Capabilities | None = None
    """What it can be asked for; None until a worker has loaded it."""
    chat_template: str | None = None
    """Jinja source; None where it has none, or until a worker has loaded it."""


class Gateway(Protocol):
    """What the kernel offers a frontend."""

    def models(self, context: RequestContext) -> Sequence[ModelCard]:
        """The models that the caller may use, in manifest order."""
        ...

    def generate(self, context: RequestContext, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Walk *request* through the pipeline.

        ``jackfield.frontends.delivery.deliver`` sends the events of a stream with the least effort: what comes at once
        is written at once, and no task wakes up for it.

        Yields:
            One ``Started``, then ``TextDelta``s, and one ``Finished`` for each of the ``n`` answers; after that one's
            ``Finished`` nothing more of the same index.

        Raises:
            JackfieldError: Whatever refused or broke it, and nothing else; ``context.code`` names it. Before
                ``Started`` it belongs into an HTTP status; after it, into one error event. Closing the generator
                (``aclose``, or cancelling the task) cancels the request in the worker within one engine step.
        """
        ...

    async def pool(self, context: RequestContext, request: PoolRequest) -> Pooled:
        """Walk *request*, which asks a pooled model, through the pipeline.

        Raises:
            UnsupportedField: The model cannot do what is asked; the message says what it can.
            JackfieldError: Whatever else refused or broke it. Cancelling the task cancels the request in the worker.
        """
        ...

    async def ask(self, context: RequestContext, question: Question) -> Reply:
        """Ask a model's worker what it knows without computing; the reply is of the kind that the question names.

        On a route without work, all that one HTTP request asks about tokens and templates counts as one request.

        Raises:
            JackfieldError: Whatever refused or broke it.
        """
        ...

    def reach(self, context: RequestContext, model: str) -> AbstractAsyncContextManager[None]:
        """While *context* asks that *model* be there, and nothing of it: what it is answered is made within.

        Policies are asked as about any question to the model, it counts as a request, and it is recorded with whatever
        ends the block.

        Raises:
            JackfieldError: Whatever refused it.
        """
        ...

    @property
    def guarded(self) -> bool:
        """Whether guardrails may mask or block what requests say.

        Nothing of what one says is to be kept then before its answer has begun, and ``RequestContext.masking`` knows
        what is not to be kept at all.
        """
        ...

    async def moderate(self, context: RequestContext, texts: Sequence[str]) -> Sequence[Moderation]:
        """What guardrails find in each of *texts*, which nobody is to answer.

        Raises:
            UnsupportedField: No guardrail that moderates is enabled, or none for this caller.
            GuardrailFailed: One of them cannot tell.
        """
        ...

    async def review(self, principal: Principal | None) -> Principal | None:
        """What a caller may by now, for work that goes on when its request is over.

        Parameters:
            principal: ``RequestContext.principal`` of that request, perhaps of a server that ran before.

        Returns:
            The principal that the work is to be done for; None where nobody is asked who calls.

        Raises:
            Unauthenticated: It may nothing any more.
            AuthenticatorFailed: Nobody can tell at present.
        """
        ...

    def account(self, context: RequestContext, status: int) -> None:
        """Tell observers and the log of work that no HTTP request has waited for.

        Parameters:
            context: The work's own: made when it began, with a ``route`` that says what it is.
            status: What the same request over HTTP would have been answered with.
        """
        ...

    @property
    def operator(self) -> Operator:
        """What the server's operator can do. Only for routes of scopes that ``admin`` contains."""
        ...

    @property
    def openapi(self) -> bytes:
        """The OpenAPI 3.1 document of this server, as JSON: all routes of all enabled frontends.

        It is complete once every frontend has given its routes, which is before the first request.
        """
        ...

    @property
    def key_issuers(self) -> Mapping[str, KeyIssuer]:
        """The enabled authenticators whose keys can be changed, by name, in the order they are asked.

        Only for routes of the scopes ``keys:read`` and ``keys:write``.
        """
        ...

    @property
    def documents(self) -> PolicyDocuments | None:
        """The documents of the policy store; None where no enabled plugin has one. Only for routes about policies."""
        ...

    @property
    def limits(self) -> LimitBook | None:
        """What is left of callers' limits; None where no enabled limiter can say. Only for routes about policies."""
        ...

    @property
    def records(self) -> RecordStore | None:
        """Where to keep what outlives a request; None where no enabled plugin keeps anything."""
        ...


class ErrorPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered error."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"


Handler: TypeAlias = "Callable[[web.Request, RequestContext], Awaitable[web.StreamResponse]]"
"""Serves one request. It raises ``JackfieldError`` to refuse; the kernel renders it through the frontend.

Once the handler has prepared a stream, errors are its own business: it writes one error event and ends. Whatever
escapes after that makes the kernel break the connection, so that the answer does not look whole. The body has been
read, in bounded size and time, before the handler is called; every response gets ``x-request-id`` from the kernel.
"""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a path, of a query, or one header, for the server's description."""

    name: str
    where: Literal["path", "query", "header"] = "query"
    kind: object = str
    """A type that msgspec can describe."""
    required: bool = False
    description: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a route does, for the server's OpenAPI document and for capability records.

    Types are those that really decode the request and encode the answer: what msgspec's ``schema_components`` makes of
    them is what clients are told.
    """

    summary: str
    """One line."""
    body: object | None = None
    """Type of the JSON body; None where there is none."""
    body_content: str = "application/json"
    example: object | None = None
    """A body as it can be sent to a model named ``demo``."""
    answer: object | None = None
    """Type of the JSON answer; None where it is not JSON, or has no body."""
    answer_content: str = "application/json"
    events: object | None = None
    """Type of each event, where the answer can be a stream; one that breaks may end with an ``error`` instead."""
    events_content: str = "text/event-stream"
    events_end: str = ""
    """What a whole stream of server-sent events ends with, where that is no event of this type: ``[DONE]``."""
    status: int = 200
    """Of an answer that is no error."""
    error: object | None = None
    """Type of the body of errors, which may come with any 4xx or 5xx."""
    refusals: tuple[JackfieldError, ...] = ()
    """What it may be refused with besides what every route may, as examples."""
    headers: tuple[Parameter, ...] = ()
    """Headers of an answer that is no error."""
    parameters: tuple[Parameter, ...] = ()
    honoured: tuple[str, ...] = ()
    """Fields of the body that do something; others are accepted only where they ask for nothing."""
    task: Literal["generate", "embed", "rerank", "classify"] | None = None
    """What a model must be able to do to be asked this; None for routes that ask no model. Policies are asked about the
    work of such a route when it begins, and about all other routes before their handlers run."""
    needs: tuple[Need, ...] = ()
    """What else it must have."""
    fields_need: Mapping[str, Need] = {}
    """Honoured fields that do something only where this is there; they are refused elsewhere."""


class Route(msgspec.Struct, frozen=True):
    """One path that a frontend serves. Every route is private: the kernel's only public ones are on the health port."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """aiohttp's pattern syntax: ``/v1/models/{id}``."""
    handler: Handler
    scope: str = ALL
    """What a principal must be allowed to do to use it, such as ``generate``; see ``jackfield.ports.identity.SCOPES``.
    A route that names none is for principals that may do everything."""
    operation: Operation | None = None
    """What it does; a route without one is described by its path only."""


class Frontend(Protocol):
    """One HTTP dialect."""

    def routes(self) -> Sequence[Route]:
        """The paths it serves; two frontends that claim one method and path are a start-up error.

        Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed;
        the gateway refuses to start, and names the frontend.
        """
        ...

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        """*error* in this dialect's shape. Must not raise; the kernel adds ``Retry-After`` and ``x-request-id``.

        ``jackfield.errors.http`` has status, type and code; where there is no room, the status is the one that
        ``kernel.overload_status`` has, which the kernel answers in any case.

        Process and thread: gateway, event loop thread. Deadline: 1 ms; slower calls are counted, and logged by name at
        most once a minute. Failure policy: open; it is logged by name and the kernel's own shape is used.
        """
        ...


@runtime_checkable
class BackgroundWork(Protocol):
    """What a ``Frontend`` may have besides: work that no request waits for, such as batches."""

    async def run(self) -> None:
        """Work until cancelled, which happens when the gateway ends; record stores are still open then.

        Process and thread: gateway, event loop thread, once for each frontend. Deadline: 5 s to end once cancelled.
        Failure policy: open; it is logged by name, and the frontend goes on without it.
        """
        ...


FrontendFactory: TypeAlias = Callable[[Gateway], Frontend]
"""What ``jackfield_frontends`` hands over."""
