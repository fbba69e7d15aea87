"""The documented fields: which are honoured, and what the others may say.

From Anthropic's API as its Python client 2.12 has it (``MessageCreateParams``, ``MessageCountTokensParams``, and the
types of blocks and tools).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, empty, never, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Keep(msgspec.Struct, frozen=True):
    """How much one of ``context_management.edits`` leaves."""

    type: str


class _Edit(msgspec.Struct, frozen=True):
    """One of ``context_management.edits``."""

    type: str
    keep: str | _Keep | None = None


class _ContextManagement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``context_management``."""

    edits: list[_Edit] | None = None


class _Billing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``billing_policy``."""

    type: str
    bill_to: str | None = None


def _keeps_all(value: _ContextManagement) -> bool:
    """Whether no edit takes anything away, as in what agents send to keep all thoughts."""
    return all(
        edit.type == "clear_thinking_20251015"
        and (edit.keep.type if isinstance(edit.keep, _Keep) else edit.keep) == "all"
        for edit in value.edits or ()
    )


def _own(value: _Billing) -> bool:
    return value.bill_to in {None, "self"}


def _false(value: bool) -> bool:  # noqa: FBT001 -- it judges a boolean
    return not value


def _direct(value: list[str]) -> bool:
    return value == ["direct"]


CACHE: Final = Rule(Table, anything)
"""``cache_control`` asks that a prefix be kept: all are, as long as there is room."""

COUNT_HONOURED: Final = frozenset(
    {"messages", "model", "output_config", "output_format", "system", "thinking", "tool_choice", "tools"}
)
MESSAGES_HONOURED: Final = COUNT_HONOURED | {
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
}

_BOTH: Final[Rules] = {
    "billing_policy": Rule(_Billing, _own),
    "cache_control": CACHE,
    "context_management": Rule(_ContextManagement, _keeps_all),
    "mcp_servers": Rule(Items, empty),
    "speed": Rule(str, one_of("standard"), tunes=True),
    "user_profile_id": Rule(str, never),
    "workspace_id": Rule(str, never),
}

MESSAGES: Final[Rules] = {
    **_BOTH,
    "compaction": Rule(Table, never),
    "container": Rule(str | Table, never),
    "diagnostics": Rule(Table, empty, tunes=True),
    "fallback_credit_token": Rule(str, anything),
    "fallbacks": Rule(Items | str, empty, tunes=True),
    "inference_geo": Rule(str, never),
    "service_tier": Rule(str, one_of("auto", "standard_only")),
    "thread": Rule(Table, never),
}
"""Fields of ``/v1/messages`` that are not honoured."""

COUNT: Final[Rules] = {**_BOTH, "compaction": Rule(Table, anything)}
"""Fields of ``/v1/messages/count_tokens`` that are not honoured. What is counted is the conversation as it is sent."""

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
    {
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "browser_state",
        "code_execution_tool_result",
        "compaction",
        "container_upload",
        "document",
        "fallback",
        "image",
        "mcp_tool_listing",
        "mcp_tool_result",
        "mcp_tool_use",
        "search_result",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "tool_addition",
        "tool_reference",
        "tool_removal",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
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
    "output_format": (frozenset({"type", "schema"}), {}),
    "thinking": (frozenset({"type", "budget_tokens", "display"}), {}),
    "tool_choice": (frozenset({"type", "name", "disable_parallel_tool_use"}), {}),
}
"""The fields of objects in the body."""
