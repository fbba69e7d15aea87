"""The records of conversations: messages, tools, and how the model is to answer.

Frontends build a ``ChatPrompt``; a chat dialect (``jackfield.ports.dialect``) turns it into what the model's template
takes, and the model's text back into content, thoughts and calls.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

import msgspec

from jackfield.errors import InvalidRequest

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]

JsonValue: TypeAlias = Any
"""What JSON can say. A recursive alias would be exact, but msgspec cannot decode one."""

TOOLS_MAX: Final = 512
"""Most tools of one request; OpenAI takes 128, agents with many servers send more."""

TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,128}\Z")
"""What a tool may be called: OpenAI's letters, and what Anthropic's and MCP clients use besides."""

BUDGET_MAX: Final = 2**31 - 1


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the assistant made."""

    id: str
    name: str
    arguments: str = "{}"
    """JSON text, as it was made."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    """Of the assistant."""
    tool_call_id: str = ""
    """Of a ``tool`` message: which call it answers."""
    name: str = ""
    """Who speaks, where there are several; of a ``tool`` message the tool."""
    reasoning: str = ""
    """What the assistant thought before it said ``content``."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call."""

    name: str
    description: str = ""
    parameters: str = ""
    """JSON Schema of its arguments, an object, as JSON text; empty where it takes none."""
    strict: bool = False
    """Whether arguments must satisfy that schema."""
    param: str = "tools"
    """Path of its schema in the client's request, for errors."""

    def __post_init__(self) -> None:
        if not TOOL_NAME.match(self.name):
            parent = self.param.rpartition(".")[0]
            path = f"{parent}.name" if parent else self.param
            raise InvalidRequest(
                f"{path}: a tool's name must have 1 to 128 of the characters a-z, A-Z, 0-9 and _.:/-", param=path
            )
        if self.parameters and _type_of(self.parameters) not in ("object", None):
            raise InvalidRequest(
                f"{self.param}: a tool's arguments are an object, so its type must be object", param=self.param
            )


class _Typed(msgspec.Struct, frozen=True):
    """What a schema says first."""

    type: JsonValue = None


_TYPED: Final = msgspec.json.Decoder(_Typed)


def _type_of(schema: str) -> JsonValue:
    try:
        return _TYPED.decode(schema).type
    except (msgspec.DecodeError, RecursionError):  # whoever reads it refuses it
        return None


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether tools are called."""

    mode: Literal["none", "auto", "required"] = "auto"
    only: tuple[str, ...] = ()
    """Names of those that may be called; empty is all."""


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """Whether and how much the model thinks before it answers; None leaves a choice to model and template."""

    enabled: bool | None = None
    effort: str | None = None
    """``minimal``, ``low``, ``medium``, ``high``, …: what the model's template understands."""
    budget: int | None = None
    """Most tokens of thoughts; then they are ended. 0 has none."""
    param: str = "reasoning_effort"
    """The field that asks for it, for errors."""

    def __post_init__(self) -> None:
        if self.budget is not None and not 0 <= self.budget <= BUDGET_MAX:
            raise InvalidRequest(f"{self.param} must be between 0 and {BUDGET_MAX} tokens", param=self.param)

    @property
    def asked(self) -> bool:
        """Whether anything is asked for."""
        return self.enabled is not None or self.effort is not None or self.budget is not None


class ChatPrompt(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation, and how it goes on."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    """Whether one answer may have several calls."""
    thinking: Thinking = Thinking()
    template_kwargs: dict[str, JsonValue] = {}
    """Variables for the model's chat template, besides those that dialects set."""
    continue_final: bool = False
    """Go on with the last message, which is the assistant's, instead of beginning a new one."""

    def __post_init__(self) -> None:
        if not self.messages:
            raise InvalidRequest("messages must have at least one message", param="messages")
        if self.continue_final and self.messages[-1].role != "assistant":
            raise InvalidRequest("only a message of the assistant can be continued", param="messages")
        self._check_tools()

    def _check_tools(self) -> None:
        if len(self.tools) > TOOLS_MAX:
            raise InvalidRequest(f"there may be at most {TOOLS_MAX} tools", param="tools")
        names = {tool.name for tool in self.tools}
        if len(names) < len(self.tools):
            raise InvalidRequest("two tools have one name", param="tools")
        missing = [name for name in self.tool_choice.only if name not in names]
        if missing:
            raise InvalidRequest("tool_choice names a tool that is not among tools", param="tool_choice")
        if self.tool_choice.mode == "required" and not self.tools:
            raise InvalidRequest("tool_choice needs tools", param="tool_choice")

    @property
    def callable(self) -> tuple[Tool, ...]:
        """The tools that this answer may call."""
        choice = self.tool_choice
        if choice.mode == "none":
            return ()
        return tuple(tool for tool in self.tools if not choice.only or tool.name in choice.only)


class ChatFormat(msgspec.Struct, frozen=True):
    """How a model takes conversations, as its file says."""

    template: str
    """Jinja source. Hostile until sandboxed."""
    tokens: dict[str, str] = {}
    """Texts of the special tokens that templates name: ``bos_token``, ``eos_token``."""
