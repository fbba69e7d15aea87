"""``functions`` and ``function_call``: what ``tools`` and ``tool_choice`` have replaced, and old clients still send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import TOOLS_MAX, Tool, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.tools import FunctionSpec, NamedFunction, read_schema, read_tool_choice, read_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

_FUNCTIONS: Final = msgspec.json.Decoder(list[FunctionSpec])
_CHOICE: Final[msgspec.json.Decoder[str | NamedFunction]] = msgspec.json.Decoder(str | NamedFunction)


def read_callable(given: Mapping[str, msgspec.Raw]) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools of a body, by either name, and the choice among them.

    Raises:
        InvalidRequest: Both names are given, or what they say is wrong; ``param`` is the path at fault.
    """
    tools = read_tools(given.get("tools"))
    if "functions" not in given and "function_call" not in given:
        return tools, read_tool_choice(given.get("tool_choice"))
    if tools or "tool_choice" in given:
        raise InvalidRequest("functions was replaced by tools; give one of them", param="functions")
    functions = _functions(given.get("functions"))
    choice = _function_call(given.get("function_call"))
    if not {function.name for function in functions}.issuperset(choice.only):
        raise InvalidRequest("function_call names a function that is not among functions", param="function_call")
    return functions, choice


def _functions(raw: msgspec.Raw | None) -> tuple[Tool, ...]:
    if raw is None:
        return ()
    if exceeds(raw, 1 << 16):
        raise InvalidRequest("functions: too much to read", param="functions")
    specs: list[FunctionSpec] = typed(_FUNCTIONS, raw, "functions")
    if len(specs) > TOOLS_MAX:
        raise InvalidRequest(f"functions may have at most {TOOLS_MAX} entries", param="functions")
    return tuple(_tool(spec, f"functions[{index}].parameters") for index, spec in enumerate(specs))


def _tool(spec: FunctionSpec, path: str) -> Tool:
    return Tool(
        name=spec.name,
        description=spec.description or "",
        parameters=read_schema(spec.parameters, path),
        strict=bool(spec.strict),
        param=path,
    )


def _function_call(raw: msgspec.Raw | None) -> ToolChoice:
    if raw is None:
        return ToolChoice()
    choice = typed(_CHOICE, raw, "function_call")
    if isinstance(choice, NamedFunction):
        return ToolChoice("required", (choice.name,))
    if choice == "none":
        return ToolChoice("none")
    if choice == "auto":
        return ToolChoice()
    raise InvalidRequest("function_call must be none, auto, or name a function", param="function_call")
