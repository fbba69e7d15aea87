"""The messages, as tagged structs.

Two conversations:

* **control**: supervisor and one child (gateway or worker), for start-up, state, descriptors and shutdown;
* **data**: one gateway and one worker, for requests and their events; one ``Events`` a step carries all sequences.

Whatever arrives is decoded into these types or refused with ``ChannelError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Generic, Literal, TypeAlias, TypeVar

import msgspec

from jackfield.cache_report import CacheAnswer
from jackfield.channel.framing import encode_frame
from jackfield.chat import ChatFormat
from jackfield.error_record import ErrorRecord
from jackfield.errors import ChannelError, JackfieldError
from jackfield.pooled import Pooled, PoolRequest
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.observer import EngineStats
from jackfield.questions import Question, Reply
from jackfield.types import Finished, GenerateRequest, PromptProgress, Started, TextDelta

Message = TypeVar("Message")

# --- data: gateway → worker ------------------------------------------------------------------------------------------


class Submit(msgspec.Struct, frozen=True, tag="submit", array_like=True):
    """Serve a request."""

    id: int
    """Chosen by the gateway; unique on its connection."""
    request: GenerateRequest | PoolRequest | Question
    timeout_s: float | None = None
    """Seconds from now after which nobody wants the answer any more; the worker then fails it with 408."""
    tenant: str = ""
    """Who is served: ``Principal.tenant``, empty where nobody is asked who calls. Schedulers share between tenants, and
    only one tenant's requests share cached prefixes."""


class Cancel(msgspec.Struct, frozen=True, tag="cancel", array_like=True):
    """Stop working on a request; nothing more is sent for it. Unknown ids are ignored: it may just have ended."""

    id: int


ToWorker: TypeAlias = Submit | Cancel

# --- data: worker → gateway ------------------------------------------------------------------------------------------


class RequestFailed(msgspec.Struct, frozen=True, tag="failed", array_like=True):
    """The request ended with an error."""

    error: ErrorRecord


SequenceEvent: TypeAlias = Started | PromptProgress | TextDelta | Finished | Pooled | Reply | RequestFailed


class Events(msgspec.Struct, frozen=True, tag="events", array_like=True):
    """What happened to this connection's requests in one engine step (or in the intake), in order."""

    events: list[tuple[int, SequenceEvent]]
    """Request id and event."""


ToGateway: TypeAlias = Events | EngineStats

# --- control: supervisor → child -------------------------------------------------------------------------------------


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True, tag="worker-status"):
    """Where a worker stands. To gateways on every change, and for all workers right after ``BootGateway``."""

    model: str
    state: str
    """A ``WorkerState``."""
    reason: str = ""
    """For people: "loading 43 %", "restarting in 2.0 s", an error. No host path."""
    restarts: int = 0
    info: ModelInfo | None = None
    limits: RunnerLimits | None = None
    chat: ChatFormat | None = None
    """How the model takes conversations; None where it takes none, or nothing is loaded yet."""
    shapes: tuple[str, ...] = ()
    """What answers can be made to look like: kinds of constraints."""


class BootGateway(msgspec.Struct, frozen=True, kw_only=True, tag="boot-gateway"):
    """First message to a gateway. Carries descriptors: all public listeners, then all health listeners."""

    generation: int
    manifest: bytes
    """``Manifest.dump()``."""
    public_listeners: int
    health_listeners: int
    started: int
    """Unix seconds at which the server started."""


class BootWorker(msgspec.Struct, frozen=True, kw_only=True, tag="boot-worker"):
    """First message to a worker."""

    model: str
    """Key in ``[models]``."""
    manifest: bytes


class Attach(msgspec.Struct, frozen=True, kw_only=True, tag="attach"):
    """A new data connection; its descriptor comes with it. To a gateway it names the worker's model."""

    model: str


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag="drain"):
    """To a gateway: readiness 503, refuse new requests, finish the others in time, then end with exit code 0."""

    timeout_s: float


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """End now: cancel what runs, close, exit 0."""


class SetLogLevel(msgspec.Struct, frozen=True, kw_only=True, tag="log-level"):
    """The operator changed ``kernel.log_level``; it holds from here on."""

    level: Literal["debug", "info", "warning", "error"]


class Configured(msgspec.Struct, frozen=True, kw_only=True, tag="configured"):
    """To a gateway: what holds from here on, of all that may change while the server runs."""

    manifest: bytes
    """``Manifest.dump()``."""


class Reload(msgspec.Struct, frozen=True, kw_only=True, tag="reload"):
    """To a gateway: read secrets and certificates again."""


class AskCache(msgspec.Struct, frozen=True, kw_only=True, tag="ask-cache"):
    """An operator wants to know how the worker's prefix cache is, or wants it cleared. Answered between two steps."""

    ticket: int
    """Comes back with the answer."""
    clear: bool = False


class Reconfigure(msgspec.Struct, frozen=True, kw_only=True, tag="reconfigure"):
    """To a worker: the manifest was read again. Options that may change while it runs hold from the next step on.

    Answered with ``Reconfigured``.
    """

    ticket: int
    """Comes back with the answer."""
    manifest: bytes
    """``Manifest.dump()``."""


class Told(msgspec.Struct, frozen=True, kw_only=True, tag="told"):
    """The answer to a gateway's ``Ask``."""

    ticket: int
    answer: bytes
    """The payload of one of ``jackfield.channel.operator``'s answers."""


ToChild: TypeAlias = (
    BootGateway
    | BootWorker
    | Attach
    | WorkerStatus
    | Drain
    | Stop
    | SetLogLevel
    | Configured
    | Reload
    | AskCache
    | Reconfigure
    | Told
)

# --- control: child → supervisor -------------------------------------------------------------------------------------


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """A worker loads its model; a gateway starts its plugins."""

    fraction: float
    """0.0 to 1.0."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The child serves. A worker says what it has loaded."""

    plugins: Mapping[str, str] = {}
    """Instance name → "distribution version", for the banner."""
    authenticators: tuple[str, ...] = ()
    """Of a gateway: who says who calls, in the order they are asked; for the banner."""
    info: ModelInfo | None = None
    limits: RunnerLimits | None = None
    chat: ChatFormat | None = None
    """Of a worker: how its model takes conversations."""
    shapes: tuple[str, ...] = ()
    """Of a worker: what answers can be made to look like, as kinds of constraints."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The child cannot work as configured; it ends after this. Not restarted."""

    error: ErrorRecord


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat"):
    """Sent every second from start to end, also while loading; silence means the child hangs."""

    busy_s: float = 0.0
    """How long the present engine step has been running, in seconds; 0 when idle."""
    requests: int = 0
    """Requests that a worker has and that have not ended: running or waiting."""


class LinkLost(msgspec.Struct, frozen=True, kw_only=True, tag="link-lost"):
    """A gateway has had no data connection to a ready worker for a while, and asks for a new one."""

    model: str


class CacheAnswered(msgspec.Struct, frozen=True, kw_only=True, tag="cache-answered"):
    """A worker's answer to ``AskCache``."""

    ticket: int
    answer: CacheAnswer


class Reconfigured(msgspec.Struct, frozen=True, kw_only=True, tag="reconfigured"):
    """A worker runs with the options of a plugin that it was offered, or cannot."""

    ticket: int
    model: str
    plugin: str
    """Name of the instance."""
    changed: bool = True
    """Whether they are other ones than before."""
    error: str = ""
    """Why it cannot: the old ones hold."""
    param: str | None = None
    """Key path at fault, where one is."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """A gateway asks what an operator can ask. Answered with ``Told``."""

    ticket: int
    question: bytes
    """The payload of one of ``jackfield.channel.operator``'s questions."""


ToSupervisor: TypeAlias = Progress | Ready | Refused | Heartbeat | LinkLost | CacheAnswered | Reconfigured | Ask

HEARTBEAT_INTERVAL_S: Final = 1.0


class Codec(Generic[Message]):
    """Encodes and decodes the messages of one direction. Encoders are not shared between threads: make one each.

    Parameters:
        decoder: Decodes that direction's union; see the four functions below.
    """

    __slots__ = ("_decoder", "_encoder")

    def __init__(self, decoder: msgspec.msgpack.Decoder[Message]) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = decoder

    def encode(self, message: Message) -> bytes:
        """The frame for *message*, ready to be sent."""
        return encode_frame(self._encoder.encode(message))

    def decode(self, payload: bytes) -> Message:
        """The message in one frame's payload; raises ``ChannelError`` for anything that is not one."""
        try:
            return self._decoder.decode(payload)
        except (msgspec.MsgspecError, JackfieldError, UnicodeDecodeError, RecursionError) as error:
            raise ChannelError(f"unreadable message of {len(payload)} bytes: {error}") from error


def to_worker() -> Codec[ToWorker]:
    """A codec for what a gateway says to a worker."""
    return Codec(msgspec.msgpack.Decoder(ToWorker))


def to_gateway() -> Codec[ToGateway]:
    """A codec for what a worker says to a gateway."""
    return Codec(msgspec.msgpack.Decoder(ToGateway))


def to_child() -> Codec[ToChild]:
    """A codec for what the supervisor says to a child."""
    return Codec(msgspec.msgpack.Decoder(ToChild))


def to_supervisor() -> Codec[ToSupervisor]:
    """A codec for what a child says to the supervisor."""
    return Codec(msgspec.msgpack.Decoder(ToSupervisor))
