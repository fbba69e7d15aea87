"""Contexts of models that generate: what they are made with, and what to say if they cannot be."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from jackfield.errors import ModelLoadError
from jackfield.ports.backend import ModelSpec
from jackfield_llama import library as llama
from jackfield_llama.config import LlamaConfig
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.sequences import plan_sequences


class Wish(NamedTuple):
    """What the operator asked for."""

    spec: ModelSpec
    config: LlamaConfig
    threads: int
    """``threads`` with auto resolved."""

    @property
    def file(self) -> str:
        """Base name of the model file."""
        return PurePath(self.spec.path).name


def set_computing(params: llama.ContextParams, wish: Wish) -> None:
    """Set what holds for every kind of context: threads, attention, how keys and values are stored."""
    config = wish.config
    params.n_threads = wish.threads
    params.n_threads_batch = wish.threads if config.threads_batch == "auto" else config.threads_batch
    params.flash_attn_type = llama.FLASH_ATTENTION[False if config.deterministic else config.flash_attention]
    params.type_k = params.type_v = llama.KV_TYPES[config.kv_type]
    params.offload_kqv = params.op_offload = False


def make_context(model: llama.Model, wish: Wish, kv_tokens: int) -> llama.Context:
    """A context of *model* with *kv_tokens* cells; the caller frees it. Runs guarded.

    Raises:
        ModelLoadError: llama.cpp makes none.
    """
    spec, config = wish.spec, wish.config
    params = llama.context_default_params()
    set_computing(params, wish)
    params.n_ctx = kv_tokens
    params.n_seq_max = plan_sequences(model, spec.max_sequences, deterministic=config.deterministic).total
    params.n_batch = max(config.step_tokens(spec.max_sequences), params.n_seq_max)  # less is an assertion
    params.n_ubatch = params.n_batch if config.deterministic else config.ubatch_tokens
    params.kv_unified = not config.deterministic
    params.swa_full = config.deterministic  # else a sliding window keeps its own length only
    RUNTIME.logs.clear()
    context = llama.init_from_model(model, params)
    if context is None:
        reason = RUNTIME.logs.reason(spec.path)
        said = f" ({reason})" if reason else ""
        raise ModelLoadError(
            f"{wish.file}: llama.cpp cannot make a context of {kv_tokens} tokens with kv_type"
            f" {config.kv_type}{said}; lower models.{spec.name}.kv_tokens or change the options"
        )
    if llama.get_memory(context) is None:
        llama.context_free(context)
        raise unservable(wish.file, "a model without memory, which cannot continue a text")
    return context


def unservable(file: str, kind: str) -> ModelLoadError:
    """The error for a model of a *kind* that this backend has no use for."""
    return ModelLoadError(f"{file} is {kind}; this backend serves models that continue, embed, rank or classify text")
