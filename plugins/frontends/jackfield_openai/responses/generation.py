"""The request that a response becomes, and its events; what does not fit is made shorter where that was asked for."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import ChatPrompt, Message
from jackfield.errors import ContextLengthExceeded
from jackfield.frontends.tools import names_function
from jackfield.frontends.users import cache_scope
from jackfield.types import GenerateRequest
from jackfield_openai.responses.items import messages_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent
    from jackfield_openai.responses.bodies import ResponseCall
    from jackfield_openai.responses.items import Item

_DROPPED: Final = 4
"""Of what may be dropped, one part in so many goes at a time: a few tries shorten the longest conversation."""


def conversation(call: ResponseCall, items: Sequence[Item]) -> ChatPrompt:
    """The conversation that the model sees.

    Parameters:
        call: What was asked. Its instructions come first; those of earlier responses are not remembered.
        items: All items, oldest first.
    """
    instructions = call.body.instructions
    first = (Message("system", instructions),) if instructions else ()
    return ChatPrompt(
        (*first, *messages_of(items)),
        tools=call.tools,
        tool_choice=call.tool_choice,
        parallel_tool_calls=call.body.parallel_tool_calls is not False
        and not names_function(call.echoed.get("tool_choice")),
        thinking=call.thinking,
        template_kwargs=call.body.chat_template_kwargs or {},
    )


def generate_request(call: ResponseCall, prompt: ChatPrompt, priority: int | None) -> GenerateRequest:
    """What is asked of the model, at *priority*. Only those with the same cache key share computed prefixes."""
    return GenerateRequest(
        model=call.model,
        prompt=prompt,
        sampling=call.sampling,
        max_tokens=call.body.max_output_tokens,
        logprobs=call.logprobs,
        constraint=call.constraint,
        priority=priority,
        cache_salt=cache_scope("", call.body.prompt_cache_key or ""),
    )


def generated(
    gateway: Gateway, context: RequestContext, request: GenerateRequest, *, shorten: bool
) -> AsyncGenerator[GenerateEvent, None]:
    """The events of *request*.

    Parameters:
        gateway: What serves it.
        context: The request's.
        request: Of one conversation.
        shorten: Whether the oldest messages go until the rest fits (``truncation: auto``).

    Raises:
        JackfieldError: As ``Gateway.generate``.
    """
    return _shortening(gateway, context, request) if shorten else gateway.generate(context, request)


async def _shortening(
    gateway: Gateway, context: RequestContext, request: GenerateRequest
) -> AsyncGenerator[GenerateEvent, None]:
    while True:
        try:
            async with aclosing(gateway.generate(context, request)) as events:
                async for event in events:
                    yield event
            return
        except ContextLengthExceeded:
            prompt = shortened(request.prompt) if isinstance(request.prompt, ChatPrompt) else None
            if prompt is None:
                raise
            context.code = None
            request = msgspec.structs.replace(request, prompt=prompt)


def shortened(prompt: ChatPrompt) -> ChatPrompt | None:
    """*prompt* without its oldest messages; None where nothing may go.

    What instructs (system and developer messages) stays, and so does the last message. A tool's answer goes with its
    call.
    """
    kept = [message for message in prompt.messages if message.role in {"system", "developer"}]
    said = [message for message in prompt.messages if message.role not in {"system", "developer"}]
    if len(said) < 2:  # noqa: PLR2004 -- the last one stays
        return None
    rest = said[min(len(said) - 1, max(1, len(said) // _DROPPED)) :]
    while len(rest) > 1 and rest[0].role == "tool":
        rest = rest[1:]
    return msgspec.structs.replace(prompt, messages=(*kept, *rest))
