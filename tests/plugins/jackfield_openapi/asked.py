"""Every field of every body, with a value that asks for something: what capability records are held to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

import jackfield_anthropic.fields
import jackfield_llamacpp.fields
import jackfield_ollama.fields
import jackfield_openai.fields
import jackfield_openai.responses.fields
from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.frontends.rules import FieldRule, Rules

SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
MESSAGES: Final = [{"role": "user", "content": "[say:Hello]"}]
FUNCTION: Final = {"name": "look", "parameters": SCHEMA}
TOOLS: Final = [{"type": "function", "function": FUNCTION}]
RESPONSE_TOOLS: Final = [{"type": "function", **FUNCTION}]
CLAUDE_TOOLS: Final = [{"name": "look", "input_schema": SCHEMA}]

SAMPLING: Final[Mapping[str, Any]] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 20,
    "min_p": 0.1,
    "typical_p": 0.9,
    "top_n_sigma": 2.0,
    "xtc_probability": 0.1,
    "xtc_threshold": 0.2,
    "dynatemp_range": 0.2,
    "dynatemp_exponent": 1.5,
    "mirostat": 2,
    "mirostat_tau": 4.0,
    "mirostat_eta": 0.2,
    "repeat_penalty": 1.1,
    "repetition_penalty": 1.1,
    "repeat_last_n": 32,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "dry_multiplier": 0.8,
    "dry_base": 1.7,
    "dry_allowed_length": 3,
    "dry_penalty_last_n": 64,
    "dry_sequence_breakers": ["\\n"],
    "seed": 7,
}

_SHAPING: Final[Mapping[str, Any]] = {
    "ebnf": 'root ::= "yes" | "no"',
    "grammar": 'root ::= "yes" | "no"',
    "guided_choice": ["yes", "no"],
    "guided_grammar": 'root ::= "yes" | "no"',
    "guided_json": SCHEMA,
    "guided_regex": "(yes|no)",
    "json_schema": SCHEMA,
    "regex": "(yes|no)",
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
    "structured_outputs": {"choice": ["yes", "no"]},
}

_LLAMA: Final[Mapping[str, Any]] = {
    **SAMPLING,
    "cache_prompt": False,
    "grammar": _SHAPING["grammar"],
    "id_slot": 0,
    "ignore_eos": True,
    "json_schema": SCHEMA,
    "logit_bias": {"72": 1},
    "logprobs": 2,
    "max_completion_tokens": 4,
    "max_tokens": 4,
    "model": "demo",
    "n": 2,
    "n_cmpl": 2,
    "n_indent": 1,
    "n_predict": 4,
    "n_probs": 2,
    "prompt": "[say:Hello]",
    "response_fields": ["content"],
    "return_progress": True,
    "return_tokens": True,
    "samplers": ["top_k", "temperature"],
    "sse_ping_interval": 5,
    "stop": ["x"],
    "stream": True,
    "t_max_predict_ms": 60_000,
    "timings_per_token": True,
}

_OPENAI: Final[Mapping[str, Any]] = {
    **SAMPLING,
    **_SHAPING,
    "cache_prompt": False,
    "cache_salt": "a",
    "id_slot": 0,
    "ignore_eos": True,
    "include_stop_str_in_output": True,
    "logit_bias": {"72": 1},
    "max_tokens": 4,
    "min_tokens": 2,
    "model": "demo",
    "n": 2,
    "n_indent": 1,
    "n_predict": 4,
    "priority": 1,
    "return_progress": True,
    "sse_ping_interval": 5,
    "stop": ["x"],
    "stop_token_ids": [72],
    "stream": True,
    "stream_options": {"include_usage": True},
    "t_max_predict_ms": 60_000,
    "timings_per_token": True,
    "user": "ann",
}

_CHAT: Final[Mapping[str, Any]] = {
    **_OPENAI,
    "add_generation_prompt": True,
    "chat_template_kwargs": {"enable_thinking": False},
    "continue_final_message": True,
    "documents": [{"text": "a"}],
    "echo": True,
    "enable_thinking": True,
    "function_call": "auto",
    "functions": [FUNCTION],
    "include_reasoning": False,
    "logprobs": True,
    "max_completion_tokens": 4,
    "messages": MESSAGES,
    "metadata": {"team": "search"},
    "parallel_tool_calls": False,
    "prompt_cache_key": "a",
    "reasoning": {"enabled": True},
    "reasoning_budget_tokens": 4,
    "reasoning_effort": "none",
    "safety_identifier": "a",
    "service_tier": "flex",
    "store": True,
    "thinking": {"type": "enabled"},
    "thinking_budget": 4,
    "thinking_budget_tokens": 4,
    "thinking_token_budget": 4,
    "tool_choice": "required",
    "tools": TOOLS,
    "top_logprobs": 2,
}

_OLLAMA: Final[Mapping[str, Any]] = {
    "format": SCHEMA,
    "keep_alive": "5m",
    "logprobs": True,
    "model": "demo",
    "options": {"temperature": 0.5},
    "stream": False,
    "think": True,
    "top_logprobs": 2,
}

_CLAUDE: Final[Mapping[str, Any]] = {
    "max_tokens": 4,
    "messages": MESSAGES,
    "metadata": {"user_id": "ann"},
    "model": "demo",
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "output_format": {"type": "json_schema", "schema": SCHEMA},
    "stop_sequences": ["x"],
    "stream": True,
    "system": "Be brief.",
    "temperature": 0.5,
    "thinking": {"type": "enabled", "budget_tokens": 4},
    "tool_choice": {"type": "any"},
    "tools": CLAUDE_TOOLS,
    "top_k": 20,
    "top_p": 0.9,
}

_RESPONSES: Final[Mapping[str, Any]] = {
    **SAMPLING,
    "background": True,
    "chat_template_kwargs": {"enable_thinking": False},
    "include": ["message.output_text.logprobs"],
    "input": "[say:Hello]",
    "instructions": "Be brief.",
    "max_output_tokens": 4,
    "metadata": {"team": "search"},
    "model": "demo",
    "parallel_tool_calls": False,
    "priority": 1,
    "prompt_cache_key": "a",
    "reasoning": {"effort": "none"},
    "safety_identifier": "a",
    "service_tier": "flex",
    "store": False,
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}},
    "tool_choice": "required",
    "tools": RESPONSE_TOOLS,
    "top_logprobs": 2,
    "truncation": "auto",
    "user": "ann",
}

_RANKER: Final[Mapping[str, Any]] = {
    "documents": ["A radio", "A table"],
    "model": "ranker",
    "query": "What plays music?",
    "raw_scores": True,
    "return_documents": True,
    "return_text": True,
    "texts": ["A radio", "A table"],
    "top_n": 1,
}

_EMBEDDING: Final[Mapping[str, Any]] = {"content": "a", "embd_normalize": -1, "input": "a", "model": "vectors"}

VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /api/chat": {**_OLLAMA, "messages": MESSAGES, "tools": TOOLS},
    "POST /api/embed": {**_OLLAMA, "dimensions": 4, "input": "a", "model": "vectors"},
    "POST /api/embeddings": {**_OLLAMA, "prompt": "a", "model": "vectors"},
    "POST /api/show": {"model": "demo", "name": "demo"},
    "POST /apply-template": {
        "chat_template_kwargs": {"enable_thinking": False},
        "continue_final_message": True,
        "messages": MESSAGES,
        "model": "demo",
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": TOOLS,
    },
    "POST /detokenize": {"model": "demo", "tokens": [72, 105]},
    "POST /tokenize": {
        "add_special": True,
        "content": "Hello",
        "model": "demo",
        "parse_special": False,
        "with_pieces": True,
    },
    "POST /v1/responses/input_tokens": _RESPONSES,
    "POST /api/generate": {**_OLLAMA, "prompt": "[say:Hello]", "raw": True, "system": "Be brief."},
    "POST /completion": _LLAMA,
    "POST /completions": _LLAMA,
    "POST /embedding": _EMBEDDING,
    "POST /embeddings": _EMBEDDING,
    "POST /rerank": _RANKER,
    "POST /reranking": _RANKER,
    "POST /v1/chat/completions": _CHAT,
    "POST /v1/completions": {**_OPENAI, "best_of": 2, "echo": True, "logprobs": 2, "prompt": "[say:Hello]"},
    "POST /v1/embeddings": {
        "dimensions": 4,
        "encoding_format": "base64",
        "input": "a",
        "model": "vectors",
        "normalize": False,
        "user": "ann",
    },
    "POST /v1/messages": _CLAUDE,
    "POST /v1/messages/count_tokens": _CLAUDE,
    "POST /v1/rerank": _RANKER,
    "POST /v1/reranking": _RANKER,
    "POST /v1/responses": _RESPONSES,
    "POST /v2/rerank": _RANKER,
}
"""Values that are valid and ask for something, of every field that a record may have, but for what another response
names: ``previous_response_id``."""

TOGETHER: Final[Mapping[str, Mapping[str, Any]]] = {
    "continue_final_message": {
        "messages": [*MESSAGES, {"role": "assistant", "content": "Hel"}],
        "add_generation_prompt": False,
    },
    "function_call": {"functions": [FUNCTION]},
    "texts": {"documents": None},
    "raw": {"stream": False},
    "return_progress": {"stream": True},
    "stream_options": {"stream": True},
}
"""What a field goes with."""

TOGETHER_ON: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("POST /api/chat", "top_logprobs"): {"logprobs": True},
    ("POST /api/generate", "top_logprobs"): {"logprobs": True},
    ("POST /embedding", "input"): {"content": None},
    ("POST /embeddings", "input"): {"content": None},
    ("POST /v1/chat/completions", "echo"): TOGETHER["continue_final_message"],
    ("POST /v1/chat/completions", "tool_choice"): {"tools": TOOLS},
    ("POST /v1/chat/completions", "top_logprobs"): {"logprobs": True},
    ("POST /v1/messages", "thinking"): {"max_tokens": 8},
    ("POST /v1/messages", "tool_choice"): {"tools": CLAUDE_TOOLS},
    ("POST /v1/messages/count_tokens", "tool_choice"): {"tools": CLAUDE_TOOLS},
    ("POST /v1/responses", "tool_choice"): {"tools": RESPONSE_TOOLS},
    ("POST /v1/responses", "stream_options"): {"stream": True},
    ("POST /v1/responses", "top_logprobs"): {"include": ["message.output_text.logprobs"]},
}
"""The same, where it is not so everywhere."""

_MINIMAL: Final[Mapping[str, tuple[str, ...]]] = {
    "POST /api/chat": ("model", "messages"),
    "POST /api/embed": ("model", "input"),
    "POST /api/embeddings": ("model", "prompt"),
    "POST /api/generate": ("model", "prompt"),
    "POST /api/show": ("model",),
    "POST /apply-template": ("messages",),
    "POST /detokenize": ("tokens",),
    "POST /tokenize": ("content",),
    "POST /v1/responses/input_tokens": ("model", "input"),
    "POST /completion": ("prompt", "n_predict"),
    "POST /completions": ("prompt", "n_predict"),
    "POST /embedding": ("content", "model"),
    "POST /embeddings": ("content", "model"),
    "POST /v1/chat/completions": ("model", "messages"),
    "POST /v1/completions": ("model", "prompt"),
    "POST /v1/embeddings": ("model", "input"),
    "POST /v1/messages": ("model", "messages", "max_tokens"),
    "POST /v1/messages/count_tokens": ("model", "messages"),
    "POST /v1/responses": ("model", "input"),
}
_RANKED: Final = ("model", "query", "documents")

RULES: Final[Mapping[str, Rules]] = {
    "POST /api/chat": jackfield_ollama.fields.CHAT,
    "POST /api/embed": jackfield_ollama.fields.EMBED,
    "POST /api/generate": jackfield_ollama.fields.GENERATE,
    "POST /api/show": jackfield_ollama.fields.SHOW,
    "POST /apply-template": jackfield_llamacpp.fields.TEMPLATE,
    "POST /completion": jackfield_llamacpp.fields.COMPLETION,
    "POST /embedding": jackfield_llamacpp.fields.EMBEDDING,
    "POST /rerank": jackfield_llamacpp.fields.RERANK,
    "POST /v1/chat/completions": jackfield_openai.fields.CHAT,
    "POST /v1/completions": jackfield_openai.fields.COMPLETION,
    "POST /v1/embeddings": jackfield_openai.fields.EMBEDDING,
    "POST /v1/messages": jackfield_anthropic.fields.MESSAGES,
    "POST /v1/messages/count_tokens": jackfield_anthropic.fields.COUNT,
    "POST /v1/responses": jackfield_openai.responses.fields.RESPONSE,
    "POST /v2/rerank": jackfield_llamacpp.fields.COHERE,
}
"""The documented fields that are not honoured."""

_TRIED: Final[tuple[Any, ...]] = (
    True,
    False,
    1,
    3,
    -1,
    2.5,
    "something",
    ["something"],
    [1],
    [{"a": 1}],
    {"user_id": "ann"},
    {"mode": "explicit"},
    {"include_obfuscation": True},
    {"edits": [{"type": "compact_20260112"}]},
    {"type": "billing_policy", "bill_to": "user_profile"},
)


def body_of(route: str, field: str = "") -> dict[str, Any]:
    """A body of *route* that is as short as can be, with *field* and what goes with it."""
    values = VALUES[route]
    body = {name: values[name] for name in _MINIMAL.get(route, _RANKED)}
    if field:
        body |= {field: values[field], **TOGETHER.get(field, {}), **TOGETHER_ON.get((route, field), {})}
    return body


def asking(rule: FieldRule) -> tuple[bool, Any]:
    """Whether a field of *rule* can ask for what cannot be done; a value that does, or else one that it may have."""
    allowed: list[Any] = []
    for value in _TRIED:
        with suppress(InvalidRequest):
            if rule.asks(msgspec.Raw(msgspec.json.encode(value)), "field"):
                return True, value
            allowed.append(value)
    return False, allowed[0]
