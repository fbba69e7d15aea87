"""One model as this gateway sees it: what is configured, where its worker stands, and the connection to it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield import __version__
from jackfield.capabilities import Known, capabilities
from jackfield.channel.messages import WorkerStatus
from jackfield.chat import ChatPrompt
from jackfield.errors import JackfieldError, ModelLoadError, ModelNotReady
from jackfield.gateway.admission import Admission
from jackfield.gateway.dialects import Opened, open_chat
from jackfield.lifecycle import WorkerState
from jackfield.pooled import PoolRequest
from jackfield.ports.frontend import ModelCard
from jackfield.questions import Render
from jackfield.tasks import refuse_many_answers, refuse_other_tasks, refuse_short_vectors
from jackfield.types import GenerateRequest, TemplatePrompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.capabilities import Capabilities, Endpoint
    from jackfield.chat import ChatFormat
    from jackfield.gateway.dialects import Dialects
    from jackfield.gateway.foreign import NamedDialect
    from jackfield.gateway.worker_link import WorkerLink
    from jackfield.manifest import ModelConfig
    from jackfield.ports.backend import ModelInfo, RunnerLimits


REVISION_DIGITS: Final = 10
"""Of a revision: enough that no two of a model's life share one."""

POOLED_SLOTS: Final = 1
"""A pooled model serves one request after the other, however many inputs it computes at once."""


class ModelHealth(msgspec.Struct, frozen=True):
    """A model's row in ``/readyz``."""

    ready: bool
    state: str
    reason: str
    restarts: int


class Replica:
    """A model and its worker.

    Parameters:
        name: The model's own name.
        config: ``[models.NAME]``.
        queue: ``kernel.queue``.
        dialects: Those that are enabled.

    Event loop thread.
    """

    def __init__(self, name: str, config: ModelConfig, queue: int, dialects: Dialects) -> None:
        self._dialects = dialects
        self.dialect: NamedDialect | None = None
        """Of the model as it was loaded last."""
        self.name = name
        self.revision = ""
        """See ``RequestContext.revision``."""
        self.config = config
        self.abilities: tuple[str, ...] = ()
        """What policies are told that it can, as far as it is known."""
        self.status = WorkerStatus(model=name, state=WorkerState.STARTING, reason="starting")
        self.link: WorkerLink | None = None
        self.admission = Admission(config.max_sequences, queue)
        self._described: tuple[Sequence[Endpoint], bool, Capabilities | None] | None = None
        """Of which routes, with records or without, what the model can be asked for: some requests need its card."""

    def update(self, status: WorkerStatus) -> None:
        """Take the supervisor's word; what the model is stays known while its worker is being restarted."""
        before = self.status
        self._described = None
        info, limits, chat = status.info or before.info, status.limits or before.limits, status.chat or before.chat
        shapes = status.shapes or before.shapes
        self.status = msgspec.structs.replace(status, info=info, limits=limits, chat=chat, shapes=shapes)
        if chat != before.chat:
            self.dialect = self._dialects.choose(self.config.dialect, chat)
        if info is not None:
            self.abilities = _abilities(info, self.dialect, structured=bool(shapes))
        if limits is not None:
            generates = info is None or "generate" in info.tasks
            self.admission.forecast.slots = limits.max_sequences if generates else POOLED_SLOTS
        if info is not None and limits is not None:
            self.revision = _revision(info, limits, chat, self.dialect.name if self.dialect else "")

    @property
    def ready(self) -> bool:
        """Whether a worker serves the model right now."""
        return self.status.state == WorkerState.READY and self.link is not None and self.link.alive

    def check(self, request: GenerateRequest | PoolRequest) -> None:
        """Refuse what the model cannot do, or not with so many answers, as far as that is known.

        Raises:
            InvalidRequest: ``param`` is the field at fault.
        """
        if self.status.info is not None:
            refuse_other_tasks(request, self.status.info)
            if isinstance(request, PoolRequest) and not self.config.matryoshka:
                refuse_short_vectors(request, self.status.info)
        if self.status.limits is not None and isinstance(request, GenerateRequest):
            refuse_many_answers(request, self.status.limits)

    def open(self, request: GenerateRequest) -> Opened:
        """*request* as the model's worker takes it.

        Raises:
            InvalidRequest: ``param`` is the field that the model's family cannot honour.
        """
        if isinstance(request.prompt, ChatPrompt):
            return open_chat(request, request.prompt, self.dialect)
        return Opened(request, None)

    def rendering(self, question: Render) -> Render:
        """*question* as the model's worker takes it; raises ``InvalidRequest`` as ``open``."""
        request = GenerateRequest(model=question.model, prompt=question.prompt)
        prompt = self.open(request).request.prompt
        return Render(model=question.model, prompt=prompt) if isinstance(prompt, TemplatePrompt) else question

    @property
    def lost(self) -> bool:
        """Whether the worker is ready, but the connection to it has broken."""
        return self.status.state == WorkerState.READY and self.link is not None and self.link.closed

    def serving(self) -> WorkerLink:
        """The connection to submit to.

        Raises:
            ModelNotReady: The worker is loading or being restarted.
            ModelLoadError: The worker cannot work as configured.
        """
        if self.link is not None and self.ready:
            return self.link
        raise self._refusal()

    def health(self) -> ModelHealth:
        """For ``/readyz``."""
        return ModelHealth(self.ready, self.status.state, self._reason(), self.status.restarts)

    def card(self, created: int, endpoints: Sequence[Endpoint] = (), *, records: bool = False) -> ModelCard:
        """For clients.

        Parameters:
            created: When the server started, in Unix seconds.
            endpoints: The routes that ask a model something.
            records: Whether the server keeps what outlives a request.
        """
        limits, info = self.status.limits, self.status.info
        return ModelCard(
            name=self.name,
            aliases=self.config.aliases,
            created=created,
            ready=self.ready,
            context=limits.context if limits else None,
            description=info.description if info else None,
            info=info,
            limits=limits,
            chat_template=self.status.chat.template if self.status.chat else None,
            capabilities=self._capabilities(endpoints, records=records),
        )

    def _capabilities(self, endpoints: Sequence[Endpoint], *, records: bool) -> Capabilities | None:
        known = self._described
        if known is None or known[0] is not endpoints or known[1] != records:
            known = self._described = endpoints, records, self._judged(endpoints, records=records)
        return known[2]

    def _judged(self, endpoints: Sequence[Endpoint], *, records: bool) -> Capabilities | None:
        status, dialect = self.status, self.dialect
        if status.info is None or status.limits is None:
            return None
        name, traits = (None, None) if dialect is None else (dialect.name, dialect.traits)
        known = Known(
            status.info,
            status.limits,
            name,
            traits,
            status.shapes,
            records,
            documents=status.chat is not None and "documents" in status.chat.template,
            matryoshka=self.config.matryoshka,
        )
        return capabilities(known, endpoints)

    def _refusal(self) -> JackfieldError:
        if self.status.state == WorkerState.FAILED:
            return ModelLoadError(f"the model {self.name} cannot be served: {self._reason() or 'it failed to load'}")
        reason = self._reason() or self.status.state
        return ModelNotReady(f"the model {self.name} is not ready: {reason}")

    def _reason(self) -> str:
        if self.status.state == WorkerState.READY and not self.ready:
            return f"the connection to its worker {'was lost' if self.lost else 'is being made'}"
        return self.status.reason


def _abilities(info: ModelInfo, dialect: NamedDialect | None, *, structured: bool) -> tuple[str, ...]:
    """See ``PolicyResource.capabilities``."""
    traits = None if dialect is None else dialect.traits
    has = {
        "tools": traits is not None and traits.tools,
        "reasoning": traits is not None and traits.reasoning != "none",
        "infill": info.can_infill,
        "structured_outputs": structured,
    }
    return tuple(sorted({*info.tasks, *(name for name, there in has.items() if there)}))


def _revision(info: ModelInfo, limits: RunnerLimits, chat: ChatFormat | None, dialect: str) -> str:
    """A mark of all that an answer depends on besides its request; what memory allows this time is none of it."""
    file = (info.architecture, info.title, info.description, info.parameters, info.size_bytes, info.vocabulary)
    runner = (limits.state_layout, limits.context, limits.deterministic)
    whole = msgspec.json.encode((__version__, file, runner, chat, dialect))
    return hashlib.sha256(whole).hexdigest()[:REVISION_DIGITS]
