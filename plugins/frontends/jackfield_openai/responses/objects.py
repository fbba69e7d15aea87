"""The shapes of ``Response`` and its output items, as OpenAI's API description 2.3.0 has them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from jackfield.errors import http
from jackfield_openai.logprobs import chat_logprobs
from jackfield_openai.records import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.errors import JackfieldError
    from jackfield.types import TokenLogprob, Usage
    from jackfield_openai.responses.bodies import ResponseBody, ResponseCall

Object: TypeAlias = "dict[str, object]"
OBJECT: Final = msgspec.json.Decoder(dict[str, object], float_hook=msgspec.Raw)
"""Of one that is encoded again: numbers stay as they are written, also such as no float can hold."""

ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


def response_object(call: ResponseCall, model: str, *, stored: bool, tier: str) -> Object:
    """A response of which nothing is known yet but what was asked.

    Parameters:
        call: What was asked.
        model: The model's own name.
        stored: Whether it is kept.
        tier: Which one serves it.
    """
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "service_tier": tier,
        "store": stored,
        "usage": None,
        **_asked(call.body),
        "text": call.echoed.get("text", {"format": {"type": "text"}}),
        "tool_choice": call.echoed.get("tool_choice", "auto"),
        "tools": call.echoed.get("tools", []),
    }


def _asked(body: ResponseBody) -> Object:
    """The fields that are repeated as they were read."""
    return {
        "background": bool(body.background),
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": body.reasoning and body.reasoning.effort, "summary": None},
        "safety_identifier": body.safety_identifier,
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "top_logprobs": body.top_logprobs or 0,
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "truncation": body.truncation or "disabled",
        "user": body.user,
    }


def usage_object(usage: Usage) -> Object:
    """``ResponseUsage``."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def error_object(error: JackfieldError) -> Object:
    """``ResponseError``: what a failed response says."""
    return {"code": http(error).code, "message": error.message}


def logprob_objects(tokens: Sequence[TokenLogprob], *, with_bytes: bool = True) -> Sequence[Mapping[str, object]]:
    """``logprobs`` of a text; events leave out the bytes."""
    content = msgspec.to_builtins(chat_logprobs(tokens)["content"])
    if with_bytes:
        return list(content)
    return [_bare(each) | {"top_logprobs": [_bare(other) for other in each["top_logprobs"]]} for each in content]


def _bare(token: Mapping[str, object]) -> Object:
    return {"token": token["token"], "logprob": token["logprob"]}
