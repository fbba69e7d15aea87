"""Several answers to one call: choices, and prompts side by side."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.context import RequestContext
from jackfield.errors import InternalError, InvalidRequest, QueueFull, WorkerDied
from jackfield.frontends.outputs import AT_ONCE, outputs
from jackfield.sse import SseEvent, SseParser
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, finished
from jackfield.types import Finished, GenerateRequest, Started, TextDelta, TextPrompt
from jackfield_openai.answers import Answer, ChatAnswer, CompletionAnswer
from jackfield_openai.bodies import Call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from jackfield.types import GenerateEvent

PLAIN = GenerateRequest(model="demo", prompt=TextPrompt("x"))


def call(prompts: int, n: int, *, include_usage: bool = False) -> Call:
    """A call for *n* answers to each of so many prompts."""
    requests = [GenerateRequest(model="demo", prompt=TextPrompt(f"prompt {number}"), n=n) for number in range(prompts)]
    return Call(requests=tuple(requests), stream=True, include_usage=include_usage)


class Places(ScriptedGateway):
    """Answers each prompt with itself, two choices after the other; has so many places, and then says that it is full.

    Attributes:
        most: How many requests ran at once at the most.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places
        self.running = 0
        self.most = 0
        self.failing: set[str] = set()

    async def generate(self, context: RequestContext, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Play the prompt."""
        assert isinstance(request.prompt, TextPrompt)
        if self.running == self.places:
            context.code = "queue_full"
            raise QueueFull("too much work")
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield Started(7, 64)
            await asyncio.sleep(0)
            if request.prompt.text in self.failing:
                raise WorkerDied("the worker ended")
            for index in range(request.n):
                yield TextDelta(f"{request.prompt.text} answer {index}", 3, index)
                await asyncio.sleep(0)
                yield finished(3, index=index)
        finally:
            self.running -= 1


def collect(gateway: ScriptedGateway, asked: Call) -> tuple[list[GenerateEvent], RequestContext]:
    """All events of *asked*, and what the context learnt."""

    async def run() -> tuple[list[GenerateEvent], RequestContext]:
        context = RequestContext("req-1", "/v1/completions", "127.0.0.1")
        async with asyncio.timeout(30), aclosing(outputs(gateway, context, asked.requests)) as events:
            return [event async for event in events], context

    return asyncio.run(run())


@pytest.mark.parametrize("places", [1, 3, 100])
@pytest.mark.parametrize(("prompts", "n"), [(1, 1), (1, 3), (2, 1), (5, 2), (40, 1)])
def test_each_prompt_has_its_indexes(prompts: int, n: int, places: int) -> None:
    """Choice i of prompt p is p * n + i, however few places there are; what waits for a place is no failure."""
    gateway = Places(places)
    events, context = collect(gateway, call(prompts, n))
    texts = {event.index: event.text for event in events if isinstance(event, TextDelta)}
    assert texts == {p * n + i: f"prompt {p} answer {i}" for p in range(prompts) for i in range(n)}
    assert sorted(event.index for event in events if isinstance(event, Finished)) == list(range(prompts * n))
    assert gateway.most <= min(places, AT_ONCE)
    assert gateway.running == 0
    assert context.code is None


def test_several_run_at_once() -> None:
    """A list of prompts takes as many places as a model has by default, and no more."""
    gateway = Places(100)
    collect(gateway, call(40, 1))
    assert gateway.most == AT_ONCE


def test_a_full_queue_is_told() -> None:
    """Where others have all the places, the call is refused as any is."""
    with pytest.raises(QueueFull):
        collect(Places(0), call(3, 1))


def test_a_refusal_that_comes_late_is_told() -> None:
    """Also where all others have ended by then, and nobody is left to try it again."""

    class Late(ScriptedGateway):
        async def generate(
            self, context: RequestContext, request: GenerateRequest
        ) -> AsyncGenerator[GenerateEvent, None]:
            if request.prompt == TextPrompt("prompt 1"):
                for _ in range(100):
                    await asyncio.sleep(0)
                raise QueueFull("too much work")
            yield finished(1)

    with pytest.raises(QueueFull):
        collect(Late(), call(2, 1))


def test_one_that_fails_fails_all() -> None:
    """And the others are cancelled."""
    gateway = Places(100)
    gateway.failing = {"prompt 2"}
    with pytest.raises(WorkerDied):
        collect(gateway, call(40, 1))
    assert gateway.running == 0


@pytest.mark.parametrize(
    ("param", "path"),
    [("prompt", "prompt[0]"), ("prompt[5]", "prompt[0][5]"), ("n", "n"), (None, None)],
)
def test_an_error_names_the_prompt(param: str | None, path: str | None) -> None:
    """The path that leads to it in the body."""
    with pytest.raises(InvalidRequest) as refused:
        collect(ScriptedGateway([InvalidRequest("too long", param=param)]), call(2, 1))
    assert refused.value.param in (path, path and path.replace("prompt[0]", "prompt[1]"))


def test_a_prompt_without_a_result_is_an_error() -> None:
    """Should the gateway ever stop without one, nobody waits for ever."""
    with pytest.raises(InternalError):
        collect(ScriptedGateway([Started(7, 64), TextDelta("x", 1)]), call(2, 1))


def test_closing_cancels_all() -> None:
    """A client that leaves leaves nothing behind."""
    gateway = ScriptedGateway([Started(7, 64), TextDelta("x", 1), asyncio.Event()])

    async def run() -> None:
        context = RequestContext("req-1", "/v1/completions", "127.0.0.1")
        async with asyncio.timeout(30), aclosing(outputs(gateway, context, call(5, 1).requests)) as events:
            await anext(events)
            assert gateway.open > 1
        assert gateway.open == 0

    asyncio.run(run())


def test_a_slow_reader_holds_the_generators_back() -> None:
    """What nobody reads is not collected: only a bounded number of events is ahead."""
    played = 0

    class Endless(ScriptedGateway):
        async def generate(
            self,
            context: RequestContext,
            request: GenerateRequest,
        ) -> AsyncGenerator[GenerateEvent, None]:
            nonlocal played
            while True:
                played += 1
                yield TextDelta("x", 1)

    async def run() -> None:
        context = RequestContext("req-1", "/v1/completions", "127.0.0.1")
        async with asyncio.timeout(30), aclosing(outputs(Endless(), context, call(3, 1).requests)) as events:
            await anext(events)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert played <= 2 * AT_ONCE + 3

    asyncio.run(run())


def chunks_of(answer: Answer, events: Sequence[TextDelta | Finished]) -> list[dict[str, object]]:
    """The data of all events of a stream but the end mark."""
    body = answer.opening()
    for event in events:
        body += answer.text(event) if isinstance(event, TextDelta) else answer.last(event)
    data = [event.data for event in SseParser().feed(body + answer.closing()) if isinstance(event, SseEvent)]
    assert data[-1] == "[DONE]"
    return [msgspec.json.decode(item) for item in data[:-1]]


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[int, list[TextDelta | Finished]]:
    """Events of several choices in any order that keeps each choice's own."""
    n = draw(st.integers(1, 4))
    left: list[list[TextDelta | Finished]] = [
        [
            *(TextDelta(f"{index}.{number} ", 1, index) for number in range(draw(st.integers(0, 4)))),
            finished(number, index=index),
        ]
        for index in range(n)
        for number in [index]
    ]
    events = []
    while any(left):
        events.append(left[draw(st.sampled_from([index for index in range(n) if left[index]]))].pop(0))
    return n, events


@given(several=interleaved(), chat=st.booleans())
def test_streams_of_several_choices_keep_their_promises(
    several: tuple[int, list[TextDelta | Finished]],
    chat: bool,  # noqa: FBT001 -- hypothesis passes by name
) -> None:
    """Each choice has its role once and first, its texts in order, its reason once and last; one usage for all."""
    n, events = several
    answer = (ChatAnswer if chat else CompletionAnswer)(call(1, n, include_usage=True), "demo")
    *with_choice, usage = chunks_of(answer, events)
    choices = [msgspec.convert(chunk["choices"], list[dict[str, object]])[0] for chunk in with_choice]
    for index in range(n):
        own = [choice for choice in choices if choice["index"] == index]
        texts = [event.text for event in events if isinstance(event, TextDelta) and event.index == index]
        assert [choice["finish_reason"] for choice in own[:-1]] == [None] * (len(own) - 1)
        assert own[-1]["finish_reason"] == "stop"
        if chat:
            deltas = [msgspec.convert(choice["delta"], dict[str, str]) for choice in own]
            assert deltas == [{"role": "assistant", "content": ""}, *({"content": text} for text in texts), {}]
        else:
            assert [choice["text"] for choice in own] == [*texts, ""]
    counted = msgspec.convert(usage["usage"], dict[str, object])
    assert counted["prompt_tokens"] == 7
    assert counted["completion_tokens"] == sum(e.usage.completion_tokens for e in events if isinstance(e, Finished))


def test_usage_counts_each_prompt_once() -> None:
    """The choices of one prompt share it; prompts add up."""
    asked = call(3, 2)
    events: list[TextDelta | Finished] = [finished(4, index=index, cached=2) for index in range(6)]
    whole = msgspec.json.decode(CompletionAnswer(asked, "demo").whole(events))
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2, 3, 4, 5]
    assert whole["usage"]["prompt_tokens"] == 21
    assert whole["usage"]["completion_tokens"] == 24
    assert whole["usage"]["total_tokens"] == 45
    assert whole["usage"]["prompt_tokens_details"]["cached_tokens"] == 6


@pytest.mark.parametrize("stopped_by", ["END", 17])
@pytest.mark.parametrize("kind", [ChatAnswer, CompletionAnswer])
def test_what_stopped_an_answer_is_told(kind: type[Answer], stopped_by: str | int) -> None:
    """As vLLM tells it, whole and streamed; other answers have OpenAI's fields only."""
    end = msgspec.structs.replace(finished(1), stopped_by=stopped_by)
    assert msgspec.json.decode(kind(call(1, 1), "demo").whole([end]))["choices"][0]["stop_reason"] == stopped_by
    choices = msgspec.convert(chunks_of(kind(call(1, 1), "demo"), [end])[-1]["choices"], list[dict[str, object]])
    assert choices[0]["stop_reason"] == stopped_by
    assert "stop_reason" not in msgspec.json.decode(kind(call(1, 1), "demo").whole([finished(1)]))["choices"][0]


def test_a_plain_request_has_no_detour() -> None:
    """One request is the gateway's own generator: its events cost what they cost."""
    made: list[AsyncGenerator[GenerateEvent, None]] = []

    class Kept(ScriptedGateway):
        def generate(self, context: RequestContext, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
            made.append(super().generate(context, request))
            return made[-1]

    context = RequestContext("req-1", "/v1/completions", "127.0.0.1")
    assert outputs(Kept(), context, (PLAIN,)) is made[0]
