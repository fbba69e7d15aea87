"""The documented fields of each body: which are honoured, and what the others may say."""

from __future__ import annotations

from typing import Final

import msgspec

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, empty, never
from jackfield_llamacpp import bodies


def _false(value: object) -> bool:
    return not value


def _true(value: bool) -> bool:  # noqa: FBT001 -- it judges a boolean
    return value


def _negative(value: float) -> bool:
    return value < 0


def _float(value: str) -> bool:
    return value == "float"


_NOT_HONOURED: Final[Rules] = {
    "adaptive_decay": Rule(float, anything),
    "adaptive_target": Rule(float, _negative, tunes=True),
    "backend_sampling": Rule(bool, _false, tunes=True),
    "echo": Rule(bool, _false),
    "grammar_lazy": Rule(bool, _false),
    "grammar_triggers": Rule(Items, empty),
    "lora": Rule(Items, empty),
    # where checkpoints are taken follows from what is asked
    "message_delimiters": Rule(Items, anything),
    "min_keep": Rule(int, _false, tunes=True),
    "n_cache_reuse": Rule(int, _false, tunes=True),
    "n_discard": Rule(int, anything),
    # nothing is ever cut out of a prompt to make room
    "n_keep": Rule(int, anything),
    "post_sampling_probs": Rule(bool, _false),
    "preserved_tokens": Rule(Items, empty),
    "reasoning_budget_tokens": Rule(int, _negative),
    "reasoning_control": Rule(bool, _false),
    # nothing is taken out of a text that is no conversation, there as here
    "reasoning_format": Rule(str, anything),
    # each answer tells how many tokens it has
    "stream_options": Rule(Table, anything),
    # does nothing there either
    "t_max_prompt_ms": Rule(int, anything),
    "verbose": Rule(bool, _false),
}

_SHARED: Final = frozenset(bodies.SharedBody.__struct_fields__) | {"grammar", "json_schema", "logit_bias", "samplers"}

COMPLETION_HONOURED: Final = _SHARED | {"prompt"}
COMPLETION: Final = _NOT_HONOURED
INFILL_HONOURED: Final = _SHARED | {"input_prefix", "input_suffix", "input_extra", "prompt"}
INFILL: Final = _NOT_HONOURED

TOKENIZE_HONOURED: Final = frozenset(bodies.TokenizeBody.__struct_fields__)
DETOKENIZE_HONOURED: Final = frozenset(bodies.DetokenizeBody.__struct_fields__)
TEMPLATE_HONOURED: Final = frozenset(bodies.TemplateBody.__struct_fields__) | {"messages", "tools", "tool_choice"}
TEMPLATE: Final[Rules] = {
    **{name: Rule(msgspec.Raw, anything) for name in bodies.OF_ANSWERS},
    "add_generation_prompt": Rule(bool, _true),
    "chat_template": Rule(str, never),
}
SLOT_HONOURED: Final = frozenset(bodies.SlotBody.__struct_fields__)
RERANK_HONOURED: Final = frozenset(bodies.RerankBody.__struct_fields__)
RERANK: Final[Rules] = {
    "max_chunks_per_doc": Rule(int, never, tunes=True),
    "truncate": Rule(bool, _false),
    "truncation_direction": Rule(str, anything),
}
COHERE_HONOURED: Final = frozenset(bodies.CohereRerankBody.__struct_fields__)
COHERE: Final[Rules] = {"max_tokens_per_doc": Rule(int, never, tunes=True), "priority": Rule(int, _false, tunes=True)}
EMBEDDING_HONOURED: Final = frozenset(bodies.EmbeddingBody.__struct_fields__) | {"content", "input"}
EMBEDDING: Final[Rules] = {
    "encoding_format": Rule(str, _float),
    "image_data": Rule(Items, empty),
    "user": Rule(str, anything),
}
NOTHING: Final[Rules] = {}
