"""Messages: every kind survives the channel; whatever else arrives is a ``ChannelError``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.cache_report import CacheCleared, CacheReport, ScopeReport
from jackfield.channel import messages
from jackfield.channel.framing import FrameDecoder
from jackfield.channel.messages import Codec
from jackfield.error_record import ErrorRecord
from jackfield.errors import ChannelError
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.observer import EngineStats, StoreStats
from jackfield.types import Finished, GenerateRequest, Started, TextDelta, TextPrompt, Timings, TokenPrompt, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

AnyCodec: TypeAlias = Codec[Any]

INFO = ModelInfo(
    architecture="llama",
    title="Demo",
    description="llama 2M",
    parameters=2,
    size_bytes=3,
    context_train=4,
    vocabulary=5,
)
LIMITS = RunnerLimits(context=1, max_sequences=2, kv_tokens=3, max_batch_tokens=4)
ERROR = ErrorRecord("queue_full", "full", "model", 1.0)
STATS = EngineStats(1, 2, 3, 4, 5, 6, 7, 8, 0.5, 0.25, 0.125)
CACHE = CacheReport(
    prefixes=1,
    scopes=[ScopeReport(scope="00ff", prefixes=1, running_tokens=2, idle_tokens=3, stored_tokens=4)],
    stores=[
        StoreStats(
            name="kv-memory",
            entries=1,
            used_bytes=2,
            limit_bytes=3,
            hits=4,
            dropped=5,
            error="full",
            troubles={"disk_full": 6},
        )
    ],
)
EVENTS: list[tuple[int, messages.SequenceEvent]] = [
    (1, Started(3, 4)),
    (2, TextDelta("é", 1)),
    (1, Finished("stop", Usage(1, 2, 0), Timings(0.1, 0.2, 0.3))),
    (3, messages.RequestFailed(ERROR)),
]

EXAMPLES: dict[Callable[[], AnyCodec], list[msgspec.Struct]] = {
    messages.to_worker: [
        messages.Submit(1, GenerateRequest(model="m", prompt=TextPrompt("once"))),
        messages.Submit(2**40, GenerateRequest(model="m", prompt=TokenPrompt((1, 2)), stop=("\n",))),
        messages.Cancel(1),
    ],
    messages.to_gateway: [messages.Events([]), messages.Events(EVENTS), STATS],
    messages.to_child: [
        messages.BootGateway(generation=1, manifest=b"\x80", public_listeners=1, health_listeners=2, started=3),
        messages.BootWorker(model="demo", manifest=b""),
        messages.Attach(model="demo"),
        messages.WorkerStatus(model="demo", state="ready", info=INFO, limits=LIMITS),
        messages.WorkerStatus(model="demo", state="backoff", reason="restarting in 2.0 s", restarts=3),
        messages.Drain(timeout_s=30.0),
        messages.SetLogLevel(level="debug"),
        messages.Configured(manifest=b"\x80"),
        messages.Reload(),
        messages.AskCache(ticket=2**40, clear=True),
        messages.Told(ticket=1, answer=b"\x91"),
        messages.Reconfigure(ticket=3, manifest=b"\x80"),
        messages.Stop(),
    ],
    messages.to_supervisor: [
        messages.Progress(fraction=0.43),
        messages.Ready(plugins={"openai": "jackfield 0.1.0"}, info=INFO, limits=LIMITS),
        messages.Ready(),
        messages.Ask(ticket=1, question=b"\x91"),
        messages.Refused(error=ERROR),
        messages.Heartbeat(busy_s=1.5),
        messages.LinkLost(model="m"),
        messages.Reconfigured(ticket=3, model="m", plugin="fair", error="x: config.fair.ageing_s", param="config.fair"),
        messages.CacheAnswered(ticket=1, answer=CACHE),
        messages.CacheAnswered(ticket=2, answer=CacheCleared(prefixes=3, idle_tokens=40, entries=5, stored_bytes=60)),
    ],
}
CASES = [(codec, message) for codec, examples in EXAMPLES.items() for message in examples]
CODEC = pytest.mark.parametrize("codec", EXAMPLES)


@pytest.mark.parametrize(("codec", "message"), CASES)
def test_every_message_survives(codec: Callable[[], AnyCodec], message: msgspec.Struct) -> None:
    """Encoded by one process, decoded by another."""
    [payload] = FrameDecoder().feed(codec().encode(message))
    assert codec().decode(payload) == message


def test_the_examples_cover_every_message() -> None:
    """A new message needs an example here."""
    kinds = {
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__
    }
    shown = {type(message) for _, message in CASES} | {type(event) for _, event in EVENTS}
    assert kinds <= shown | {messages.RequestFailed}


@CODEC
@given(payload=st.binary(max_size=200))
def test_garbage_is_a_channel_error(codec: Callable[[], AnyCodec], payload: bytes) -> None:
    """Never another exception: a process must not die of what its peer says."""
    with contextlib.suppress(ChannelError):
        codec().decode(payload)


@pytest.mark.parametrize(("codec", "message"), CASES)
def test_a_message_cut_short_is_a_channel_error(codec: Callable[[], AnyCodec], message: msgspec.Struct) -> None:
    """At every byte."""
    [payload] = FrameDecoder().feed(codec().encode(message))
    for end in range(len(payload)):
        with pytest.raises(ChannelError):
            codec().decode(payload[:end])


@CODEC
def test_a_message_of_another_direction_is_refused(codec: Callable[[], AnyCodec]) -> None:
    """A gateway cannot be made to act on what only a supervisor may say."""
    foreign = [message for other, message in CASES if other is not codec]
    for message in foreign:
        with pytest.raises(ChannelError):
            codec().decode(msgspec.msgpack.encode(message))


def test_a_request_out_of_range_is_refused_by_the_decoder() -> None:
    """Records are checked on construction, also here."""
    submit = messages.Submit(1, GenerateRequest(model="m", prompt=TextPrompt("x"), max_tokens=77))
    payload = msgspec.msgpack.encode(submit)
    key = msgspec.msgpack.encode("max_tokens")
    broken = payload.replace(key + b"\x4d", key + b"\x00")
    assert broken != payload
    with pytest.raises(ChannelError, match="max_tokens"):
        messages.to_worker().decode(broken)


def test_deep_nesting_is_refused() -> None:
    """Without a crash of the interpreter's stack."""
    with pytest.raises(ChannelError):
        messages.to_worker().decode(b"\x91" * 100_000 + b"\x00")
