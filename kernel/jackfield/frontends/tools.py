"""Tools and the choice among them in OpenAI's shape, which several dialects take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from jackfield.chat import TOOLS_MAX, Tool, ToolChoice
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.malformed import not_of_kind
from jackfield.frontends.rules import is_null, shown

if TYPE_CHECKING:
    from collections.abc import Sequence


def null() -> msgspec.Raw:
    """What stands for a value that is absent. As a plain default it could not be described to clients."""
    return msgspec.Raw(b"null")


class FunctionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tools[].function``."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None


class ToolSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tools[]``."""

    function: FunctionSpec | None = None
    type: str = "function"
    cache_control: dict[str, msgspec.Raw] | None = None
    """Asks that the prompt up to here be kept: all are, as long as there is room."""


class _Choice(msgspec.Struct, frozen=True):
    """What a choice is of, in the shape of chats and in that of responses."""

    type: str = "function"


class NamedFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tool_choice.function``."""

    name: str


class AllowedTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tool_choice.allowed_tools``."""

    tools: list[ToolSpec]
    mode: str = "auto"


class NamedChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tool_choice``, as an object."""

    type: str = "function"
    function: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


class _OfKind(Protocol):
    """A tool, in any dialect's shape."""

    @property
    def type(self) -> str | None: ...


class _Kind(msgspec.Struct, frozen=True):
    """What a tool says that may be of another kind."""

    type: str | None = None


Spec = TypeVar("Spec", bound=_OfKind)

_TOOLS: Final = msgspec.json.Decoder(list[ToolSpec])
_KINDS: Final = msgspec.json.Decoder(list[_Kind])
_CHOICE: Final[msgspec.json.Decoder[str | NamedChoice]] = msgspec.json.Decoder(str | NamedChoice)
_NAMED: Final[msgspec.json.Decoder[str | _Choice]] = msgspec.json.Decoder(str | _Choice)
_TABLE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_tools(raw: msgspec.Raw | None) -> tuple[Tool, ...]:
    """The ``tools`` of a body.

    Parameters:
        raw: The array as it was sent; None where it is absent or null.

    Raises:
        InvalidRequest: ``param`` is a path such as ``tools[0].function.parameters``.
    """
    if raw is None:
        return ()
    if exceeds(raw, 1 << 16):
        raise InvalidRequest("tools: too much to read", param="tools")
    specs = read_specs(raw, _TOOLS, "function", "functions")
    if len(specs) > TOOLS_MAX:
        raise InvalidRequest(f"tools may have at most {TOOLS_MAX} entries", param="tools")
    return tuple(_tool(spec, f"tools[{index}]") for index, spec in enumerate(specs))


def read_specs(raw: msgspec.Raw, decoder: msgspec.json.Decoder[list[Spec]], kind: str, called: str) -> list[Spec]:
    """The elements of ``tools``, which must all be of the one kind that clients run themselves.

    Parameters:
        raw: The array as it was sent.
        decoder: Of such tools.
        kind: Their ``type``, which may be left out.
        called: What errors call several of them.

    Raises:
        InvalidRequest: One has another shape; ``param`` is a path such as ``tools[0].name``.
        UnsupportedField: One is of another kind; ``param`` is a path such as ``tools[0].type``.
    """
    try:
        specs = typed(decoder, raw, "tools")
    except InvalidRequest:
        # tools of other kinds have fields of their own: what is wrong is that there is one
        kinds: list[_Kind] = typed(_KINDS, raw, "tools")
        _refuse_other_kinds(kinds, kind, called)
        raise
    _refuse_other_kinds(specs, kind, called)
    return specs


def _refuse_other_kinds(specs: Sequence[_OfKind], kind: str, called: str) -> None:
    for index, spec in enumerate(specs):
        if spec.type is not None and spec.type != kind:
            path = f"tools[{index}].type"
            raise UnsupportedField(f"{path}: only {called} are supported, not {shown(spec.type)!r}", param=path)


def _tool(spec: ToolSpec, path: str) -> Tool:
    if spec.function is None:
        raise InvalidRequest(f"{path}.function is required", param=f"{path}.function")
    function, path = spec.function, f"{path}.function"
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=read_schema(function.parameters, f"{path}.parameters"),
        strict=bool(function.strict),
        param=f"{path}.parameters",
    )


def read_schema(raw: msgspec.Raw, path: str) -> str:
    """A JSON Schema of arguments as text; empty where it is null or an empty object."""
    if is_null(raw):
        return ""
    try:
        return bytes(raw).decode() if _TABLE.decode(raw) else ""
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise not_of_kind(error, path) from error


def tool_choice_of(word: str) -> ToolChoice:
    """What a ``tool_choice`` of one word says, in chats and responses.

    Raises:
        InvalidRequest: It is none of OpenAI's words; ``param`` is ``tool_choice``.
    """
    match word:
        case "none" | "auto" | "required":
            return ToolChoice(word)
        case _:
            raise InvalidRequest("tool_choice must be none, auto, required, or name a function", param="tool_choice")


def read_tool_choice(raw: msgspec.Raw | None) -> ToolChoice:
    """``tool_choice`` of a body; None where it is absent or null.

    Raises:
        InvalidRequest: ``param`` is ``tool_choice``, or a path in it.
    """
    if raw is None:
        return ToolChoice()
    choice = typed(_CHOICE, raw, "tool_choice")
    if isinstance(choice, NamedChoice):
        return _named(choice)
    return tool_choice_of("required" if choice == "any" else choice)


def names_function(raw: msgspec.Raw | None) -> bool:
    """Whether ``tool_choice``, which has been read, names a function: then there is exactly one call, of that.

    So OpenAI's guide ("Function calling", tool choice: forced function) has it, and clients that make a record of what
    a call says count on it.
    """
    choice = None if raw is None else _NAMED.decode(raw)
    return isinstance(choice, _Choice) and choice.type == "function"


def _named(choice: NamedChoice) -> ToolChoice:
    if choice.type == "function" and choice.function is not None:
        return ToolChoice("required", (choice.function.name,))
    allowed = choice.allowed_tools
    if choice.type == "allowed_tools" and allowed is not None and allowed.mode in {"auto", "required"}:
        names = tuple(tool.function.name for tool in allowed.tools if tool.function is not None)
        return ToolChoice("required" if allowed.mode == "required" else "auto", names)
    raise InvalidRequest("tool_choice must name a function, or the tools that are allowed", param="tool_choice")
