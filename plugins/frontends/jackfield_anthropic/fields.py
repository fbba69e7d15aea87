"""The documented fields: which are honoured, and what the others may say.

From Anthropic's API as its Python client 2.12 has it (``MessageCreateParams``, ``MessageCountTokensParams``, and the
types of blocks and tools).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, empty, never

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


def _false(value: bool) -> bool:  # noqa: FBT001 -- it judges a boolean
    return not value


def _direct(value: list[str]) -> bool:
    return value == ["direct"]


CACHE: Final = Rule(Table, anything)
"""``cache_control`` asks that a prefix be kept: all are, as long as there is room."""

COUNT_HONOURED: Final = frozenset({"messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"})
MESSAGES_HONOURED: Final = COUNT_HONOURED | {
    "max_tokens",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
}

_BOTH: Final[Rules] = {
    "cache_control": CACHE,
    "context_management": Rule(Table, empty),
    "mcp_servers": Rule(Items, empty),
    "speed": Rule(str, _one_of("standard"), tunes=True),
    "user_profile_id": Rule(str, never),
    "workspace_id": Rule(str, never),
}

MESSAGES: Final[Rules] = {
    **_BOTH,
    "container": Rule(str | Table, never),
    "diagnostics": Rule(Table, empty, tunes=True),
    "inference_geo": Rule(str, never),
    "metadata": Rule(Table, anything),
    "service_tier": Rule(str, _one_of("auto", "standard_only")),
}
"""Fields of ``/v1/messages`` that are not honoured."""

COUNT: Final[Rules] = _BOTH
"""Fields of ``/v1/messages/count_tokens`` that are not honoured."""

MESSAGE_HONOURED: Final = frozenset({"role", "content"})

TEXT_HONOURED: Final = frozenset({"type", "text"})
TEXT: Final[Rules] = {"cache_control": CACHE, "citations": Rule(Items, empty)}

BLOCKS: Final[Mapping[str, tuple[frozenset[str], Rules]]] = {
    "text": (TEXT_HONOURED, TEXT),
    "tool_use": (
        frozenset({"type", "id", "name", "input"}),
        {"cache_control": CACHE, "caller": Rule(Table, anything), "toolset_name": Rule(str, never)},
    ),
    "tool_result": (
        frozenset({"type", "tool_use_id", "content", "is_error"}),
        {"cache_control": CACHE, "toolset_name": Rule(str, never)},
    ),
    "thinking": (frozenset({"type", "thinking"}), {"signature": Rule(str, anything)}),
    "redacted_thinking": (frozenset({"type"}), {"data": Rule(str, anything)}),
}
"""The fields of each kind of block: those that are honoured, and the others."""

OTHER_BLOCKS: Final = frozenset(
    {"image", "document", "search_result", "server_tool_use", "web_search_tool_result", "container_upload"}
)
"""Documented kinds of blocks that are refused as such."""

TOOL_HONOURED: Final = frozenset({"type", "name", "description", "input_schema", "strict"})
TOOL: Final[Rules] = {
    "allowed_callers": Rule(list[str], _direct),
    "cache_control": CACHE,
    "defer_loading": Rule(bool, _false, tunes=True),
    "eager_input_streaming": Rule(bool, anything),
    "input_examples": Rule(Items, empty, tunes=True),
}

INNER: Final[Mapping[str, tuple[frozenset[str], Rules]]] = {
    "metadata": (frozenset({"user_id"}), {}),
    "output_config": (frozenset({"effort", "format"}), {"task_budget": Rule(Table, never, tunes=True)}),
    "output_config.format": (frozenset({"type", "schema"}), {}),
    "thinking": (frozenset({"type", "budget_tokens", "display"}), {}),
    "tool_choice": (frozenset({"type", "name", "disable_parallel_tool_use"}), {}),
}
"""The fields of objects in the body."""
