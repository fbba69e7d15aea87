"""A body of ``/v1/responses`` to a request. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import Thinking
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Screening, is_null, present
from jackfield.frontends.sampling import read_sampling
from jackfield.frontends.tools import read_schema
from jackfield.ports.constraint import JsonObject, JsonSchema
from jackfield.sampling import BREAKERS_MAX
from jackfield_openai.responses import fields
from jackfield_openai.responses.bodies import ResponseBody, ResponseCall
from jackfield_openai.responses.includes import EMPTY, LOGPROBS, THOUGHTS
from jackfield_openai.responses.objects import OBJECT
from jackfield_openai.responses.tools import read_tool_choice, read_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.constraint import Constraint

INCLUDES_MAX: Final = 16

_NAMES: Final = NamesDecoder(Names)
_BODY: Final = msgspec.json.Decoder(ResponseBody)
_INNER: Final = {
    "reasoning": (fields.REASONING, fields.REASONING_RULES),
    "text": (fields.TEXT, fields.TEXT_RULES),
}
_MARGIN: Final = 64
"""Levels into which answers, events and records put what they repeat, and calls that read it may be deeper."""

_LISTS: Final = {"include": INCLUDES_MAX, "dry_sequence_breakers": BREAKERS_MAX}


def decode_response(data: bytes, mode: Mode) -> ResponseCall:
    """Decode a body.

    Parameters:
        data: The body as it came.
        mode: What becomes of fields that cannot be honoured.

    Raises:
        MalformedBody: Not a JSON object.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    given, screening = _screened(data, mode)
    body = typed(_BODY, data)
    if not body.model:
        raise InvalidRequest("model is required", param="model")
    if body.service_tier in {"flex", "priority"} and body.priority is not None:
        raise InvalidRequest("service_tier and priority contradict; give one of them", param="service_tier")
    if "input" not in given:
        raise InvalidRequest("input is required", param="input")
    choice = read_tool_choice(given.get("tool_choice"))
    return ResponseCall(
        body=body,
        model=body.model,
        input=given["input"],
        sampling=read_sampling(body),
        tools=read_tools(given.get("tools"), choice, screening),
        tool_choice=choice,
        thinking=_thinking(body),
        constraint=_constraint(body),
        logprobs=_alternatives(body, screening),
        echoed={name: _echoed(given[name], name) for name in ("tools", "tool_choice", "text") if name in given},
        ignored=tuple(screening.ignored),
    )


def _screened(data: bytes, mode: Mode) -> tuple[Mapping[str, msgspec.Raw], Screening]:
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, fields.HONOURED, fields.RESPONSE)
    given = present(names)
    for name, (honoured, rules) in _INNER.items():
        if name in given:
            screening.screen(_NAMES.decode(given[name], name), honoured, rules, name + ".")
    for name, most in _LISTS.items():
        # an array is one of those that are counted
        if name in given and exceeds(given[name], most + 1):
            raise InvalidRequest(f"{name} may have at most {most} strings", param=name)
    return given, screening


def _echoed(raw: msgspec.Raw, name: str) -> msgspec.Raw:
    """What answers repeat: such as can be read again wherever it is kept."""
    try:
        OBJECT.decode(b'{"":' * _MARGIN + raw + b"}" * _MARGIN)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"{name}: a number has too many digits, or it nests too deep, to be repeated in the answer"
        raise InvalidRequest(message, param=name) from error
    return raw.copy()


def _thinking(body: ResponseBody) -> Thinking:
    asked = body.reasoning
    if asked is None:
        return Thinking()
    if asked.summary not in {None, "auto", "none"}:
        raise UnsupportedField(
            "reasoning.summary: this server summarises no thoughts; they are in the answer", param="reasoning.summary"
        )
    if asked.effort is None:
        return Thinking()
    effort = None if asked.effort == "none" else asked.effort
    return Thinking(enabled=effort is not None, effort=effort, param="reasoning.effort")


def _constraint(body: ResponseBody) -> Constraint | None:
    asked = body.text.format if body.text is not None else None
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return JsonObject()
    path = "text.format.schema"
    if not asked.name:
        raise InvalidRequest("text.format.name is required", param="text.format.name")
    if is_null(asked.schema):
        raise InvalidRequest(f"{path} is required", param=path)
    return JsonSchema(read_schema(asked.schema, path) or "{}", path)


def _alternatives(body: ResponseBody, screening: Screening) -> int | None:
    wanted = body.include or []
    for index, name in enumerate(wanted):
        path = f"include[{index}]"
        if name == THOUGHTS:
            # thoughts are in the answer as they are, and may be sent back so
            screening.unsupported(path, tunes=True)
        elif name != LOGPROBS and name not in EMPTY:
            raise InvalidRequest(f"{path}: nothing of that name can be included", param=path)
    if LOGPROBS in wanted:
        return body.top_logprobs or 0
    if body.top_logprobs:
        raise InvalidRequest(f"top_logprobs needs {LOGPROBS} in include", param="top_logprobs")
    return None
