"""The walk of a request from a frontend to a worker and back; implements ``jackfield.ports.frontend.Gateway``."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
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
from jackfield.gateway.faults import unexpected
from jackfield.gateway.generation import Generation, Submitted
from jackfield.gateway.replica import Replica
from jackfield.gateway.worker_link import WorkerLink
from jackfield.ports.observer import WorkerChanged, WorkerReported
from jackfield.questions import Render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jackfield.capabilities import Endpoint
    from jackfield.channel.messages import WorkerStatus
    from jackfield.context import RequestContext
    from jackfield.gateway.dialects import Dialects
    from jackfield.gateway.identity import Identity
    from jackfield.gateway.observing import Observers
    from jackfield.manifest import Manifest
    from jackfield.pooled import Pooled, PoolRequest
    from jackfield.ports.frontend import ModelCard
    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import KeyIssuer
    from jackfield.ports.observer import EngineStats
    from jackfield.ports.operating import Operator
    from jackfield.ports.records import RecordStore
    from jackfield.questions import Question, Reply
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

    Raises:
        ManifestError: Two models share a name or an alias.

    Event loop thread.
    """

    def __init__(self, manifest: Manifest, observers: Observers, started: int, dialects: Dialects) -> None:
        self.replicas: Final = {
            name: Replica(name, config, manifest.kernel.queue, dialects) for name, config in manifest.models.items()
        }
        self.draining = False
        self._operator: Operator | None = None
        self.endpoints: Sequence[Endpoint] = ()
        """Routes that ask a model something; the server fills them in when all are known."""
        self.openapi = b"{}"
        """What is served; the server fills it in when all routes are known."""
        self.key_issuers: Mapping[str, KeyIssuer] = {}
        """Whose keys can be changed; the server fills them in when it has its authenticators."""
        self.records: RecordStore | None = None
        """Where frontends keep what outlives a request; made once the event loop runs."""
        self._names = _names(self.replicas)
        self._observers = observers
        self._accounting = Accounting(observers)
        self._identity: Identity | None = None
        self._started = started
        self._open: dict[RequestContext, list[tuple[WorkerLink, int]]] = {}

    def operates(self, operator: Operator) -> None:
        """*operator* is what the server's operator can do."""
        self._operator = operator

    def asks(self, identity: Identity) -> None:
        """*identity* knows who may what."""
        self._identity = identity

    async def review(self, principal: Principal | None) -> Principal | None:
        """See ``Gateway.review``."""
        if self._identity is None:
            raise AssertionError("the server gives one before it serves")
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

    @contextmanager
    def _submitted(self, context: RequestContext, request: GenerateRequest) -> Iterator[Submitted]:
        """*request* in its worker, until nobody reads any more."""
        with _told(context):
            replica = self._checked(context, request)
            opened = replica.open(_prioritised(context, request))
            link, timeout_s = self._admit(context, replica, request.n)
            number, receiver = link.submit(context, opened.request, timeout_s)
            self._open.setdefault(context, []).append((link, number))
            try:
                yield Submitted(receiver, opened.reading, request.n)
            finally:
                self._ended(context, link, number)

    async def pool(self, context: RequestContext, request: PoolRequest) -> Pooled:
        """See ``Gateway.pool``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        with _told(context):
            link, timeout_s = self._admit(context, self._checked(context, request), 1)
            number, receiver = link.submit_pool(context, request, timeout_s)
            self._open.setdefault(context, []).append((link, number))
            try:
                return await receiver.result()
            finally:
                self._ended(context, link, number)

    async def ask(self, context: RequestContext, question: Question) -> Reply:
        """See ``Gateway.ask``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        with _told(context):
            replica = self._resolve(context, question.model)
            context.model = replica.name
            if isinstance(question, Render):
                question = replica.rendering(question)
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
        self._observers.tell(WorkerChanged(model=status.model, state=status.state, restarts=status.restarts))

    def close(self) -> None:
        """Fail whatever still runs and close the links."""
        for replica in self.replicas.values():
            if replica.link is not None:
                replica.link.close(Draining("the server is shutting down; try again"))

    def _checked(self, context: RequestContext, request: GenerateRequest | PoolRequest) -> Replica:
        """The model that *request* names, which can do what it asks."""
        replica = self._resolve(context, request.model)
        context.model, context.revision = replica.name, replica.revision
        replica.check(request)
        return replica

    def _admit(self, context: RequestContext, replica: Replica, choices: int) -> tuple[WorkerLink, float | None]:
        """Let so many answers through to the worker of *replica*: the link to it, and how many seconds they have."""
        link = replica.serving()
        timeout_s = _seconds_left(context)
        load = link.load
        replica.admission.admit(load, choices, timeout_s)
        context.room = replica.admission.room(load._replace(in_flight=load.in_flight + choices))
        return link, timeout_s

    def _resolve(self, context: RequestContext, name: str) -> Replica:
        """The model of that name. One that the caller may not use is answered like one that does not exist."""
        replica = self._names.get(name)
        if replica is not None and _may_use(context, replica):
            return replica
        shown = name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}…"
        limited = context.principal is not None and context.principal.models is not None
        hint = ", or this key may not use it" if limited else ""
        raise ModelNotFound(f"the model {shown!r} does not exist{hint}", param="model")

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


def _names(replicas: Mapping[str, Replica]) -> dict[str, Replica]:
    names = dict(replicas)
    for replica in replicas.values():
        for alias in replica.config.aliases:
            other = names.setdefault(alias, replica)
            if other is not replica:
                raise ManifestError(
                    f"models.{replica.name}.aliases: {alias!r} already names the model {other.name}",
                    param=f"models.{replica.name}.aliases",
                )
    return names


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
