"""``tools`` and ``tool_choice``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import TOOLS_MAX, Tool, ToolChoice
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import typed
from jackfield.frontends.rules import Names, NamesDecoder, is_null, shown
from jackfield.frontends.tools import read_schema
from jackfield_anthropic import fields
from jackfield_anthropic.bodies import ToolBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.frontends.rules import Screening
    from jackfield_anthropic.bodies import ChoiceBody


class _Kind(msgspec.Struct, frozen=True):
    """What a tool says that may not be a custom one."""

    type: str | None = None


_OBJECTS: Final = NamesDecoder(list[Names])
_TOOLS: Final = msgspec.json.Decoder(list[ToolBody])
_KINDS: Final = msgspec.json.Decoder(list[_Kind])


def read_tools(raw: msgspec.Raw | None, screening: Screening) -> tuple[Tool, ...]:
    """``tools``.

    Parameters:
        raw: The array as it was sent; None where it is absent or null.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``tools[0].input_schema``.
        UnsupportedField: A tool that the server itself would have to run.
    """
    if raw is None:
        return ()
    objects = _OBJECTS.decode(raw, "tools")
    if len(objects) > TOOLS_MAX:
        raise InvalidRequest(f"tools may have at most {TOOLS_MAX} entries", param="tools")
    tools: list[Tool] = []
    for index, (body, names) in enumerate(zip(_bodies(raw), objects, strict=True)):
        path = f"tools[{index}]"
        screening.screen(names, fields.TOOL_HONOURED, fields.TOOL, path + ".")
        tools.append(_tool(body, path))
    return tuple(tools)


def _bodies(raw: msgspec.Raw) -> list[ToolBody]:
    try:
        bodies: list[ToolBody] = typed(_TOOLS, raw, "tools")
    except InvalidRequest:
        # tools of other kinds have fields of their own: what is wrong is that there is one
        kinds: list[_Kind] = typed(_KINDS, raw, "tools")
        _refuse_other_kinds(kinds)
        raise
    _refuse_other_kinds(bodies)
    return bodies


def _refuse_other_kinds(tools: Sequence[_Kind | ToolBody]) -> None:
    for index, tool in enumerate(tools):
        if tool.type not in {None, "custom"}:
            path = f"tools[{index}].type"
            raise UnsupportedField(
                f"{path}: only custom tools are supported, not {shown(tool.type or '')!r}", param=path
            )


def _tool(body: ToolBody, path: str) -> Tool:
    if is_null(body.input_schema):
        raise InvalidRequest(f"{path}.input_schema is required", param=f"{path}.input_schema")
    return Tool(
        name=body.name,
        description=body.description or "",
        parameters=read_schema(body.input_schema, f"{path}.input_schema"),
        strict=bool(body.strict),
        param=f"{path}.input_schema",
    )


def read_choice(choice: ChoiceBody | None) -> ToolChoice:
    """``tool_choice``.

    Raises:
        InvalidRequest: The type ``tool`` without a name, or another one with it.
    """
    if choice is None:
        return ToolChoice()
    if (choice.type == "tool") != (choice.name is not None):
        raise InvalidRequest("tool_choice.name goes with the type tool, which needs it", param="tool_choice.name")
    if choice.name is not None:
        return ToolChoice("required", (choice.name,))
    if choice.type == "any":
        return ToolChoice("required")
    return ToolChoice("none" if choice.type == "none" else "auto")
