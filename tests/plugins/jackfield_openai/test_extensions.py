"""Fields of other servers' clients that change what an answer has, or how it is sent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_openai.test_decode import PLAIN_CHAT, chat, completion, embedding
from tests.plugins.jackfield_openai.test_frontend import Client, ask, with_client

from jackfield.chat import ChatPrompt
from jackfield.context import Room
from jackfield.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    InvalidRequest,
    JackfieldError,
    LimitExceeded,
    QueueFull,
    UnsupportedField,
)
from jackfield.frontends.event_stream import EventStream
from jackfield.ports.limiter import Standing
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, finished
from jackfield.types import LineLimits, PromptProgress, ReasoningDelta, Started, TextDelta
from jackfield_openai.answers import ChatAnswer
from jackfield_openai.config import KEEPALIVE_MAX_S, OpenAIConfig
from jackfield_openai.errors import error_payload
from jackfield_openai.headers import room_headers
from jackfield_openai.obfuscation import STEP, obfuscated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from jackfield.testing.kits.scripted_gateway import Step

Json: TypeAlias = Any

ASKED = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well, "}]


GONE_ON = [ASKED[0], {**ASKED[1], "prefix": True}]


def text(body: bytes) -> str:
    """Content of a whole chat answer, or of all chunks of a stream."""
    if body.startswith(b"{"):
        whole: str = msgspec.json.decode(body)["choices"][0]["message"]["content"]
        return whole
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks(body) if each["choices"])


def chunks(body: bytes) -> list[Json]:
    """All chunks of a stream."""
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line]
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"n_predict": 5}, 5),
        ({"n_predict": -1}, None),
        ({"n_predict": -1, "max_tokens": 4}, 4),
        ({"n_predict": 4, "max_tokens": 4, "max_completion_tokens": 4}, 4),
        ({"max_tokens": -1}, None),
        ({"max_tokens": -1, "max_completion_tokens": 4}, 4),
    ],
)
def test_one_limit_by_three_names(body: Mapping[str, Json], expected: int | None) -> None:
    """Those that agree are one."""
    assert chat(**body).requests[0].max_tokens == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n_predict": 5, "max_tokens": 4}, "n_predict"),
        ({"n_predict": 5, "max_completion_tokens": 4}, "n_predict"),
        ({"n_predict": -2}, "n_predict"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"messages": [{"role": "user", "content": "a", "prefix": True}]}, "messages[0].prefix"),
        ({"messages": [*GONE_ON, {"role": "user", "content": "a"}]}, "messages[1].prefix"),
        ({"messages": GONE_ON, "add_generation_prompt": True}, "add_generation_prompt"),
        ({"messages": GONE_ON, "continue_final_message": False}, "continue_final_message"),
        ({"t_max_predict_ms": -2}, "t_max_predict_ms"),
        ({"n_indent": -1}, "n_indent"),
        ({"id_slot": -2}, "id_slot"),
        ({"sse_ping_interval": -2}, "sse_ping_interval"),
        ({"metadata": {"a" * 65: "b"}}, "metadata"),
        ({"metadata": {"a": "b" * 513}}, "metadata"),
        ({"metadata": {str(number): "b" for number in range(17)}}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"documents": {"a": "b"}}, "documents"),
        ({"documents": [{}], "chat_template_kwargs": {"documents": []}}, "documents"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(body: Mapping[str, Json], param: str) -> None:
    """None is taken for something else."""
    with pytest.raises(InvalidRequest) as refused:
        chat(**body)
    assert refused.value.param is not None
    assert refused.value.param.startswith(param)


def test_a_message_that_is_gone_on_with() -> None:
    """DeepSeek's and Mistral's word for it."""
    prompt = chat(messages=GONE_ON).requests[0].prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.continue_final
    assert chat(messages=GONE_ON, continue_final_message=True).requests[0].prompt == prompt
    assert chat(messages=ASKED).requests[0].prompt == prompt


def test_where_an_editor_wants_the_end() -> None:
    """By time, by indent, by both; in both bodies."""
    assert chat(t_max_predict_ms=1500).requests[0].lines == LineLimits(after_s=1.5)
    assert completion(n_indent=4).requests[0].lines == LineLimits(indent=4)
    assert completion(n_indent=4, t_max_predict_ms=-1).requests[0].lines == LineLimits(indent=4)
    assert chat(id_slot=2).requests[0].slot == 2


@pytest.mark.parametrize(
    ("given_s", "seconds"), [(None, None), (5, 5), (-1, KEEPALIVE_MAX_S), (10**9, KEEPALIVE_MAX_S)]
)
def test_signs_of_life_as_often_as_the_client_wants(given_s: int | None, seconds: float | None) -> None:
    """None of them is as seldom as may be."""
    assert chat(sse_ping_interval=given_s).keepalive_s == seconds


def test_each_stream_has_the_clients_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is configured; that is for those who say nothing."""
    seen: list[float] = []

    class Watched(EventStream):
        """Remembers how often it gives a sign."""

        def __init__(
            self,
            request: web.Request,
            headers: Mapping[str, str],
            keepalive_s: float,
            late: Callable[[], Mapping[str, str]] | None = None,
        ) -> None:
            seen.append(keepalive_s)
            super().__init__(request, headers, keepalive_s, late)

    monkeypatch.setattr("jackfield_openai.frontend.EventStream", Watched)
    ask(ScriptedGateway(), stream=True, sse_ping_interval=7)
    ask(ScriptedGateway(), stream=True)
    assert seen == [7, OpenAIConfig().keepalive_s]


def test_vectors_as_long_as_the_model_makes_them() -> None:
    """Where the client says so."""
    assert embedding(normalize=False).request.normalize is False
    assert embedding(normalize=True).request == embedding().request


# --- documents --------------------------------------------------------------------------------------------------------


def test_documents_are_for_the_template() -> None:
    """They are one of its variables."""
    prompt = chat(documents=[{"title": "a"}], chat_template_kwargs={"date": "today"}).requests[0].prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.template_kwargs == {"date": "today", "documents": [{"title": "a"}]}


@pytest.mark.parametrize(
    ("template", "status"), [("{% for d in documents %}{% endfor %}", 200), ("{{ messages }}", 400), (None, 400)]
)
def test_documents_that_the_model_would_not_see(template: str | None, status: int) -> None:
    """Refused by name, and nothing is computed."""
    gateway = ScriptedGateway()
    gateway.chat_template = template
    assert ask(gateway, documents=[{"title": "a"}])[0] == status
    assert len(gateway.requests) == (status == 200)


# --- what an answer has besides ---------------------------------------------------------------------------------------


STOPPED: list[Step] = [
    Started(7, 64),
    TextDelta("one", 1),
    msgspec.structs.replace(finished(2), stopped_by="END"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "one"),
        ({"include_stop_str_in_output": True}, "oneEND"),
        ({"echo": True}, "one"),
        ({"echo": True, "messages": ASKED}, "Well, one"),
        ({"echo": False, "messages": ASKED}, "one"),
        ({"echo": True, "messages": ASKED, "include_stop_str_in_output": True}, "Well, oneEND"),
    ],
)
def test_the_begun_message_and_the_stop_string(fields: Mapping[str, Json], expected: str, *, stream: bool) -> None:
    """Streamed or not."""
    status, _, body = ask(ScriptedGateway(STOPPED), stream=stream, stop="END", **fields)
    assert (status, text(body)) == (200, expected)


def test_a_stop_token_has_no_text() -> None:
    """As in vLLM only strings are shown."""
    script: list[Step] = [Started(7, 64), TextDelta("one", 1), msgspec.structs.replace(finished(2), stopped_by=17)]
    assert text(ask(ScriptedGateway(script), include_stop_str_in_output=True)[2]) == "one"


def test_a_refusal_is_a_status_also_after_a_begun_message() -> None:
    """Nothing is sent before the model's own first text."""
    status, _, body = ask(ScriptedGateway([DeadlineExceeded("late")]), stream=True, echo=True, messages=ASKED)
    assert status == 408
    assert b"Well" not in body


@pytest.mark.parametrize("stream", [False, True])
def test_metadata_is_repeated(*, stream: bool) -> None:
    """In the whole answer; OpenAI's chunks have none."""
    body = ask(ScriptedGateway(), metadata={"team": "search"}, stream=stream)[2]
    assert (b'"metadata":{"team":"search"}' in body) is not stream


def test_how_far_the_prompt_is() -> None:
    """In llama-server's words, only in streams, and before the first text."""
    script: list[Step] = [Started(7, 64), PromptProgress(7, 2, 4, 0.0123), TextDelta("a", 1), finished(1)]
    gateway = ScriptedGateway(script)
    role, progress, first, *_ = chunks(ask(gateway, stream=True, return_progress=True)[2])
    assert role["choices"] != progress["choices"] != first["choices"]
    assert progress["prompt_progress"] == {"total": 7, "cache": 2, "processed": 4, "time_ms": 12}
    assert gateway.requests[0].progress
    assert chat(return_progress=True).requests[0] == PLAIN_CHAT
    assert text(ask(ScriptedGateway(script))[2]) == "a"


# --- chunks of one length ---------------------------------------------------------------------------------------------


@given(words=st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=5))
def test_the_length_of_a_chunk_says_nothing_of_its_text(words: list[str]) -> None:
    """All are a multiple of 64 bytes; those of short words of one."""
    made = ChatAnswer(chat(stream=True, stream_options={"include_obfuscation": True}), "demo")
    for word in words:
        event = made.event(TextDelta(word, 1))
        assert len(event) % STEP == 0
        [chunk] = chunks(event)
        assert text(event) == word
        assert set(str(chunk["obfuscation"])) <= set("0123456789abcdef")


def test_nothing_is_not_made_longer() -> None:
    """Of thoughts that are not sent there is no chunk."""
    call = chat(stream=True, include_reasoning=False, stream_options={"include_obfuscation": True})
    assert ChatAnswer(call, "demo").event(ReasoningDelta("hm", 1)) == b""


def test_obfuscation_differs() -> None:
    """What is the same each time could be taken away again."""
    event = b'data: {"choices":[]}\n\n'
    assert len({obfuscated(event) for _ in range(20)}) == 20


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0ms"), (0.0204, "20ms"), (1, "1s"), (1.25, "1.25s"), (59.9996, "1m0s"), (360, "6m0s"), (61.5, "1m1.5s")],
)
def test_durations_are_gos(seconds: float, said: str) -> None:
    """As in OpenAI's own headers."""
    assert room_headers(Room(8, 3, seconds)) == {
        "x-ratelimit-limit-requests": "8",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": said,
    }


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_says_what_room_there_was(*, stream: bool) -> None:
    """And how long it took; a model of which nothing is known says nothing."""
    gateway = ScriptedGateway(answer("a"))
    gateway.room = Room(72, 70, 0.5)
    headers = ask(gateway, stream=stream)[1]
    assert headers["x-ratelimit-remaining-requests"] == "70"
    assert headers["x-ratelimit-reset-requests"] == "500ms"
    assert int(headers["openai-processing-ms"]) >= 0
    timing = dict(each.split(";dur=") for each in headers["server-timing"].split(", "))
    assert "total" in timing
    assert all(math.isfinite(float(each)) for each in timing.values())
    assert not any(name.startswith("x-ratelimit") for name in ask(ScriptedGateway())[1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_says_so_too(*, stream: bool) -> None:
    """Whole and streamed."""
    gateway = ScriptedGateway(answer("a"))
    gateway.room = Room(72, 70, 0.5)

    async def scenario(client: Client) -> Mapping[str, str]:
        response = await client.post("/v1/responses", json={"model": "default", "input": "hi", "stream": stream})
        await response.read()
        return response.headers

    headers = with_client(gateway, scenario)
    assert headers["x-ratelimit-remaining-requests"] == "70"
    assert "total;dur=" in headers["server-timing"]


LEFT = (
    Standing(measure="requests", limit=1000, remaining=990, reset_s=86_000, scope="team", window="day"),
    Standing(measure="requests", limit=60, remaining=58, reset_s=12.5, scope="key", window="minute"),
    Standing(measure="tokens", limit=10_000, remaining=9_000, reset_s=61.5, scope="key", window="hour"),
    Standing(measure="money", limit=5.0, remaining=0.25, reset_s=1.0, scope="all", window="month"),
)
SAID = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "58",
    "x-ratelimit-reset-requests": "12.5s",
    "x-ratelimit-limit-tokens": "10000",
    "x-ratelimit-remaining-tokens": "9000",
    "x-ratelimit-reset-tokens": "1m1.5s",
}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_says_what_is_left_of_the_callers_limits(*, stream: bool) -> None:
    """Of several the one that is reached first. They go before what room the model has; money is nobody's business."""
    gateway = ScriptedGateway(answer("a"))
    gateway.room, gateway.standings = Room(72, 70, 0.5), LEFT
    headers = ask(gateway, stream=stream)[1]
    assert {name: value for name, value in headers.items() if name.startswith("x-ratelimit")} == SAID
    gateway.standings = LEFT[2:]
    headers = ask(gateway, stream=stream)[1]
    assert headers["x-ratelimit-limit-requests"] == "72"
    assert headers["x-ratelimit-limit-tokens"] == "10000"


@pytest.mark.parametrize(
    ("kind", "code", "family"),
    [
        (LimitExceeded, "rate_limit_exceeded", "rate_limit_error"),
        (BudgetExceeded, "insufficient_quota", "insufficient_quota"),
    ],
)
def test_a_refusal_for_a_limit_says_so(kind: type[LimitExceeded], code: str, family: str) -> None:
    """In OpenAI's words."""
    error = kind("the limit is reached")
    error.standings = LEFT
    payload = error_payload(error)
    assert (payload.status, payload.headers) == (429, SAID)
    said = msgspec.json.decode(payload.body)["error"]
    assert (said["code"], said["type"]) == (code, family)


@pytest.mark.parametrize(("error", "headers"), [(QueueFull("full"), 3), (UnsupportedField("no"), 0)])
def test_a_refusal_for_lack_of_room_says_so(error: JackfieldError, headers: int) -> None:
    """No other refusal does."""
    if isinstance(error, QueueFull):
        error.room = Room(8, 0, 2.5)
    found = error_payload(error).headers
    assert len(found) == headers
    assert found.get("x-ratelimit-reset-requests", "2.5s") == "2.5s"


def test_the_fingerprint_is_the_revisions() -> None:
    """In every chunk and in the whole; none where nothing is known."""
    gateway = ScriptedGateway(answer("a"))
    gateway.revision = "0123456789"
    whole = msgspec.json.decode(ask(gateway)[2])
    assert whole["system_fingerprint"] == "fp_0123456789"
    assert {each["system_fingerprint"] for each in chunks(ask(gateway, stream=True)[2])} == {"fp_0123456789"}
    assert "system_fingerprint" not in msgspec.json.decode(ask(ScriptedGateway())[2])
