"""The walk of a request from a frontend to a worker and back; implements ``jackfield.ports.frontend.Gateway``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import Draining, JackfieldError, ManifestError, ModelNotFound, http
from jackfield.gateway.faults import unexpected
from jackfield.gateway.replica import Replica
from jackfield.gateway.worker_link import WorkerLink
from jackfield.ports.observer import WorkerChanged, WorkerReported
from jackfield.types import Finished

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from jackfield.channel.messages import WorkerStatus
    from jackfield.context import RequestContext
    from jackfield.gateway.observing import Observers
    from jackfield.gateway.receiver import Receiver
    from jackfield.manifest import Manifest
    from jackfield.ports.frontend import ModelCard
    from jackfield.ports.observer import EngineStats
    from jackfield.types import GenerateEvent, GenerateRequest

_NAME_SHOWN: Final = 100
"""Characters of an unknown model's name that an error repeats."""


class Pipeline:
    """Stages: resolve the name, is it ready, is there room, submit, pass on events.

    Parameters:
        manifest: Models and queue length.
        observers: Told of workers and their figures.
        started: Unix seconds at which the server started.

    Raises:
        ManifestError: Two models share a name or an alias.

    Event loop thread.
    """

    def __init__(self, manifest: Manifest, observers: Observers, started: int) -> None:
        self.replicas: Final = {
            name: Replica(name, config, manifest.kernel.queue) for name, config in manifest.models.items()
        }
        self.draining = False
        self._names = _names(self.replicas)
        self._observers = observers
        self._started = started
        self._open: dict[RequestContext, list[tuple[WorkerLink, int]]] = {}

    def models(self, context: RequestContext) -> Sequence[ModelCard]:
        """The models that the caller may use, in manifest order."""
        return [replica.card(self._started) for replica in self.replicas.values() if _may_use(context, replica)]

    async def generate(self, context: RequestContext, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """See ``Gateway.generate``. Whatever goes wrong arrives as a ``JackfieldError``; ``context.code`` names it."""
        try:
            link, number, receiver = self._submit(context, request)
            try:
                while True:
                    event = await receiver.next()
                    yield event
                    if isinstance(event, Finished):
                        return
            finally:
                link.cancel(number)
        except JackfieldError as error:
            context.code = http(error).code
            raise
        except Exception as error:
            fault = unexpected(error, context)
            context.code = http(fault).code
            raise fault from error

    def release(self, context: RequestContext) -> None:
        """Cancel what *context* still has in a worker: its handler has returned, and nobody reads any more."""
        for link, number in self._open.pop(context, ()):
            link.cancel(number)

    def connect(self, model: str) -> WorkerLink:
        """A new link that becomes *model*'s connection; requests on the one before fail."""
        replica = self.replicas[model]
        link = WorkerLink(
            model,
            finished=lambda finished: replica.admission.ended(finished.timings),
            reported=lambda stats: self._reported(model, stats),
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

    def _submit(self, context: RequestContext, request: GenerateRequest) -> tuple[WorkerLink, int, Receiver]:
        replica = self._resolve(context, request.model)
        context.model = replica.name
        link = replica.serving()
        replica.admission.admit(link.in_flight)
        number, receiver = link.submit(context, request)
        self._open.setdefault(context, []).append((link, number))
        return link, number, receiver

    def _resolve(self, context: RequestContext, name: str) -> Replica:
        """The model of that name. One that the caller may not use is answered like one that does not exist."""
        replica = self._names.get(name)
        if replica is not None and _may_use(context, replica):
            return replica
        shown = name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}…"
        limited = context.principal is not None and context.principal.models is not None
        hint = ", or this key may not use it" if limited else ""
        raise ModelNotFound(f"the model {shown!r} does not exist{hint}", param="model")

    def _reported(self, model: str, stats: EngineStats) -> None:
        self._observers.tell(WorkerReported(model=model, stats=stats))


def _may_use(context: RequestContext, replica: Replica) -> bool:
    principal = context.principal
    return principal is None or principal.may_use(replica.name, *replica.config.aliases)


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
