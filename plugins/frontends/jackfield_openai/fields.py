"""The documented fields of each body: which are honoured, and what the others may say.

From OpenAI's API description 2.3.0 (``CreateChatCompletionRequest``: 37 properties, ``CreateCompletionRequest``: 18,
``CreateEmbeddingRequest``: 5), with what llama-server, vLLM and SGLang have for drawing tokens and for the shape of
answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, empty, never
from jackfield.frontends.sampling import SamplingBody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _false(value: object) -> bool:
    return not value


def _true(value: bool) -> bool:  # noqa: FBT001 -- it judges a boolean
    return value


def _negative(value: float) -> bool:
    return value < 0


def _zero(value: float) -> bool:
    return value == 0


def _one(value: float) -> bool:
    return value == 1


def _text_only(value: list[str]) -> bool:
    return value == ["text"]


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


class _CacheOptions(msgspec.Struct, forbid_unknown_fields=True):
    mode: Literal["implicit", "explicit"] = "implicit"
    ttl: str = "30m"


def _usual_cache(value: _CacheOptions) -> bool:
    return value == _CacheOptions()


SHAPING: Final = frozenset(
    {
        "ebnf",
        "grammar",
        "guided_choice",
        "guided_grammar",
        "guided_json",
        "guided_regex",
        "json_schema",
        "regex",
        "response_format",
        "structured_outputs",
    }
)
"""Honoured in chats and completions: what the answer must look like."""

GENERATING: Final = frozenset(
    {
        *SHAPING,
        *SamplingBody.__struct_fields__,
        "cache_prompt",
        "cache_salt",
        "ignore_eos",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "min_tokens",
        "model",
        "n",
        "priority",
        "stop",
        "stop_token_ids",
        "stream",
        "stream_options",
        "timings_per_token",
        "user",
    }
)
"""Honoured in chats and completions."""

CHAT_HONOURED: Final = GENERATING | {
    "add_generation_prompt",
    "chat_template_kwargs",
    "continue_final_message",
    "enable_thinking",
    "function_call",
    "functions",
    "include_reasoning",
    "max_completion_tokens",
    "messages",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "reasoning_budget_tokens",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "thinking",
    "thinking_budget",
    "thinking_budget_tokens",
    "thinking_token_budget",
    "tool_choice",
    "tools",
    "top_logprobs",
}
COMPLETION_HONOURED: Final = GENERATING | {"prompt", "best_of", "echo", "suffix"}
EMBEDDING_HONOURED: Final = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
STREAM_OPTIONS_HONOURED: Final = frozenset({"continuous_usage_stats", "include_usage"})

_LOCAL: Final[Rules] = {
    # llama-server's
    "adaptive_decay": Rule(float, anything),
    "adaptive_target": Rule(float, _negative, tunes=True),
    "min_keep": Rule(int, _zero, tunes=True),
    "n_keep": Rule(int, _zero, tunes=True),
    "n_probs": Rule(int, _zero),
    "post_sampling_probs": Rule(bool, _false),
    "return_progress": Rule(bool, _false, tunes=True),
    "return_tokens": Rule(bool, _false),
    "samplers": Rule(Items | str, never, tunes=True),
    # vLLM's and SGLang's
    "allowed_token_ids": Rule(Items, empty),
    "bad_words": Rule(Items, empty),
    "guided_decoding_backend": Rule(str, _one_of("auto", "guidance"), tunes=True),
    "guided_whitespace_pattern": Rule(str, never),
    "include_stop_str_in_output": Rule(bool, _false),
    "length_penalty": Rule(float, _one, tunes=True),
    "prompt_logprobs": Rule(int, never),
    "return_token_ids": Rule(bool, _false),
    "skip_special_tokens": Rule(bool, _true),
    "spaces_between_special_tokens": Rule(bool, _true, tunes=True),
    "structural_tag": Rule(str | Table, never),
    "use_beam_search": Rule(bool, _false),
}
"""What the clients of other local servers send, often with its default."""

CHAT: Final[Rules] = {
    **_LOCAL,
    "audio": Rule(Table, never),
    "echo": Rule(bool, _false),
    "metadata": Rule(dict[str, str], anything),
    "modalities": Rule(list[str], _text_only),
    "moderation": Rule(Table, never),
    "prediction": Rule(Table, never, tunes=True),
    "prompt_cache_options": Rule(_CacheOptions, _usual_cache, tunes=True),
    # an upper bound on how long a prefix may stay cached: keeping it for less honours it
    "prompt_cache_retention": Rule(str, _one_of("in_memory", "in-memory", "24h"), tunes=True),
    "reasoning_budget_message": Rule(str, empty),
    "reasoning_format": Rule(str, _one_of("auto", "deepseek")),
    "separate_reasoning": Rule(bool, _true),
    "store": Rule(bool, _false, tunes=True),
    "stream_reasoning": Rule(bool, _true),
    "verbosity": Rule(str, _one_of("medium"), tunes=True),
    "web_search_options": Rule(Table, never),
}
"""Fields of ``/v1/chat/completions`` that are not honoured."""

COMPLETION: Final[Rules] = _LOCAL
"""Fields of ``/v1/completions`` that are not honoured."""

EMBEDDING: Final[Rules] = {}
"""Fields of ``/v1/embeddings`` that are not honoured."""

STREAM_OPTIONS: Final[Rules] = {"include_obfuscation": Rule(bool, _false, tunes=True)}
"""Fields of ``stream_options`` that are not honoured."""

INNER: Final[Mapping[str, tuple[frozenset[str], Rules]]] = {
    "response_format": (frozenset({"type", "json_schema", "schema"}), {}),
    "response_format.json_schema": (frozenset({"name", "description", "schema", "strict"}), {}),
    "structured_outputs": (
        frozenset({"json", "json_object", "regex", "choice", "grammar"}),
        {
            "disable_additional_properties": Rule(bool, _false),
            "disable_any_whitespace": Rule(bool, _false),
            "structural_tag": Rule(str | Table, never),
            "whitespace_pattern": Rule(str, never),
        },
    ),
}
"""The fields of the objects that say what the answer must look like: those that are honoured, and the others."""
