"""Tools and the choice among them, in this API's flat shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import TOOLS_MAX, Tool, ToolChoice
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.rules import shown
from jackfield.frontends.tools import null, read_schema, tool_choice_of

if TYPE_CHECKING:
    from jackfield.frontends.rules import Screening

SEARCHES: Final = frozenset({"web_search", "web_search_preview"})
"""Tools that agents offer in every request, for the server to use where it has them."""


class FlatTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``tools[]``."""

    type: str
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None


class _Typed(msgspec.Struct, frozen=True):
    type: str


class NamedTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tool_choice.tools[]``."""

    name: str
    type: str = "function"


class FlatChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tool_choice``, as an object."""

    type: str
    name: str | None = None
    mode: str = "auto"
    tools: list[NamedTool] | None = None


_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_KIND: Final = msgspec.json.Decoder(_Typed)
_TOOL: Final = msgspec.json.Decoder(FlatTool)
_CHOICE: Final[msgspec.json.Decoder[str | FlatChoice]] = msgspec.json.Decoder(str | FlatChoice)


def read_tools(raw: msgspec.Raw | None, choice: ToolChoice, screening: Screening) -> tuple[Tool, ...]:
    """The functions that may be called.

    Parameters:
        raw: The array as it was sent; None where it is absent or null.
        choice: Whether one must be.
        screening: Judges searches, which an answer can be made without unless a call is demanded.

    Raises:
        InvalidRequest: ``param`` is a path such as ``tools[0].parameters``.
        UnsupportedField: A tool that OpenAI's own servers run.
    """
    if raw is None:
        return ()
    if exceeds(raw, 1 << 16):
        raise InvalidRequest("tools: too much to read", param="tools")
    raws = typed(_RAWS, raw, "tools")
    if len(raws) > TOOLS_MAX:
        raise InvalidRequest(f"tools may have at most {TOOLS_MAX} entries", param="tools")
    tools: list[Tool] = []
    for index, each in enumerate(raws):
        path = f"tools[{index}]"
        kind = typed(_KIND, each, path).type
        if kind == "function":
            tools.append(_tool(each, path))
        else:
            screening.unsupported(
                f"{path}.type",
                tunes=kind in SEARCHES and choice.mode != "required",
                why=f"{path}.type: this server runs no tools of type {shown(kind)}; only functions can be called",
            )
    return tuple(tools)


def _tool(raw: msgspec.Raw, path: str) -> Tool:
    tool = typed(_TOOL, raw, path)
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=read_schema(tool.parameters, f"{path}.parameters"),
        # OpenAI's default here is true; a schema that cannot be enforced would then refuse what others take
        strict=bool(tool.strict),
        param=f"{path}.parameters",
    )


def read_tool_choice(raw: msgspec.Raw | None) -> ToolChoice:
    """``tool_choice``; None where it is absent or null.

    Raises:
        InvalidRequest: ``param`` is ``tool_choice``, or a path in it.
    """
    if raw is None:
        return ToolChoice()
    choice = typed(_CHOICE, raw, "tool_choice")
    if isinstance(choice, FlatChoice):
        return _chosen(choice)
    return tool_choice_of(choice)


def _chosen(choice: FlatChoice) -> ToolChoice:
    if choice.type == "function" and choice.name:
        return ToolChoice("required", (choice.name,))
    if choice.type not in {"function", "allowed_tools"}:
        raise UnsupportedField(
            f"tool_choice.type: this server runs no tools of type {shown(choice.type)}; only functions can be called",
            param="tool_choice.type",
        )
    if choice.type == "allowed_tools" and choice.tools and choice.mode in {"auto", "required"}:
        names = tuple(tool.name for tool in choice.tools)
        return ToolChoice("required" if choice.mode == "required" else "auto", names)
    raise InvalidRequest("tool_choice must name a function, or the tools that are allowed", param="tool_choice")
