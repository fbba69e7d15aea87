"""JSON bodies to requests. No I/O; whatever comes in, the result is a request or a ``ClientError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import ChatPrompt, Thinking
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Screening, present, shown
from jackfield.frontends.tools import read_schema
from jackfield.ports.constraint import JsonObject, JsonSchema
from jackfield.questions import Render
from jackfield.sampling import SamplingParams
from jackfield.types import STOP_MAX, GenerateRequest
from jackfield_anthropic import fields
from jackfield_anthropic.blocks import read_messages, read_system
from jackfield_anthropic.bodies import Call, MessagesBody, PromptBody
from jackfield_anthropic.tools import read_choice, read_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from jackfield.frontends.rules import Rules
    from jackfield.ports.constraint import Constraint
    from jackfield_anthropic.bodies import PromptFields

Given: TypeAlias = "Mapping[str, msgspec.Raw]"
"""The fields of an object that are not null, as they were sent."""

Thinks: TypeAlias = "Callable[[str], bool]"
"""Whether the model of a name thinks before it answers."""

_NAMES: Final = NamesDecoder(Names)
_MESSAGES: Final = msgspec.json.Decoder(MessagesBody)
_COUNT: Final = msgspec.json.Decoder(PromptBody)


def decode_messages(data: bytes, mode: Mode, thinks: Thinks | None = None) -> Call:
    """Decode a body of ``/v1/messages``.

    Parameters:
        data: The body as it came.
        mode: What becomes of fields that cannot be honoured.
        thinks: Thoughts that are asked of a model that has none are left out; None leaves it to the gateway to refuse.

    Raises:
        MalformedBody: Not a JSON object.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    given, screening = _screened(data, mode, fields.MESSAGES_HONOURED, fields.MESSAGES)
    if "stop_sequences" in given and exceeds(given["stop_sequences"], STOP_MAX + 1):
        raise InvalidRequest(f"stop_sequences may have at most {STOP_MAX} strings", param="stop_sequences")
    body = typed(_MESSAGES, data)
    if body.max_tokens is None:
        raise InvalidRequest("max_tokens is required", param="max_tokens")
    request = GenerateRequest(
        model=_model(body.model),
        prompt=_prompt(body, given, screening, _thinking(body, screening, thinks)),
        sampling=_sampling(body),
        max_tokens=body.max_tokens,
        stop=tuple(body.stop_sequences or ()),
        constraint=_shape(body),
    )
    return Call(
        request=request,
        max_tokens=body.max_tokens,
        stream=bool(body.stream),
        shows_thoughts=body.thinking is None or body.thinking.display != "omitted",
        user=(body.metadata and body.metadata.user_id) or "",
        ignored=tuple(screening.ignored),
    )


def decode_count(data: bytes, mode: Mode, thinks: Thinks | None = None) -> tuple[Render, tuple[str, ...]]:
    """Decode a body of ``/v1/messages/count_tokens``; parameters and errors as in ``decode_messages``.

    Returns:
        The question, and the paths of the fields that were left out.
    """
    given, screening = _screened(data, mode, fields.COUNT_HONOURED, fields.COUNT)
    body = typed(_COUNT, data)
    prompt = _prompt(body, given, screening, _thinking(body, screening, thinks))
    question = Render(model=_model(body.model), prompt=prompt)
    return question, tuple(screening.ignored)


def _screened(data: bytes, mode: Mode, honoured: frozenset[str], rules: Rules) -> tuple[Given, Screening]:
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, honoured, rules)
    given = present(names)
    _screen_inner(given, screening)
    return given, screening


def _screen_inner(given: Given, screening: Screening, prefix: str = "") -> None:
    """Screen the objects in an object."""
    for name, raw in given.items():
        inner = fields.INNER.get(prefix + name)
        if inner is not None:
            path = prefix + name
            names = _NAMES.decode(raw, path)
            screening.screen(names, *inner, path + ".")
            _screen_inner(present(names), screening, path + ".")


def _model(name: str | None) -> str:
    if not name:
        raise InvalidRequest("model is required", param="model")
    return name


def _prompt(body: PromptFields, given: Given, screening: Screening, thinking: Thinking) -> ChatPrompt:
    if "messages" not in given:
        raise InvalidRequest("messages is required", param="messages")
    messages = read_messages(given["messages"], screening)
    if not messages:
        raise InvalidRequest("messages must have at least one message", param="messages")
    choice = body.tool_choice
    return ChatPrompt(
        read_system(given.get("system"), screening) + messages,
        tools=read_tools(given.get("tools"), screening),
        tool_choice=read_choice(choice),
        parallel_tool_calls=choice is None or not choice.disable_parallel_tool_use,
        thinking=thinking,
        continue_final=messages[-1].role == "assistant",
    )


def _thinking(body: PromptBody | MessagesBody, screening: Screening, thinks: Thinks | None) -> Thinking:
    thinking = _asked_thinking(body)
    if thinks is None or not (thinking.enabled or thinking.effort) or thinks(_model(body.model)):
        return thinking
    if thinking.enabled:
        screening.leave_out("thinking")
    if thinking.effort:
        screening.leave_out("output_config.effort")
    return Thinking()


def _asked_thinking(body: PromptFields) -> Thinking:
    effort = body.output_config.effort if body.output_config else None
    asked = body.thinking
    if asked is None or asked.type == "adaptive":
        return Thinking(effort=effort, param="output_config.effort")
    if asked.type == "disabled":
        return Thinking(enabled=False, param="thinking")
    if asked.type == "between_tools":
        raise UnsupportedField("thinking.type: between_tools is not supported", param="thinking.type")
    if asked.type != "enabled":
        raise InvalidRequest(
            f"thinking.type: {shown(asked.type)!r} is none of enabled, disabled, adaptive", param="thinking.type"
        )
    if asked.budget_tokens is None:
        raise InvalidRequest("thinking.budget_tokens is required", param="thinking.budget_tokens")
    return Thinking(enabled=True, effort=effort, budget=asked.budget_tokens, param="thinking")


def _sampling(body: MessagesBody) -> SamplingParams:
    return SamplingParams(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=body.top_k or 0,
    )


def _shape(body: PromptFields) -> Constraint | None:
    path, asked = "output_config.format", body.output_config.format if body.output_config else None
    if body.output_format is not None:
        if asked is not None:
            raise InvalidRequest("output_format: give one of it and output_config.format", param="output_format")
        path, asked = "output_format", body.output_format
    if asked is None:
        return None
    path += ".schema"
    schema = read_schema(asked.schema, path)
    return JsonSchema(schema, path) if schema else JsonObject(path)
