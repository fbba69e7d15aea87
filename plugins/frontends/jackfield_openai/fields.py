"""The documented fields of each body: which are honoured, and what the others may say.

From OpenAI's API description 2.3.0 (``CreateChatCompletionRequest``: 37 properties, ``CreateCompletionRequest``: 18,
``CreateEmbeddingRequest``: 5), with what llama-server, vLLM and SGLang have for drawing tokens and for the shape of
answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, empty, never, one_of
from jackfield.frontends.sampling import SamplingBody

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        "id_slot",
        "ignore_eos",
        "include_stop_str_in_output",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "min_tokens",
        "model",
        "n",
        "n_indent",
        "n_predict",
        "priority",
        "return_progress",
        "sse_ping_interval",
        "stop",
        "stop_token_ids",
        "stream",
        "stream_options",
        "t_max_predict_ms",
        "timings_per_token",
        "user",
    }
)
"""Honoured in chats and completions."""

CHAT_HONOURED: Final = GENERATING | {
    "add_generation_prompt",
    "chat_template_kwargs",
    "continue_final_message",
    "documents",
    "echo",
    "enable_thinking",
    "function_call",
    "functions",
    "include_reasoning",
    "max_completion_tokens",
    "messages",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "reasoning_budget_tokens",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "thinking",
    "thinking_budget",
    "thinking_budget_tokens",
    "thinking_token_budget",
    "tool_choice",
    "tools",
    "top_logprobs",
}
COMPLETION_HONOURED: Final = GENERATING | {"prompt", "best_of", "echo", "suffix"}
EMBEDDING_HONOURED: Final = frozenset({"model", "input", "encoding_format", "dimensions", "normalize", "user"})
STREAM_OPTIONS_HONOURED: Final = frozenset({"continuous_usage_stats", "include_obfuscation", "include_usage"})

_LOCAL: Final[Rules] = {
    # llama-server's
    "adaptive_decay": Rule(float, anything),
    "adaptive_target": Rule(float, _negative, tunes=True),
    "grammar_lazy": Rule(bool, _false),
    "grammar_triggers": Rule(Items, empty),
    "lora": Rule(Items, empty),
    "min_keep": Rule(int, _zero, tunes=True),
    "n_cache_reuse": Rule(int, _zero, tunes=True),
    "n_keep": Rule(int, _zero, tunes=True),
    "n_probs": Rule(int, _zero),
    "post_sampling_probs": Rule(bool, _false),
    "preserved_tokens": Rule(Items, empty),
    "response_fields": Rule(Items, empty),
    "return_tokens": Rule(bool, _false),
    "samplers": Rule(Items | str, never, tunes=True),
    # vLLM's and SGLang's
    "allowed_token_ids": Rule(Items, empty),
    "bad_words": Rule(Items, empty),
    "custom_params": Rule(Table, empty),
    "ec_transfer_params": Rule(Table, empty),
    "guided_decoding_backend": Rule(str, one_of("auto", "guidance"), tunes=True),
    "guided_whitespace_pattern": Rule(str, never),
    "kv_transfer_params": Rule(Table, empty),
    "length_penalty": Rule(float, _one, tunes=True),
    "logits_processors": Rule(Items, empty),
    "lora_path": Rule(str | Items, empty),
    "no_stop_trim": Rule(bool, _false),
    "prompt_logprobs": Rule(int, never),
    "repetition_detection": Rule(Table, empty),
    "request_id": Rule(str, empty),
    "return_hidden_states": Rule(bool, _false),
    "return_meta_info": Rule(bool, _false),
    "return_token_ids": Rule(bool, _false),
    "return_tokens_as_token_ids": Rule(bool, _false),
    "rid": Rule(str | Items, empty),
    "session_id": Rule(str, empty),
    "skip_special_tokens": Rule(bool, _true),
    "spaces_between_special_tokens": Rule(bool, _true, tunes=True),
    "stop_regex": Rule(str | Items, empty),
    "stream_interval": Rule(int, _one, tunes=True),
    "structural_tag": Rule(str | Table, never),
    "truncate_prompt_tokens": Rule(int, never),
    "use_beam_search": Rule(bool, _false),
    "vllm_xargs": Rule(Table, empty),
    # LM Studio's and Ollama's
    "keep_alive": Rule(str | int | float, never, tunes=True),
    "ttl": Rule(int, never, tunes=True),
}
"""What the clients of other local servers send, often with its default."""

CHAT: Final[Rules] = {
    **_LOCAL,
    "add_special_tokens": Rule(bool, _false),
    "audio": Rule(Table, never),
    "chat_template": Rule(str, never),
    "media_io_kwargs": Rule(Table, empty),
    "mm_processor_kwargs": Rule(Table, empty),
    "modalities": Rule(list[str], _text_only),
    "moderation": Rule(Table, never),
    "prediction": Rule(Table, never, tunes=True),
    "prompt_cache_options": Rule(_CacheOptions, _usual_cache, tunes=True),
    # an upper bound on how long a prefix may stay cached: keeping it for less honours it
    "prompt_cache_retention": Rule(str, one_of("in_memory", "in-memory", "24h"), tunes=True),
    "reasoning_budget_message": Rule(str, empty),
    "reasoning_control": Rule(bool, _false),
    "reasoning_format": Rule(str, one_of("auto", "deepseek")),
    "separate_reasoning": Rule(bool, _true),
    "stream_reasoning": Rule(bool, _true),
    "verbosity": Rule(str, one_of("medium"), tunes=True),
    "web_search_options": Rule(Table, never),
}
"""Fields of ``/v1/chat/completions`` that are not honoured."""

COMPLETION: Final[Rules] = {**_LOCAL, "add_special_tokens": Rule(bool, _true)}
"""Fields of ``/v1/completions`` that are not honoured."""

EMBEDDING: Final[Rules] = {
    "add_special_tokens": Rule(bool, _true),
    "priority": Rule(int, _zero, tunes=True),
    "truncate_prompt_tokens": Rule(int, never),
}
"""Fields of ``/v1/embeddings`` that are not honoured."""

STREAM_OPTIONS: Final[Rules] = {}
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
