"""How far a prompt is, on its way through the gateway."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from jackfield.context import RequestContext
from jackfield.errors import ChannelError
from jackfield.frontends.outputs import outputs
from jackfield.gateway.receiver import PROGRESS_KEPT, Receiver
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, finished
from jackfield.types import Finished, GenerateRequest, PromptProgress, Started, TextDelta, TextPrompt

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.types import GenerateEvent


def context() -> RequestContext:
    """Of a request."""
    return RequestContext("r", "/completion", "127.0.0.1")


def taken(receiver: Receiver, count: int) -> list[GenerateEvent]:
    """The next *count* events."""

    async def take() -> list[GenerateEvent]:
        return [await receiver.next() for _ in range(count)]

    return asyncio.run(take())


def test_progress_comes_before_text() -> None:
    """In its order."""
    receiver = Receiver(context())
    news = [PromptProgress(10, 0, done, 0.1) for done in (0, 5, 10)]
    events: list[SequenceEvent] = [Started(10, 5), *news, TextDelta("a", 1), finished(1)]
    for event in events:
        receiver.put(event, 1.0)
    assert taken(receiver, 6) == [Started(10, 5), *news, TextDelta("a", 1), finished(1)]


def test_who_does_not_read_is_told_the_latest() -> None:
    """However many there were."""
    receiver = Receiver(context())
    receiver.put(Started(9000, 5), 1.0)
    for done in range(9000):
        receiver.put(PromptProgress(9000, 0, done, 0.1), 1.0)
    _, *news = taken(receiver, 1 + PROGRESS_KEPT)
    assert [each.computed_tokens for each in news if isinstance(each, PromptProgress)] == [
        *range(PROGRESS_KEPT - 1),
        8999,
    ]


@pytest.mark.parametrize("started", [True, False])
def test_impossible_progress(*, started: bool) -> None:
    """Of what has not started, or of an answer that there is not: the worker is not to be trusted."""
    receiver = Receiver(context())
    if started:
        receiver.put(Started(5, 5), 1.0)
    with pytest.raises(ChannelError):
        receiver.put(PromptProgress(5, 0, 0, 0.0, 7 if started else 0), 1.0)


def test_several_prompts_each_have_a_start() -> None:
    """With the number of their first answer."""
    gateway = ScriptedGateway([Started(7, 9), PromptProgress(7, 0, 7, 0.0), TextDelta("a", 1), finished(1)])
    request = GenerateRequest(model="m", prompt=TextPrompt("hi"))

    async def read() -> list[GenerateEvent]:
        async with aclosing(outputs(gateway, context(), [request, request])) as events:
            return [event async for event in events]

    events = asyncio.run(read())
    for kind in (Started, PromptProgress, TextDelta, Finished):
        assert sorted(event.index for event in events if isinstance(event, kind)) == [0, 1]
