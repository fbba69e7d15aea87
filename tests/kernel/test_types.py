"""The records: what exists is legal."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message
from jackfield.errors import InvalidRequest
from jackfield.sampling import SEED_MAX, SamplingParams
from jackfield.types import (
    STOP_LENGTH_MAX,
    STOP_MAX,
    Finished,
    GenerateEvent,
    GenerateRequest,
    Prompt,
    Started,
    TextDelta,
    TextPrompt,
    Timings,
    TokenPrompt,
    Usage,
)

PROMPT = TextPrompt("once")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", 2.0),
        ("top_p", 0.0),
        ("top_p", 1.0),
        ("min_p", 0.0),
        ("min_p", 1.0),
        ("top_k", 0),
        ("top_k", 2**31 - 1),
        ("seed", 0),
        ("seed", SEED_MAX - 1),
        ("seed", None),
    ],
)
def test_sampling_takes_the_whole_range(field: str, value: float | None) -> None:
    """Both ends included."""
    assert getattr(SamplingParams(**{field: value}), field) == value  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.01),
        ("temperature", 2.01),
        ("top_p", -0.1),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("top_k", -1),
        ("top_k", 2**31),
        ("seed", -1),
        ("seed", SEED_MAX),
        *[(field, value) for field in ("temperature", "top_p", "min_p") for value in (math.nan, math.inf, -math.inf)],
    ],
)
def test_sampling_refuses_what_is_out_of_range(field: str, value: float) -> None:
    """The error names the field."""
    with pytest.raises(InvalidRequest, match=f"^{field} must be between") as caught:
        SamplingParams(**{field: value})  # type: ignore[arg-type]  # fields by name
    assert caught.value.param == field


@given(value=st.floats())
def test_any_float_is_either_in_range_or_refused(value: float) -> None:
    """No float slips through, not even NaN."""
    try:
        params = SamplingParams(temperature=value)
    except InvalidRequest:
        assert not 0 <= value <= 2
    else:
        assert 0 <= params.temperature <= 2


@pytest.mark.parametrize("limit", [1, 10**9, None])
def test_max_tokens_accepted(limit: int | None) -> None:
    """None leaves it to the server."""
    assert GenerateRequest(model="m", prompt=PROMPT, max_tokens=limit).max_tokens == limit


@pytest.mark.parametrize("limit", [0, -1])
def test_max_tokens_refused(limit: int) -> None:
    """An answer without room is a mistake."""
    with pytest.raises(InvalidRequest) as caught:
        GenerateRequest(model="m", prompt=PROMPT, max_tokens=limit)
    assert caught.value.param == "max_tokens"


@pytest.mark.parametrize("stop", [(), ("\n",), ("x" * STOP_LENGTH_MAX,), tuple("abcdefghijklmnop")])
def test_stop_accepted(stop: tuple[str, ...]) -> None:
    """Up to the limits."""
    assert GenerateRequest(model="m", prompt=PROMPT, stop=stop).stop == stop


@pytest.mark.parametrize("stop", [("",), ("x" * (STOP_LENGTH_MAX + 1),), ("x",) * (STOP_MAX + 1), ("fine", "")])
def test_stop_refused(stop: tuple[str, ...]) -> None:
    """An empty string would stop at once; too long a one would hold the stream back."""
    with pytest.raises(InvalidRequest) as caught:
        GenerateRequest(model="m", prompt=PROMPT, stop=stop)
    assert caught.value.param == "stop"


def test_empty_prompts_are_refused() -> None:
    """There is nothing to compute."""
    with pytest.raises(InvalidRequest) as messages:
        ChatPrompt(())
    assert messages.value.param == "messages"
    with pytest.raises(InvalidRequest) as tokens:
        TokenPrompt(())
    assert tokens.value.param == "prompt"


@pytest.mark.parametrize("record", [SamplingParams(), GenerateRequest(model="m", prompt=PROMPT), Message("user", "hi")])
def test_records_are_frozen(record: msgspec.Struct) -> None:
    """What was checked stays as it was."""
    name = record.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(record, name, None)


texts = st.text(max_size=20)
messages = st.builds(Message, st.sampled_from(["system", "developer", "user", "assistant"]), texts)
prompts = st.one_of(
    st.builds(ChatPrompt, st.lists(messages, min_size=1, max_size=4).map(tuple)),
    st.builds(TextPrompt, texts),
    st.builds(TokenPrompt, st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=8).map(tuple)),
)
sampling = st.builds(
    SamplingParams,
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    top_k=st.integers(0, 2**31 - 1),
    min_p=st.floats(0, 1),
    seed=st.none() | st.integers(0, SEED_MAX - 1),
)
requests = st.builds(
    GenerateRequest,
    model=texts,
    prompt=prompts,
    sampling=sampling,
    max_tokens=st.none() | st.integers(1, 10**6),
    stop=st.lists(st.text(min_size=1, max_size=8), max_size=STOP_MAX).map(tuple),
    ignore_eos=st.booleans(),
)
counts = st.integers(0, 10**6)
times = st.floats(0, 1e6)
events = st.one_of(
    st.builds(Started, counts, counts),
    st.builds(TextDelta, texts, counts),
    st.builds(
        Finished,
        st.sampled_from(["stop", "length"]),
        st.builds(Usage, counts, counts, counts),
        st.builds(Timings, times, times, times),
    ),
)


@given(request=requests)
def test_any_legal_request_survives_msgpack(request: GenerateRequest) -> None:
    """The gateway sends them to the worker."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=GenerateRequest) == request


@given(event=events)
def test_any_event_survives_msgpack(event: GenerateEvent) -> None:
    """And the worker answers; the tag tells the kinds apart."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=GenerateEvent) == event


@given(prompt=prompts)
def test_any_prompt_survives_msgpack(prompt: Prompt) -> None:
    """The tag tells the kinds apart."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(prompt), type=Prompt) == prompt


def test_a_decoded_record_is_checked_too() -> None:
    """Construction by a decoder runs the same checks."""
    with pytest.raises((msgspec.ValidationError, InvalidRequest), match="temperature"):
        msgspec.convert({"temperature": 3.0}, SamplingParams)
