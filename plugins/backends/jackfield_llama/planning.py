"""What a model is and what it would take, found out before its weights are read."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from jackfield.errors import ManifestError
from jackfield.ports.backend import MemoryEstimate, ModelInfo
from jackfield_llama import library as llama
from jackfield_llama.contexts import make_context, unservable
from jackfield_llama.guard import AssertionFailed
from jackfield_llama.measuring import measure
from jackfield_llama.model import describe, open_model, refused
from jackfield_llama.pooled_loading import plan_pooled
from jackfield_llama.pooling import choose_pooling, describe_uses
from jackfield_llama.pooling_library import POOLING_NONE
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.sizing import Model, Sizes, choose_sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield_llama.contexts import Wish
    from jackfield_llama.guard import Report

T = TypeVar("T")


LEARNED_POSITIONS: Final = frozenset(("bert", "gpt2", "mpt", "starcoder"))
"""Architectures that have, or may have, a table of positions instead of rotary ones (``LLM_TENSOR_POS_EMBD``)."""


class Plan(NamedTuple):
    """How a model will be loaded."""

    info: ModelInfo
    """With ``memory``."""
    memory: MemoryEstimate
    pooling: int
    """``llama_pooling_type``; none for a model that continues text."""
    sizes: Sizes


def inspect_file(path: str) -> ModelInfo:
    """What the file at *path* is, whatever it could be used for.

    Raises:
        ModelLoadError: It is no GGUF file, or a damaged one.
    """

    def read(_report: object) -> ModelInfo:
        model = _open(path)
        try:
            return describe_uses(describe(model, path), model)
        finally:
            llama.model_free(model)

    return guarded(PurePath(path).name, read, _unseen)


def guarded(file: str, work: Callable[[Report], T], progress: Report) -> T:
    """Run *work*, which may fail an assertion of llama.cpp's over the model *file*; see ``AbortGuard.run_guarded``.

    Raises:
        ModelLoadError: It did.
    """
    RUNTIME.start()
    try:
        return RUNTIME.guard.run_guarded(work, progress)
    except AssertionFailed as error:
        raise refused(file, f"llama.cpp gave up on it ({error})") from error


def make_plan(wish: Wish, free: int | None) -> Plan:
    """Read the file's metadata and vocabulary, choose sizes, and measure what they take. Runs guarded.

    Parameters:
        wish: What the operator asked for.
        free: Memory that can be taken, in bytes; None if unknown. Only automatic sizes depend on it.

    Raises:
        ModelLoadError: The file is not there, damaged or of an unknown kind, or the options do not fit it.
        ManifestError: A size cannot be.
    """
    model = _open(wish.spec.path)
    try:
        return _plan(model, wish, free)
    finally:
        llama.model_free(model)


def _open(path: str) -> llama.Model:
    params = llama.model_default_params()
    params.no_alloc = True
    params.load_mode = llama.LoadMode.READ  # nothing is read, but mapping without memory is an assertion
    return open_model(path, params, _unseen)


def _plan(model: llama.Model, wish: Wish, free: int | None) -> Plan:
    _refuse_unservable(model, wish.file)
    _require_positions(model, wish)
    weights = llama.model_size(model)
    room = None if free is None else max(0, free - weights)
    info = describe(model, wish.spec.path)
    pooling = choose_pooling(model, wish.config.pooling, wish.file)
    if pooling == POOLING_NONE:
        asked = Model(
            trained=llama.model_n_ctx_train(model),
            room=room,
            measure=lambda tokens: measure(lambda size: make_context(model, wish, size), tokens),
            split=wish.config.deterministic,
        )
        if wish.config.deterministic:
            _require_plain_memory(model, wish)
        sizes = choose_sizes(wish.spec, asked)
        buffers = asked.measure(sizes.kv_tokens)
    else:
        info, sizes, buffers = plan_pooled(model, info, pooling, wish, room)
    memory = MemoryEstimate(weights=weights, kv=buffers.kv, compute=buffers.compute)
    return Plan(msgspec.structs.replace(info, memory=memory), memory, pooling, sizes)


def _require_plain_memory(model: llama.Model, wish: Wish) -> None:
    if llama.model_is_recurrent(model) or llama.model_is_hybrid(model):
        key = f"models.{wish.spec.name}.options.deterministic"
        raise ManifestError(f"{key} cannot be had of {wish.file}: its state depends on how steps are cut", param=key)


def _refuse_unservable(model: llama.Model, file: str) -> None:
    if llama.model_has_encoder(model) and llama.model_has_decoder(model):
        raise unservable(file, "a model with encoder and decoder")
    if llama.model_is_diffusion(model):
        raise unservable(file, "a diffusion model")
    if llama.vocab_type(llama.model_get_vocab(model)) == llama.VOCABULARY_NONE:
        raise unservable(file, "a model without a tokenizer")


def _require_positions(model: llama.Model, wish: Wish) -> None:
    """Learned positions end where training ended, and llama.cpp aborts the process on the next one."""
    trained, context = llama.model_n_ctx_train(model), wish.spec.context
    architecture = llama.model_metadata(model, "general.architecture")
    if architecture in LEARNED_POSITIONS and context != "auto" and context > trained:
        key = f"models.{wish.spec.name}.context"
        raise ManifestError(f"{key} must be at most {trained}: the model knows no positions beyond", param=key)


def _unseen(_fraction: float) -> None:
    """Nobody watches the progress of something this short."""
