"""Loading a GGUF file into a ``Runner``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError, ModelLoadError
from jackfield.ports.backend import Batch, RunnerLimits
from jackfield_llama import library as llama
from jackfield_llama.config import QUANTISED, LlamaConfig
from jackfield_llama.contexts import Wish, make_context
from jackfield_llama.layout import state_layout, tile_rows
from jackfield_llama.machine import Machine
from jackfield_llama.model import open_model
from jackfield_llama.paired import PairedRunner
from jackfield_llama.planning import Plan, guarded, make_plan
from jackfield_llama.pooled_loading import load_pooled
from jackfield_llama.pooling_library import POOLING_NONE
from jackfield_llama.remembering import RememberingRunner
from jackfield_llama.reusable import ReusableLlamaRunner
from jackfield_llama.runner import BoundBatch
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.sequences import plan_sequences
from jackfield_llama.sizing import require_fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.plugin_instance import PluginInstance
    from jackfield.ports.backend import ModelInfo, ModelSpec, Progress, Runner
    from jackfield.ports.pooled import PooledRunner
    from jackfield_llama.guard import Report

WEIGHTS_SHARE: Final = 0.95
"""Part of the loading progress that reading the weights stands for; the rest is the context and a first computation."""


class LlamaBackend:
    """See ``jackfield.ports.backend.Backend``.

    Parameters:
        instance: The plugin instance whose ``[config.…]`` table holds the options.
        machine: What may be used of the machine.
    """

    def __init__(self, instance: PluginInstance, machine: Machine | None = None) -> None:
        self._instance = instance
        self._machine = machine or Machine()

    def inspect(self, spec: ModelSpec) -> ModelInfo:
        """See ``jackfield.ports.backend.Backend``. Takes as long as reading the vocabulary: 0.3 s for 152 k tokens."""
        wish = self._wish(spec)
        free = self._machine.available_memory()
        return guarded(wish.file, lambda _report: make_plan(wish, free).info, _unseen)

    def load(self, spec: ModelSpec, progress: Progress) -> Runner | PooledRunner:
        """See ``jackfield.ports.backend.Backend``. Works in a thread of its own; *progress* is called in this one."""
        wish = self._wish(spec)
        free, huge_pages = self._machine.available_memory(), self._machine.huge_pages()
        return guarded(wish.file, lambda report: _load(wish, free, report, huge_pages=huge_pages), progress)

    def _wish(self, spec: ModelSpec) -> Wish:
        config = self._instance.config(LlamaConfig, spec.options, key=f"models.{spec.name}.options")
        if spec.max_sequences > llama.max_parallel_sequences():
            key = f"models.{spec.name}.max_sequences"
            raise ManifestError(f"{key} must be at most {llama.max_parallel_sequences()}", param=key)
        threads = self._machine.auto_threads() if config.threads == "auto" else config.threads
        return Wish(spec, config, threads)


def _load(wish: Wish, free: int | None, report: Report, *, huge_pages: bool) -> Runner | PooledRunner:
    plan = make_plan(wish, free)
    if free is not None and wish.config.memory_check:
        require_fit(wish.spec, plan.memory, free)
    fits = free is not None and plan.memory.total <= free
    params = _model_params(wish.config, reads=huge_pages and fits)
    with ExitStack() as undo:
        model = open_model(wish.spec.path, params, lambda part: report(part * WEIGHTS_SHARE))
        undo.callback(llama.model_free, model)
        make = _generating if plan.pooling == POOLING_NONE else load_pooled
        runner = make(model, wish, plan)
        undo.pop_all()
    report(1.0)
    return runner


def _generating(model: llama.Model, wish: Wish, plan: Plan) -> ReusableLlamaRunner:
    with ExitStack() as undo:
        with RUNTIME.logs.listening() as said:
            context = make_context(model, wish, plan.sizes.kv_tokens)
        undo.callback(llama.context_free, context)
        _warm_up(context, wish.file)
        limits = _limits(model, context, wish, plan, said)
        runner = _kind(limits)(model, context, plan.info, limits)
        undo.pop_all()
    return runner


def _kind(limits: RunnerLimits) -> type[ReusableLlamaRunner]:
    if limits.deterministic:
        return PairedRunner
    return RememberingRunner if limits.reuse == "checkpoints" else ReusableLlamaRunner


def _model_params(config: LlamaConfig, *, reads: bool) -> llama.ModelParams:
    """How the file is loaded; *reads* says whether ``mmap = "auto"`` reads it."""
    params = llama.model_default_params()
    params.n_gpu_layers = 0
    # repacked weights have other kernels for every fourth row
    params.use_extra_bufts = not config.deterministic and not llama.has_tiles()
    params.load_mode = {
        (True, True): llama.LoadMode.MMAP_MLOCK,
        (True, False): llama.LoadMode.MMAP,
        (False, True): llama.LoadMode.MLOCK,
        (False, False): llama.LoadMode.READ,
    }[not reads if config.mmap == "auto" else config.mmap, config.mlock]
    return params


def _warm_up(context: llama.Context, file: str) -> None:
    """Compute one token: pages the weights in, and a model that cannot be computed fails here, not in a request.

    Warming up computes all experts of a mixture, and llama.cpp would use the same graph again for a first request of
    one token: a step without output, which has another graph, makes it forget.
    """
    batch = Batch(1)
    batch.add(0, 0, [0], wants_logits=True)
    bound = BoundBatch(batch)
    bound.struct.n_tokens = 1
    memory = llama.get_memory(context)
    if memory is None:
        raise AssertionError("contexts without memory are refused")
    llama.set_warmup(context, True)
    code = llama.decode(context, bound.struct)
    llama.set_warmup(context, False)
    llama.memory_clear(memory, True)
    if code == 0:
        batch.wants_logits[0] = 0
        code = llama.decode(context, bound.struct)
        llama.memory_clear(memory, True)
    if code != 0:
        raise ModelLoadError(f"{file} loads, but llama.cpp cannot compute it (code {code})")


def _limits(model: llama.Model, context: llama.Context, wish: Wish, plan: Plan, said: Sequence[str]) -> RunnerLimits:
    """What the runner can do; *said* is what llama.cpp logged when it made *context*."""
    sequences = plan_sequences(model, wish.spec.max_sequences, deterministic=wish.config.deterministic)
    if llama.n_seq_max(context) != sequences.total:
        raise ModelLoadError(f"{wish.file}: llama.cpp gave {llama.n_seq_max(context)} sequences, not {sequences.total}")
    return RunnerLimits(
        context=min(plan.sizes.context, llama.n_ctx_seq(context)),
        max_sequences=wish.spec.max_sequences,
        kv_tokens=llama.n_ctx(context),
        max_batch_tokens=wish.config.step_tokens(wish.spec.max_sequences),
        deterministic=wish.config.deterministic,
        can_shift=_can_shift(model, context, wish.config),
        spare_sequences=sequences.spare,
        reuse=sequences.reuse,
        tile_rows=tile_rows(wish.config, said),
        state_layout=state_layout(wish, sequences.total, said),
    )


def _can_shift(model: llama.Model, context: llama.Context, config: LlamaConfig) -> bool:
    """Whether a shift is right; llama.cpp says yes to more.

    A sequence that was shifted has other keys and values than its tokens computed anew, so nothing deterministic can be
    shifted. Of a state that was folded together nothing can be taken out, a sliding window has forgotten what a shift
    would move back into it, and with quantised keys a shift crashes where heads are no multiple of 64 (0.3.36: the
    rotation that ``build_rope_shift`` undoes is not there).
    """
    folded = llama.model_is_recurrent(model) or llama.model_is_hybrid(model)
    memory = llama.get_memory(context)
    unfit = config.deterministic or config.kv_type in QUANTISED
    if unfit or folded or llama.model_n_swa(model) or memory is None:
        return False
    return llama.memory_can_shift(memory)


def _unseen(_fraction: float) -> None:
    """Nobody watches the progress of something this short."""
