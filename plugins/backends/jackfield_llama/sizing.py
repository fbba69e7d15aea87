"""How long a request may be and how many KV cells there are, from the operator's wish, the model and the memory."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import ManifestError, ModelLoadError
from jackfield.ports.backend import AUTO_CONTEXT_MAX
from jackfield_llama import library as llama

if TYPE_CHECKING:
    from jackfield.ports.backend import ModelSpec

LOGGER: Final = logging.getLogger("jackfield.llama_cpp")

KV_SHARE: Final = 0.75
"""Part of the memory left beside the weights that an automatic KV pool may take; the rest is for compute buffers and
neighbours."""

CELLS_MAX: Final = 2**31 - 512
"""Positions and cells are 32-bit in llama.cpp, and it pads to 256."""

BITS_PER_VALUE: Final = {"f32": 32.0, "f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}
"""Bits that one key or value number takes, block scales included (ggml: blocks of 32 values and an f16 scale)."""


_NUMBER: Final = re.compile(r"\d+")


class Sizes(NamedTuple):
    """What the context is created with."""

    context: int
    """Longest request, in tokens."""
    kv_tokens: int
    """KV cells, at least ``context``."""


def choose_sizes(spec: ModelSpec, trained: int, cell_bytes: float, free_bytes: int | None) -> Sizes:
    """Resolve ``context`` and ``kv_tokens``.

    Parameters:
        spec: What the operator asked for.
        trained: Context the model was trained for, in tokens; 0 where the file does not say.
        cell_bytes: Memory of one KV cell.
        free_bytes: Memory left beside the weights, or None if unknown.

    Raises:
        ManifestError: The pool is smaller than one request, or a number exceeds what llama.cpp can count.
        ModelLoadError: The pool does not fit the memory; llama.cpp would fill it with zeros until the kernel kills it.
    """
    context = _context(spec, trained)
    if spec.kv_tokens == "auto":
        cells = _pool_for_memory(spec, context, cell_bytes, free_bytes)
    else:
        cells = spec.kv_tokens
        if spec.context == "auto":
            context = min(context, cells)
    for key, value in (("context", context), ("kv_tokens", cells)):
        if value > CELLS_MAX:
            raise _bad(spec, key, f"must be at most {CELLS_MAX}")
    if cells < context:
        raise _bad(spec, "kv_tokens", f"must be at least the context of {context} tokens")
    if free_bytes is not None and cells * cell_bytes > free_bytes:
        key = "context" if spec.kv_tokens == "auto" else "kv_tokens"
        raise ModelLoadError(
            f"the model fits, but {cells} tokens take {_mib(cells * cell_bytes)} of KV memory and {_mib(free_bytes)}"
            f" are free; lower models.{spec.name}.{key} or set kv_type q8_0"
        )
    return Sizes(context, cells)


def _context(spec: ModelSpec, trained: int) -> int:
    if spec.context == "auto":
        return min(trained or AUTO_CONTEXT_MAX, AUTO_CONTEXT_MAX)
    if trained and spec.context > trained:
        LOGGER.warning(
            "models.%s.context is %d, but the model was trained for %d: answers beyond that get worse",
            spec.name,
            spec.context,
            trained,
        )
    return spec.context


def _pool_for_memory(spec: ModelSpec, context: int, cell_bytes: float, free_bytes: int | None) -> int:
    wish = spec.max_sequences * context
    if free_bytes is None:
        return wish
    return max(context, min(wish, int(free_bytes * KV_SHARE / cell_bytes)) if cell_bytes else wish)


def kv_cell_bytes(model: llama.Model, kv_type: str) -> float:
    """Memory of one KV cell over all layers, in bytes; 0 for recurrent models, which have none.

    Sliding-window layers count in full, as their cache is kept in full.
    """
    if llama.model_is_recurrent(model):
        return 0.0
    architecture = llama.model_metadata(model, "general.architecture") or ""

    def field(name: str) -> str:
        return llama.model_metadata(model, f"{architecture}.{name}") or ""

    head_size = llama.model_n_embd(model) // max(1, llama.model_n_head(model))
    lengths = [field("attention.key_length"), field("attention.value_length")]
    values = sum(int(length) if length.isdecimal() else head_size for length in lengths)
    per_layer = [int(count) for count in _NUMBER.findall(field("attention.head_count_kv"))]
    heads = sum(per_layer) if len(per_layer) > 1 else llama.model_n_layer(model) * llama.model_n_head_kv(model)
    interval = field("full_attention_interval")  # hybrid models: only every so manyth layer has attention
    if interval.isdecimal() and int(interval) > 1:
        heads = -(-heads // int(interval))
    return heads * values * BITS_PER_VALUE[kv_type] / 8


def _bad(spec: ModelSpec, key: str, rule: str) -> ManifestError:
    path = f"models.{spec.name}.{key}"
    return ManifestError(f"{path} {rule}", param=path)


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
