"""The documented fields of each body: which are honoured, and what the others may say.

From OpenAI's API description 2.3.0 (``CreateChatCompletionRequest``: 37 properties, ``CreateCompletionRequest``: 18),
with ``top_k``, ``min_p`` and ``ignore_eos``, which other local servers have too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from jackfield_openai.rules import Rule, Rules

if TYPE_CHECKING:
    from collections.abc import Callable

Items: TypeAlias = list[msgspec.Raw]
Table: TypeAlias = dict[str, msgspec.Raw]


def _anything(_: object) -> bool:
    return True


def _never(_: object) -> bool:
    return False


def _false(value: object) -> bool:
    return not value


def _zero(value: float) -> bool:
    return value == 0


def _one(value: int) -> bool:
    return value == 1


def _empty(value: Items | Table | str) -> bool:
    return not value


def _text_only(value: list[str]) -> bool:
    return value == ["text"]


def _without_tools(value: str | Table) -> bool:
    # "auto" lets the model choose among the tools it was given, and it was given none
    return value in ("none", "auto")


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


class _Format(msgspec.Struct):
    type: str


class _CacheOptions(msgspec.Struct, forbid_unknown_fields=True):
    mode: Literal["implicit", "explicit"] = "implicit"
    ttl: str = "30m"


def _plain_text(value: _Format) -> bool:
    return value.type == "text"


def _usual_cache(value: _CacheOptions) -> bool:
    return value == _CacheOptions()


SAMPLING: Final = frozenset(
    {
        "ignore_eos",
        "max_tokens",
        "min_p",
        "model",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "top_k",
        "top_p",
    }
)
"""Honoured in both bodies."""

CHAT_HONOURED: Final = SAMPLING | {"messages", "max_completion_tokens"}
COMPLETION_HONOURED: Final = SAMPLING | {"prompt"}
MESSAGE_HONOURED: Final = frozenset({"role", "content"})
PART_HONOURED: Final = frozenset({"type", "text"})
STREAM_OPTIONS_HONOURED: Final = frozenset({"include_usage"})

_BOTH: Final[Rules] = {
    "frequency_penalty": Rule(float, _zero, tunes=True),
    "logit_bias": Rule(dict[str, float], _empty, tunes=True),
    "n": Rule(int, _one),
    "presence_penalty": Rule(float, _zero, tunes=True),
    "user": Rule(str, _anything),
}

CHAT: Final[Rules] = {
    **_BOTH,
    "audio": Rule(Table, _never),
    "function_call": Rule(str | Table, _without_tools),
    "functions": Rule(Items, _empty),
    "logprobs": Rule(bool, _false),
    "metadata": Rule(dict[str, str], _anything),
    "modalities": Rule(list[str], _text_only),
    "moderation": Rule(Table, _never),
    "parallel_tool_calls": Rule(bool, _anything),
    "prediction": Rule(Table, _never, tunes=True),
    "prompt_cache_key": Rule(str, _anything),
    "prompt_cache_options": Rule(_CacheOptions, _usual_cache, tunes=True),
    # an upper bound on how long a prefix may stay cached: keeping it for less honours it
    "prompt_cache_retention": Rule(str, _one_of("in_memory", "in-memory", "24h"), tunes=True),
    "reasoning_effort": Rule(str, _one_of("none"), tunes=True),
    "response_format": Rule(_Format, _plain_text),
    "safety_identifier": Rule(str, _anything),
    "service_tier": Rule(str, _one_of("auto", "default"), tunes=True),
    "store": Rule(bool, _false, tunes=True),
    "tool_choice": Rule(str | Table, _without_tools),
    "tools": Rule(Items, _empty),
    "top_logprobs": Rule(int, _zero),
    "verbosity": Rule(str, _one_of("medium"), tunes=True),
    "web_search_options": Rule(Table, _never),
}
"""Fields of ``/v1/chat/completions`` that are not honoured."""

COMPLETION: Final[Rules] = {
    **_BOTH,
    "best_of": Rule(int, _one, tunes=True),
    "echo": Rule(bool, _false),
    "logprobs": Rule(int, _never),
    "suffix": Rule(str, _empty),
}
"""Fields of ``/v1/completions`` that are not honoured."""

MESSAGE: Final[Rules] = {
    "annotations": Rule(Items, _empty),
    "audio": Rule(Table, _never),
    "function_call": Rule(Table, _never),
    "name": Rule(str, _empty, tunes=True),
    "refusal": Rule(str, _empty),
    "tool_call_id": Rule(str, _never),
    "tool_calls": Rule(Items, _empty),
}
"""Fields of a message that are not honoured; an answer of ours, sent back as it came, has some of them, empty."""

PART: Final[Rules] = {"prompt_cache_breakpoint": Rule(Table, _never, tunes=True)}
"""Fields of a text part that are not honoured."""

STREAM_OPTIONS: Final[Rules] = {"include_obfuscation": Rule(bool, _false, tunes=True)}
"""Fields of ``stream_options`` that are not honoured."""
