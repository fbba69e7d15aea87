"""What an answer has besides what the model wrote: the text that it continues, the stop string that ended it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.types import Finished, Started, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from jackfield.context import RequestContext
    from jackfield.types import GenerateEvent
    from jackfield_openai.bodies import Call


def completed(
    call: Call, events: AsyncGenerator[GenerateEvent, None], context: RequestContext
) -> AsyncGenerator[GenerateEvent, None]:
    """*events* with the additions that *call* asks for; whoever reads closes *events* too.

    Parameters:
        call: What was asked.
        events: What the model says.
        context: Of the work: what guardrails have masked is repeated as answers may have it.
    """
    return _with_additions(call, events, context) if call.begun or call.stops_shown else events


async def _with_additions(
    call: Call, events: AsyncGenerator[GenerateEvent, None], context: RequestContext
) -> AsyncGenerator[GenerateEvent, None]:
    begun = False
    async for event in events:
        if not begun and not isinstance(event, Started):
            begun = True
            for index in range(call.choices if call.begun else 0):
                yield TextDelta(_repeated(call.begun, context), 0, index)
        if call.stops_shown and isinstance(event, Finished) and isinstance(event.stopped_by, str):
            yield TextDelta(_repeated(event.stopped_by, context), 0, event.index)
        yield event


def _repeated(text: str, context: RequestContext) -> str:
    return text if context.masking is None else context.masking.repeated(text)
