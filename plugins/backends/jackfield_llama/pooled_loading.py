"""From a loaded model that reads whole inputs to a ``PooledRunner``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from jackfield.errors import BackendFault, ManifestError, ModelLoadError
from jackfield.ports.backend import RunnerLimits
from jackfield_llama import library as llama
from jackfield_llama import pooling_library as pooling
from jackfield_llama.contexts import set_computing
from jackfield_llama.measuring import Buffers, measure
from jackfield_llama.pooled import LlamaPooledRunner
from jackfield_llama.pooling import describe_pooled
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.sizing import CONTEXT_MIN, KV_SHARE, Sizes, choose_context

if TYPE_CHECKING:
    from jackfield.ports.backend import ModelInfo
    from jackfield_llama.contexts import Wish
    from jackfield_llama.planning import Plan

INPUTS_TOKENS: Final = 256
"""Tokens of several inputs that are computed in one go with ``ubatch = "auto"``: as fast as any number from 64 on, and
more than 512 are slower, for a small Llama and for BERT of MiniLM's shape with inputs of 8, 32 and 128 tokens."""

_FLOAT_BYTES: Final = 4


def plan_pooled(
    model: llama.Model, info: ModelInfo, kind: int, wish: Wish, room: int | None
) -> tuple[ModelInfo, Sizes, Buffers]:
    """What *model* is good for, how long its inputs may be, and what that takes. Runs guarded.

    An input is computed as one micro-batch, since a token of an encoder sees all others: buffers grow with it.

    Parameters:
        model: A model without its weights.
        info: What the file says.
        kind: How it pools; not none.
        wish: What the operator asked for.
        room: Memory left beside the weights, in bytes; None if unknown. Only an automatic context depends on it.

    Returns:
        *info* with the model's task; the longest input, and the tokens of a micro-batch in the place of cells; buffers.

    Raises:
        ManifestError: A size cannot be.
        ModelLoadError: llama.cpp makes no such context.
    """
    spec = wish.spec
    if spec.kv_tokens != "auto":
        key = f"models.{spec.name}.kv_tokens"
        raise ManifestError(f"{key} must be left out: a pooled model keeps nothing between calls", param=key)
    context = choose_context(spec, llama.model_n_ctx_train(model))
    sizes = _sizes(wish, context)
    buffers = _measured(model, kind, wish, sizes)
    while spec.context == "auto" and room is not None and buffers.total > room * KV_SHARE and context > CONTEXT_MIN:
        context = max(CONTEXT_MIN, context // 2)
        sizes = _sizes(wish, context)
        buffers = _measured(model, kind, wish, sizes)
    return describe_pooled(info, model, kind), sizes, buffers


def load_pooled(model: llama.Model, wish: Wish, plan: Plan) -> LlamaPooledRunner:
    """Make a context of *model* and warm it up. Runs guarded.

    Parameters:
        model: Loaded model; owned by the runner that is returned, by the caller if this raises.
        wish: What the operator asked for.
        plan: What was found out about the model.

    Raises:
        ModelLoadError: llama.cpp cannot compute it.
    """
    with ExitStack() as undo:
        context = _make_context(model, plan.pooling, wish, plan.sizes.kv_tokens)
        undo.callback(llama.context_free, context)
        config = wish.config
        most = min(llama.n_ctx(context), llama.n_batch(context), pooling.n_ubatch(context))
        longest = min(plan.sizes.context, most)
        limits = RunnerLimits(
            context=longest,
            max_sequences=llama.n_seq_max(context),
            kv_tokens=0,
            max_batch_tokens=longest if config.deterministic else max(longest, config.batch),
            deterministic=config.deterministic,
        )
        runner = LlamaPooledRunner(model, context, plan.info, limits, min(most, _together(wish)))
        try:
            runner.warm_up()  # what cannot be computed fails here, not in a request
        except BackendFault as error:
            raise ModelLoadError(f"{wish.file} loads, but llama.cpp cannot compute it: {error.message}") from error
        undo.pop_all()
    return runner


def _sizes(wish: Wish, context: int) -> Sizes:
    return Sizes(context, max(context, _together(wish)))


def _together(wish: Wish) -> int:
    """Most tokens of several inputs that are computed in one go."""
    config = wish.config
    return min(INPUTS_TOKENS, config.batch) if config.ubatch == "auto" else config.ubatch


def _measured(model: llama.Model, kind: int, wish: Wish, sizes: Sizes) -> Buffers:
    """llama.cpp also keeps room for logits and hidden states of every row, which it takes when it runs."""
    rows = sizes.kv_tokens
    found = measure(lambda tokens: _make_context(model, kind, wish, tokens), rows)
    row = llama.vocab_n_tokens(llama.model_get_vocab(model)) + pooling.model_n_embd_out(model)
    return Buffers(found.kv, found.compute + rows * row * _FLOAT_BYTES)


def _make_context(model: llama.Model, kind: int, wish: Wish, rows: int) -> llama.Context:
    spec, config = wish.spec, wish.config
    params = pooling.pooling_default_params()
    set_computing(params, wish)
    params.n_ctx = params.n_batch = params.n_ubatch = rows
    params.n_seq_max = 1 if config.deterministic else spec.max_sequences  # company changes the last digits
    params.kv_unified = True
    params.swa_full = False  # a call is computed in one go: what lies outside the window is never asked for again
    params.embeddings = True
    params.pooling_type = kind
    RUNTIME.logs.clear()
    context = llama.init_from_model(model, params)
    if context is None:
        reason = RUNTIME.logs.reason(spec.path)
        said = f" ({reason})" if reason else ""
        raise ModelLoadError(
            f"{wish.file}: llama.cpp cannot make a context of {rows} tokens{said};"
            f" lower models.{spec.name}.context or change the options"
        )
    return context
