"""The documented fields of each body: which are honoured, and what the others may say."""

from __future__ import annotations

from typing import Final

from jackfield.frontends.rules import Items, Rule, Rules, anything, empty, never
from jackfield_llamacpp import bodies

SAMPLERS: Final = ("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature")
"""The order in which tokens are drawn, which is llama-server's own default."""

_OTHER_SAMPLERS: Final = ("dry", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature")
"""Its documented default, and the same order."""


def _false(value: object) -> bool:
    return not value


def _true(value: bool) -> bool:  # noqa: FBT001 -- it judges a boolean
    return value


def _negative(value: float) -> bool:
    return value < 0


def _no_limit(value: int) -> bool:
    return value <= 0


def _float(value: str) -> bool:
    return value == "float"


def _usual_order(value: list[str]) -> bool:
    return tuple(value) in {SAMPLERS, _OTHER_SAMPLERS}


_NOT_HONOURED: Final[Rules] = {
    "adaptive_decay": Rule(float, anything),
    "adaptive_target": Rule(float, _negative, tunes=True),
    "backend_sampling": Rule(bool, _false, tunes=True),
    "grammar_lazy": Rule(bool, _false),
    "grammar_triggers": Rule(Items, empty),
    "lora": Rule(Items, empty),
    "min_keep": Rule(int, _false, tunes=True),
    "n_cache_reuse": Rule(int, _false, tunes=True),
    "n_discard": Rule(int, anything),
    "n_indent": Rule(int, _false),
    # nothing is ever cut out of a prompt to make room
    "n_keep": Rule(int, anything),
    "post_sampling_probs": Rule(bool, _false),
    "preserved_tokens": Rule(Items, empty),
    "return_progress": Rule(bool, _false, tunes=True),
    "samplers": Rule(list[str], _usual_order, tunes=True),
    "t_max_predict_ms": Rule(int, _no_limit, tunes=True),
    "t_max_prompt_ms": Rule(int, _no_limit, tunes=True),
    "timings_per_token": Rule(bool, _false, tunes=True),
}

_SHARED: Final = frozenset(bodies.SharedBody.__struct_fields__) | {"grammar", "json_schema", "logit_bias"}

COMPLETION_HONOURED: Final = _SHARED | {"prompt"}
COMPLETION: Final = _NOT_HONOURED
INFILL_HONOURED: Final = _SHARED | {"input_prefix", "input_suffix", "input_extra", "prompt"}
INFILL: Final = _NOT_HONOURED

TOKENIZE_HONOURED: Final = frozenset(bodies.TokenizeBody.__struct_fields__)
DETOKENIZE_HONOURED: Final = frozenset(bodies.DetokenizeBody.__struct_fields__)
TEMPLATE_HONOURED: Final = frozenset(bodies.TemplateBody.__struct_fields__) | {"messages", "tools", "tool_choice"}
TEMPLATE: Final[Rules] = {"add_generation_prompt": Rule(bool, _true), "chat_template": Rule(str, never)}
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
