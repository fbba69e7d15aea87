"""``tools`` and ``tool_choice``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import TOOLS_MAX, Tool, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.frontends.rules import Names, NamesDecoder, is_null
from jackfield.frontends.tools import read_schema, read_specs
from jackfield_anthropic import fields
from jackfield_anthropic.bodies import ToolBody

if TYPE_CHECKING:
    from jackfield.frontends.rules import Screening
    from jackfield_anthropic.bodies import ChoiceBody

_OBJECTS: Final = NamesDecoder(list[Names])
_TOOLS: Final = msgspec.json.Decoder(list[ToolBody])


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
    bodies = read_specs(raw, _TOOLS, "custom", "custom tools")
    for index, (body, names) in enumerate(zip(bodies, objects, strict=True)):
        path = f"tools[{index}]"
        screening.screen(names, fields.TOOL_HONOURED, fields.TOOL, path + ".")
        tools.append(_tool(body, path))
    return tuple(tools)


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
