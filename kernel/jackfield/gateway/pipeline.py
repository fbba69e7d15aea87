"""The walk of a request from a frontend to a worker and back; implements ``jackfield.ports.frontend.Gateway``."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import (
    DeadlineExceeded,
    Draining,
    JackfieldError,
    ManifestError,
    ModelNotFound,
    PolicyDenied,
    http,
)
from jackfield.gateway.accounting import Accounting
from jackfield.gateway.counted_questions import CountedQuestions
from jackfield.gateway.faults import unexpected
from jackfield.gateway.generation import Generation, submitted
from jackfield.gateway.replica import Replica
from jackfield.gateway.work import prompt_tokens
from jackfield.gateway.worker_link import WorkerLink
from jackfield.model_names import NameTaken, named
from jackfield.ports.limiter import Spent
from jackfield.ports.observer import WorkerChanged, WorkerReported
from jackfield.questions import Render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from jackfield.capabilities import Endpoint
    from jackfield.channel.messages import WorkerStatus
    from jackfield.context import RequestContext
    from jackfield.gateway.dialects import Dialects
    from jackfield.gateway.documents import PolicyWatch
    from jackfield.gateway.generation import Submitted
    from jackfield.gateway.identity import Identity
    from jackfield.gateway.observing import Observers
    from jackfield.gateway.walk import Walk
    from jackfield.manifest import Manifest
    from jackfield.moderation import Moderation
    from jackfield.pooled import Pooled, PoolRequest
    from jackfield.ports.frontend import ModelCard
    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import KeyIssuer
    from jackfield.ports.limiter import LimitBook
    from jackfield.ports.observer import EngineStats
    from jackfield.ports.operating import Operator
    from jackfield.ports.policy_store import PolicyDocuments
    from jackfield.ports.records import RecordStore
    from jackfield.questions import Detokenise, Question, Reply
    from jackfield.types import GenerateRequest

ASK_S: Final = 10.0
"""How long a worker may take to answer a question: its intake may have the longest prompt before it."""

OWN_WORK: Final = "none"
"""Method, in the log, of work that no HTTP request waits for."""

_NAME_SHOWN: Final = 100
"""Characters of an unknown model's name that an error repeats."""


class Pipeline:
    """Stages: resolve the name, is it ready, is there room, submit, pass on events.

    Parameters:
        manifest: Models and queue length.
        observers: Told of workers and their figures.
        started: Unix seconds at which the server started.
        dialects: Those that are enabled.
        walk: The stages around workers.

    Raises:
        ManifestError: Two models share a name or an alias.

    Event loop thread.
    """

    def __init__(self, manifest: Manifest, observers: Observers, started: int, dialects: Dialects, walk: Walk) -> None:
        self.replicas: Final = {
            name: Replica(name, config, manifest.kernel.queue, dialects) for name, config in manifest.models.items()
        }
        self.walk: Final = walk
        self.questions: Final = CountedQuestions(walk.limiting)
        self.draining = False
        self._operator: Operator | None = None
        self.endpoints: Sequence[Endpoint] = ()
        """Routes that ask a model something; the server fills them in when all are known."""
        self.openapi = b"{}"
        """What is served; the server fills it in when all routes are known."""
        self.key_issuers: Mapping[str, KeyIssuer] = {}
        """Whose keys can be changed; empty until ``asks`` has said who knows."""
        self.records: RecordStore | None = None
        """Where frontends keep what outlives a request; made once the event loop runs."""
        self.watch: PolicyWatch | None = None
        """Over the policy store; the server fills it in when it has its plugins."""
        self._names = _names(manifest, self.replicas)
        self._observers = observers
        self._accounting = Accounting(observers)
        self._identity: Identity | None = None
        self._started = started
        self._open: dict[RequestContext, list[tuple[WorkerLink, int]]] = {}

    def operates(self, operator: Operator) -> None:
        """*operator* is what the server's operator can do."""
        self._operator = operator

    def asks(self, identity: Identity) -> None:
        """*identity* knows who may what, and whose keys can be changed."""
        self._identity = identity
        self.key_issuers = identity.key_issuers

    async def review(self, principal: Principal | None) -> Principal | None:
        """See ``Gateway.review``."""
        if self._identity is None:
            raise AssertionError("the server gives one before it serves")
        if self.watch is not None:
            self.watch.require()
        return await self._identity.review(principal)

    def account(self, context: RequestContext, status: int) -> None:
        """See ``Gateway.account``."""
        self._accounting.ended(context, OWN_WORK, status)

    @property
    def operator(self) -> Operator:
        """See ``Gateway.operator``."""
        if self._operator is None:
            raise AssertionError("the server gives one before it serves")
        return self._operator

    @property
    def stale(self) -> bool:
        """Whether all requests are refused: the policies are too old."""
        return self.watch is not None and self.watch.stale

    @property
    def documents(self) -> PolicyDocuments | None:
        """See ``Gateway.documents``."""
        return self.watch if self.watch is not None and self.watch.enabled else None

    @property
    def limits(self) -> LimitBook | None:
        """See ``Gateway.limits``."""
        return self.walk.limiting if self.walk.limiting.has_books else None

    def models(self, context: RequestContext) -> Sequence[ModelCard]:
        """The models that the caller may use, in manifest order."""
        return [
            replica.card(self._started, self.endpoints, records=self.records is not None)
            for replica in self.replicas.values()
            if _may_use(context, replica)
        ]

    def generate(self, context: RequestContext, request: GenerateRequest) -> Generation:
        """See ``Gateway.generate``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        return Generation(lambda: self._submitted(context, request))

    @asynccontextmanager
    async def _submitted(self, context: RequestContext, request: GenerateRequest) -> AsyncIterator[Submitted]:
        """*request* in its worker, until nobody reads any more."""
        with _told(context):
            candidates = self._candidates(context, request.model)
            async with self.walk.of(context, candidates, _prioritised(context, request)) as passage:
                replica = passage.replica
                opened = replica.open(passage.guarded.work)
                link, timeout_s = self._admit(context, replica, request.n)
                number, receiver = link.submit(context, opened.request, timeout_s)
                if passage.reserves:
                    receiver.begun, receiver.answering = passage.begin, passage.leave_queue
                self._open.setdefault(context, []).append((link, number))
                try:
                    yield submitted(receiver, passage.guarded.reading(opened.reading, context), request.n, passage)
                finally:
                    self._ended(context, link, number)
                    passage.spent = receiver.spent

    async def pool(self, context: RequestContext, request: PoolRequest) -> Pooled:
        """See ``Gateway.pool``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        with _told(context):
            async with self.walk.of(context, self._candidates(context, request.model), request) as passage:
                try:
                    pooled = await self._pooled(context, passage.replica, passage.guarded.work)
                except asyncio.CancelledError:  # its worker has it, and will not say how far it has come
                    passage.spent = Spent(prompt_tokens=prompt_tokens(passage.guarded.work))
                    raise
                passage.spent = Spent(prompt_tokens=pooled.prompt_tokens)
            return pooled

    async def judge(self, context: RequestContext, request: PoolRequest) -> Pooled:
        """As ``pool``, for the server's own work, which nobody is asked about and which counts for nobody."""
        with _told(context):
            replica = self._candidates(context, request.model)[0]
            replica.check(request)
            return await self._pooled(context, replica, request)

    async def _pooled(self, context: RequestContext, replica: Replica, request: PoolRequest) -> Pooled:
        link, timeout_s = self._admit(context, replica, 1)
        number, receiver = link.submit_pool(context, request, timeout_s)
        self._open.setdefault(context, []).append((link, number))
        try:
            return await receiver.result()
        finally:
            self._ended(context, link, number)

    async def ask(self, context: RequestContext, question: Question) -> Reply:
        """See ``Gateway.ask``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        with _told(context):
            replica = await self.walk.permit_question(context, self._candidates(context, question.model))
            await self.questions.count(context, replica.name, question)
            if isinstance(question, Render):
                question = replica.rendering(question)
            return await self._replied(context, replica, question)

    @asynccontextmanager
    async def reach(self, context: RequestContext, model: str) -> AsyncIterator[None]:
        """See ``Gateway.reach``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        with _told(context):
            async with self.walk.reach(context, self._candidates(context, model)):
                yield

    async def read_tokens(self, context: RequestContext, question: Detokenise) -> Reply:
        """As ``ask``, for the server's own work, which nobody is asked about; the model is named by its own name."""
        with _told(context):
            return await self._replied(context, self.replicas[question.model], question)

    async def _replied(self, context: RequestContext, replica: Replica, question: Question) -> Reply:
        link = replica.serving()
        number, receiver = link.ask(context, question)
        self._open.setdefault(context, []).append((link, number))
        try:
            async with asyncio.timeout(ASK_S):
                return await receiver.reply()
        except TimeoutError:
            raise DeadlineExceeded("the model's worker did not answer in time") from None
        finally:
            self._ended(context, link, number)

    @property
    def guarded(self) -> bool:
        """See ``Gateway.guarded``."""
        return self.walk.guarding.enabled

    async def moderate(self, context: RequestContext, texts: Sequence[str]) -> Sequence[Moderation]:
        """See ``Gateway.moderate``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        with _told(context):
            return await self.walk.moderate(context, texts)

    def release(self, context: RequestContext) -> None:
        """Cancel what *context* still has in a worker: its handler has returned, and nobody reads any more."""
        for link, number in self._open.pop(context, ()):
            link.cancel(number)

    def _ended(self, context: RequestContext, link: WorkerLink, number: int) -> None:
        """Nobody reads this one any more. A frontend's own work has a context that no handler releases."""
        link.cancel(number)
        left = self._open.get(context)
        if left is not None and (link, number) in left:
            left.remove((link, number))
            if not left:
                del self._open[context]

    def connect(self, model: str) -> WorkerLink:
        """A new link that becomes *model*'s connection; requests on the one before fail."""
        replica = self.replicas[model]
        link = WorkerLink(
            model,
            served=replica.admission.forecast.served,
            reported=lambda stats: self._reported(replica, stats),
        )
        if replica.link is not None:
            replica.link.close()
        replica.link = link
        return link

    def worker_changed(self, status: WorkerStatus) -> None:
        """A worker entered a state, or made progress in it; a model this gateway does not serve is ignored."""
        replica = self.replicas.get(status.model)
        if replica is None:
            return
        replica.update(status)
        self.walk.chronicle.worker(status)
        self._observers.tell(WorkerChanged(model=status.model, state=status.state, restarts=status.restarts))

    def close(self) -> None:
        """Fail whatever still runs and close the links."""
        for replica in self.replicas.values():
            if replica.link is not None:
                replica.link.close(Draining("the server is shutting down; try again"))

    def _candidates(self, context: RequestContext, name: str) -> Sequence[Replica]:
        """The models that *name* may mean. One that the caller may not use is answered like one that does not exist."""
        replicas = [replica for replica in self._names.get(name, ()) if _may_use(context, replica)]
        if replicas:
            context.model, context.revision = replicas[0].name, replicas[0].revision
            return replicas
        shown = name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}…"
        limited = context.principal is not None and context.principal.models is not None
        hint = ", or this key may not use it" if limited else ""
        raise ModelNotFound(f"the model {shown!r} does not exist{hint}", param="model")

    def _admit(self, context: RequestContext, replica: Replica, choices: int) -> tuple[WorkerLink, float | None]:
        """Let so many answers through to the worker of *replica*: the link to it, and how many seconds they have."""
        link = replica.serving()
        timeout_s = _seconds_left(context)
        load = link.load
        replica.admission.admit(load, choices, timeout_s)
        context.room = replica.admission.room(load._replace(in_flight=load.in_flight + choices))
        return link, timeout_s

    def _reported(self, replica: Replica, stats: EngineStats) -> None:
        replica.admission.forecast.reported(stats, time.monotonic())
        self._observers.tell(WorkerReported(model=replica.name, stats=stats))


def _may_use(context: RequestContext, replica: Replica) -> bool:
    principal = context.principal
    return principal is None or principal.may_use(replica.name, *replica.config.aliases)


def _prioritised(context: RequestContext, request: GenerateRequest) -> GenerateRequest:
    """*request* with a priority that its caller may have."""
    principal = context.principal
    if principal is None:
        return request
    if request.priority is None:
        given = max(0, principal.priority)
        return msgspec.structs.replace(request, priority=given) if given else request
    if request.priority < principal.priority:
        raise PolicyDenied(
            f"this key may ask for priorities from {principal.priority} on (lower goes first), and not for"
            f" {request.priority}",
            param="priority",
        )
    return request


def _names(manifest: Manifest, replicas: Mapping[str, Replica]) -> Mapping[str, Sequence[Replica]]:
    try:
        return {name: [replicas[model] for model in models] for name, models in named(manifest.models).items()}
    except NameTaken as error:
        raise ManifestError(f"{error.key}: {error.message}", param=error.key) from None


def _seconds_left(context: RequestContext) -> float | None:
    if context.deadline is None:
        return None
    left = context.deadline - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("the request's deadline had passed before it reached a model")
    return left


@contextmanager
def _told(context: RequestContext) -> Iterator[None]:
    """Whatever goes wrong within leaves as a ``JackfieldError``, and *context* learns its code."""
    try:
        yield
    except JackfieldError as error:
        context.code = http(error).code
        raise
    except Exception as error:
        fault = unexpected(error, context)
        context.code = http(fault).code
        raise fault from error
