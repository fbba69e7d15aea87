"""What the command line asks a running supervisor, and what it is told: one answer to each question, in order.

The framing is that of ``jackfield.channel.framing``. A question is small and answered at once; whoever wants to see
more asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from jackfield.cache_report import CacheAnswer
from jackfield.channel.messages import Codec
from jackfield.ports.backend import OptionValue
from jackfield.ports.operating import ChildKind, LogLevel, ServerState, WorkerAnswer

QUESTION_MAX: Final = 4096
"""Largest question in bytes; a model's name has at most 128 characters."""

ANSWER_MAX: Final = 1024 * 1024
"""Largest answer in bytes: a whole log ring takes a quarter of that, a table of a thousand workers about half."""

# --- questions -------------------------------------------------------------------------------------------------------


class GetState(msgspec.Struct, frozen=True, tag="get-state"):
    """Who are you, and how are your processes?"""


class RestartWorker(msgspec.Struct, frozen=True, kw_only=True, tag="restart-worker"):
    """Restart the worker of *model*. Answered with the state as it is then."""

    model: str
    """Its name, or an alias."""
    now: bool = False
    """Do not let requests that run finish: they end with the error ``worker_died``."""


class ReadLog(msgspec.Struct, frozen=True, kw_only=True, tag="read-log"):
    """The latest log lines of one process."""

    kind: ChildKind
    model: str = ""
    """Of a worker."""
    cursor: int = 0
    """That of the answer before; 0 takes all there is."""


class AskCaches(msgspec.Struct, frozen=True, kw_only=True, tag="ask-caches"):
    """Ask workers how their prefix caches are, or have those cleared; ``ReadCache`` reads their answers."""

    model: str = ""
    """A name or an alias; empty for all models."""
    clear: bool = False


class ReadCache(msgspec.Struct, frozen=True, kw_only=True, tag="read-cache"):
    """What a worker has answered by now."""

    ticket: int
    """Of ``AskedWorker``."""


class Reload(msgspec.Struct, frozen=True, tag="reload"):
    """Read the manifest again, as SIGHUP does: its log level and the scheduler's options hold from now on.

    Answered with ``Offered``.
    """


class NewValue(msgspec.Struct, frozen=True):
    """One setting, and what it is to be."""

    path: tuple[str, ...]
    """Of its key."""
    value: OptionValue


class ChangeSettings(msgspec.Struct, frozen=True, kw_only=True, tag="change-settings"):
    """These settings hold, until the manifest is read again. Answered with ``Offered``."""

    log_level: LogLevel | None = None
    """None leaves it as it is."""
    options: Sequence[NewValue] = ()
    """Of the scheduler in use."""


class ReadOffer(msgspec.Struct, frozen=True, kw_only=True, tag="read-offer"):
    """What workers have made of new options by now. Answered with ``OfferRead``."""

    ticket: int
    """Of ``Offered``."""


class ShutDown(msgspec.Struct, frozen=True, tag="shut-down"):
    """Drain and end, as SIGTERM does. Answered with the state."""


Question: TypeAlias = (
    GetState | RestartWorker | ReadLog | AskCaches | ReadCache | Reload | ChangeSettings | ReadOffer | ShutDown
)

# --- answers ---------------------------------------------------------------------------------------------------------


class LogLines(msgspec.Struct, frozen=True, kw_only=True, tag="log-lines"):
    """Lines of a log."""

    data: bytes
    """Whole lines, each a JSON object, oldest first."""
    cursor: int


class AskedWorker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that was asked, or cannot be."""

    model: str
    state: str
    """A ``WorkerState``."""
    reason: str = ""
    ticket: int | None = None
    """To read its answer with; None where it serves nobody now."""


class CachesAsked(msgspec.Struct, frozen=True, kw_only=True, tag="caches-asked"):
    """Who was asked."""

    workers: Sequence[AskedWorker]
    """In manifest order."""


class CacheRead(msgspec.Struct, frozen=True, kw_only=True, tag="cache-read"):
    """What one worker has answered."""

    answer: CacheAnswer | None = None
    """None where it has not answered yet, or never will."""
    lost: str = ""
    """Why it never will."""


class Offered(msgspec.Struct, frozen=True, kw_only=True, tag="offered"):
    """Settings have changed; workers were offered what concerns them."""

    ticket: int


class OfferRead(msgspec.Struct, frozen=True, kw_only=True, tag="offer-read"):
    """What workers have made of new options."""

    workers: Sequence[WorkerAnswer]
    """In manifest order."""
    restart: Sequence[str] = ()
    """Key paths that the manifest has other values for, which hold once the server is restarted."""


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """The question cannot be answered; says why."""

    message: str
    param: str | None = None
    """What is at fault: a field of the question, or a key path."""
    busy: bool = False
    """Whether it can be a moment later."""


Answer: TypeAlias = ServerState | LogLines | CachesAsked | CacheRead | Offered | OfferRead | Declined


def questions() -> Codec[Question]:
    """A codec for what the command line says."""
    return Codec(msgspec.msgpack.Decoder(Question))


def answers() -> Codec[Answer]:
    """A codec for what the supervisor says."""
    return Codec(msgspec.msgpack.Decoder(Answer))
