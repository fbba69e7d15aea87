"""The documented fields of each body: which are honoured, and what the others may say.

From OpenAI's API description 2.3.0 (``CreateChatCompletionRequest``: 37 properties, ``CreateCompletionRequest``: 18,
``CreateEmbeddingRequest``: 5), with what llama-server, vLLM and SGLang have for drawing tokens and for the shape of
answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from jackfield_openai.rules import Rule, Rules
from jackfield_openai.sampling import SamplingBody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Items: TypeAlias = list[msgspec.Raw]
Table: TypeAlias = dict[str, msgspec.Raw]


def _anything(_: object) -> bool:
    return True


def _never(_: object) -> bool:
    return False


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


def _empty(value: Items | Table | str) -> bool:
    return not value


def _text_only(value: list[str]) -> bool:
    return value == ["text"]


def _without_tools(value: str | Table) -> bool:
    # "auto" lets the model choose among the tools it was given, and it was given none
    return value in ("none", "auto")


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
    }
)
"""Honoured in chats and completions."""

CHAT_HONOURED: Final = GENERATING | {"messages", "max_completion_tokens", "top_logprobs"}
COMPLETION_HONOURED: Final = GENERATING | {"prompt", "best_of", "echo"}
EMBEDDING_HONOURED: Final = frozenset({"model", "input", "encoding_format", "dimensions"})
MESSAGE_HONOURED: Final = frozenset({"role", "content"})
PART_HONOURED: Final = frozenset({"type", "text"})
STREAM_OPTIONS_HONOURED: Final = frozenset({"include_usage"})

_LOCAL: Final[Rules] = {
    # llama-server's
    "adaptive_decay": Rule(float, _anything),
    "adaptive_target": Rule(float, _negative, tunes=True),
    "min_keep": Rule(int, _zero, tunes=True),
    "n_keep": Rule(int, _zero, tunes=True),
    "n_probs": Rule(int, _zero),
    "post_sampling_probs": Rule(bool, _false),
    "samplers": Rule(Items | str, _never, tunes=True),
    # vLLM's and SGLang's
    "allowed_token_ids": Rule(Items, _empty),
    "bad_words": Rule(Items, _empty),
    "guided_decoding_backend": Rule(str, _one_of("auto", "guidance"), tunes=True),
    "guided_whitespace_pattern": Rule(str, _never),
    "include_stop_str_in_output": Rule(bool, _false),
    "length_penalty": Rule(float, _one, tunes=True),
    "prompt_logprobs": Rule(int, _never),
    "skip_special_tokens": Rule(bool, _true),
    "spaces_between_special_tokens": Rule(bool, _true, tunes=True),
    "structural_tag": Rule(str | Table, _never),
    "use_beam_search": Rule(bool, _false),
}
"""What the clients of other local servers send, often with its default."""

_BOTH: Final[Rules] = {**_LOCAL, "user": Rule(str, _anything)}

CHAT: Final[Rules] = {
    **_BOTH,
    "add_generation_prompt": Rule(bool, _true),
    "audio": Rule(Table, _never),
    "chat_template_kwargs": Rule(Table, _empty),
    "continue_final_message": Rule(bool, _false),
    "echo": Rule(bool, _false),
    "function_call": Rule(str | Table, _without_tools),
    "functions": Rule(Items, _empty),
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
    "safety_identifier": Rule(str, _anything),
    "service_tier": Rule(str, _one_of("auto", "default"), tunes=True),
    "store": Rule(bool, _false, tunes=True),
    "tool_choice": Rule(str | Table, _without_tools),
    "tools": Rule(Items, _empty),
    "verbosity": Rule(str, _one_of("medium"), tunes=True),
    "web_search_options": Rule(Table, _never),
}
"""Fields of ``/v1/chat/completions`` that are not honoured."""

COMPLETION: Final[Rules] = {**_BOTH, "suffix": Rule(str, _empty)}
"""Fields of ``/v1/completions`` that are not honoured."""

EMBEDDING: Final[Rules] = {"user": Rule(str, _anything)}
"""Fields of ``/v1/embeddings`` that are not honoured."""

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

INNER: Final[Mapping[str, tuple[frozenset[str], Rules]]] = {
    "response_format": (frozenset({"type", "json_schema", "schema"}), {}),
    "response_format.json_schema": (frozenset({"name", "description", "schema", "strict"}), {}),
    "structured_outputs": (
        frozenset({"json", "json_object", "regex", "choice", "grammar"}),
        {
            "disable_additional_properties": Rule(bool, _false),
            "disable_any_whitespace": Rule(bool, _false),
            "structural_tag": Rule(str | Table, _never),
            "whitespace_pattern": Rule(str, _never),
        },
    ),
}
"""The fields of the objects that say what the answer must look like: those that are honoured, and the others."""
