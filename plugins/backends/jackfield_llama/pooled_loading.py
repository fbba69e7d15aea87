"""From a loaded model that reads whole inputs to a ``PooledRunner``."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import BackendFault, ManifestError, ModelLoadError
from jackfield.ports.backend import AUTO_CONTEXT_MAX, Batch, MemoryEstimate, ModelSpec, RunnerLimits
from jackfield_llama import library as llama
from jackfield_llama import pooling_library as pooling
from jackfield_llama.config import LlamaConfig
from jackfield_llama.model import describe
from jackfield_llama.pooled import LlamaPooledRunner
from jackfield_llama.pooling import describe_pooled, is_causal
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.sizing import KV_SHARE, kv_cell_bytes

if TYPE_CHECKING:
    from jackfield_llama.pooling_library import PoolingParams

LOGGER: Final = logging.getLogger("jackfield.llama_cpp")

CONTEXT_MIN: Final = 512
"""An automatic context is not made smaller than this to fit the memory: passages of a search index have this size."""

_FLOAT: Final = 4
_ACTIVATIONS: Final = 24
"""Rows of the hidden width that a token has at once in the buffers of a layer: attention, feed-forward, residuals;
twice what was measured with BERT shapes."""
_MASK_BYTES: Final = 6
"""Of one pair of tokens: the attention mask as 32 and as 16 bits."""


class Wish(NamedTuple):
    """What the operator asked for."""

    spec: ModelSpec
    config: LlamaConfig


class PooledSizes(NamedTuple):
    """What the context is created with."""

    context: int
    """Longest input, in tokens."""
    rows: int
    """Most tokens of one call."""
    memory: MemoryEstimate


def load_pooled(
    model: llama.Model, kind: int, wish: Wish, params: PoolingParams, free_bytes: int | None
) -> LlamaPooledRunner:
    """Make a context of *model* and warm it up. Runs guarded.

    Parameters:
        model: Loaded model; owned by the runner that is returned, by the caller if this raises.
        kind: How it pools.
        wish: What the operator asked for.
        params: Threads and types of the context; sizes are set here.
        free_bytes: Memory left beside the weights, or None if unknown.

    Raises:
        ManifestError: A size cannot be.
        ModelLoadError: It does not fit the memory, or llama.cpp cannot compute it.
    """
    spec = wish.spec
    info = describe_pooled(describe(model, spec.path), model, kind)
    sizes = choose_pooled_sizes(wish, model, free_bytes)
    with ExitStack() as undo:
        context = _create_context(model, kind, spec, params, sizes.rows)
        undo.callback(llama.context_free, context)
        limits = RunnerLimits(
            context=min(sizes.context, llama.n_ctx(context)),
            max_sequences=llama.n_seq_max(context),
            kv_tokens=llama.n_ctx(context),
            max_batch_tokens=min(llama.n_batch(context), pooling.n_ubatch(context)),
        )
        runner = LlamaPooledRunner(model, context, msgspec.structs.replace(info, memory=sizes.memory), limits)
        _warm_up(runner, PurePath(spec.path).name)
        undo.pop_all()
    return runner


def choose_pooled_sizes(wish: Wish, model: llama.Model, free_bytes: int | None) -> PooledSizes:
    """How long an input may be, and how many tokens a call may have.

    A call is computed as one micro-batch, since a token of an encoder sees all others: its buffers grow with it.

    Parameters and errors: as ``load_pooled``.
    """
    spec, config = wish
    if spec.kv_tokens != "auto":
        key = f"models.{spec.name}.kv_tokens"
        raise ManifestError(f"{key} must be left out: a pooled model keeps nothing between calls", param=key)
    context = _context(spec, model)

    def sizes() -> PooledSizes:
        rows = max(context, config.batch)
        return PooledSizes(context, rows, _estimate(model, config, rows))

    if spec.context == "auto" and free_bytes is not None:
        while context > CONTEXT_MIN and _beside_weights(sizes()) > free_bytes * KV_SHARE:
            context = max(CONTEXT_MIN, context // 2)
    found = sizes()
    needed = _beside_weights(found)
    if free_bytes is not None and needed > free_bytes:
        raise ModelLoadError(
            f"the model fits, but calls of {found.rows} tokens take {needed / 2**20:,.0f} MiB and"
            f" {free_bytes / 2**20:,.0f} MiB are free; lower models.{spec.name}.context and the option batch"
        )
    return found


def _context(spec: ModelSpec, model: llama.Model) -> int:
    trained = llama.model_n_ctx_train(model)
    if spec.context == "auto":
        return min(trained or AUTO_CONTEXT_MAX, AUTO_CONTEXT_MAX)
    if trained and spec.context > trained:
        if pooling.model_rope_type(model) == pooling.ROPE_NONE and not llama.model_is_recurrent(model):
            key = f"models.{spec.name}.context"
            raise ManifestError(f"{key} must be at most {trained}: the model knows no positions beyond", param=key)
        LOGGER.warning(
            "models.%s.context is %d, but the model was trained for %d: results beyond that get worse",
            spec.name,
            spec.context,
            trained,
        )
    return spec.context


def _beside_weights(sizes: PooledSizes) -> int:
    return sizes.memory.kv + sizes.memory.compute


def _estimate(model: llama.Model, config: LlamaConfig, rows: int) -> MemoryEstimate:
    """llama.cpp keeps room for the logits of every row, and computes those of causal models, though nobody asks."""
    causal = is_causal(model)
    logits = llama.vocab_n_tokens(llama.model_get_vocab(model)) * (2 if causal else 1)
    row = _FLOAT * (logits + _ACTIVATIONS * llama.model_n_embd(model))
    return MemoryEstimate(
        weights=llama.model_size(model),
        kv=int(rows * kv_cell_bytes(model, config.kv_type)) if causal else 0,
        compute=rows * (row + rows * _MASK_BYTES),
    )


def _create_context(model: llama.Model, kind: int, spec: ModelSpec, params: PoolingParams, rows: int) -> llama.Context:
    params.n_ctx = params.n_batch = params.n_ubatch = rows
    params.n_seq_max = spec.max_sequences
    params.kv_unified = True
    params.embeddings = True
    params.pooling_type = kind
    RUNTIME.logs.clear()
    context = llama.init_from_model(model, params)
    if context is None:
        reason = RUNTIME.logs.reason(spec.path)
        said = f" ({reason})" if reason else ""
        raise ModelLoadError(
            f"{PurePath(spec.path).name}: llama.cpp cannot make a context of {rows} tokens{said};"
            f" lower models.{spec.name}.context or change the options"
        )
    return context


def _warm_up(runner: LlamaPooledRunner, file: str) -> None:
    """Compute one input: pages the weights in, and a model that cannot be computed fails here, not in a request."""
    tokens = runner.tokenizer.encode("a", add_bos=True, parse_special=False) or [0]
    batch = Batch(len(tokens))
    batch.add(0, 0, tokens, wants_logits=True, every=True)
    try:
        runner.pool(batch)
        runner.pooled(0)
    except BackendFault as error:
        raise ModelLoadError(f"{file} loads, but llama.cpp cannot compute it: {error.message}") from error
