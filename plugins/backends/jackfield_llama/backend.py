"""Loading a GGUF file into a ``Runner``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError, ModelLoadError
from jackfield.ports.backend import Batch, RunnerLimits
from jackfield_llama import library as llama
from jackfield_llama.config import LlamaConfig
from jackfield_llama.guard import AssertionFailed
from jackfield_llama.inspection import inspect_file
from jackfield_llama.machine import Machine
from jackfield_llama.model import describe, open_model, refused
from jackfield_llama.pooled_loading import Wish, load_pooled
from jackfield_llama.pooling import choose_pooling
from jackfield_llama.pooling_library import POOLING_NONE, pooling_default_params
from jackfield_llama.runner import BoundBatch, LlamaRunner
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.sizing import Sizes, choose_sizes, kv_cell_bytes

if TYPE_CHECKING:
    from jackfield.plugins import PluginInstance
    from jackfield.ports.backend import ModelInfo, ModelSpec, PooledRunner, Progress, Runner
    from jackfield_llama.guard import Report
    from jackfield_llama.pooled import LlamaPooledRunner

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
        """See ``jackfield.ports.backend.Backend``."""
        self._instance.config(LlamaConfig, spec.options, key=f"models.{spec.name}.options")
        return inspect_file(spec.path)

    def load(self, spec: ModelSpec, progress: Progress) -> Runner | PooledRunner:
        """See ``jackfield.ports.backend.Backend``. Works in a thread of its own; *progress* is called in this one."""
        config = self._instance.config(LlamaConfig, spec.options, key=f"models.{spec.name}.options")
        if spec.max_sequences > llama.max_parallel_sequences():
            key = f"models.{spec.name}.max_sequences"
            raise ManifestError(f"{key} must be at most {llama.max_parallel_sequences()}", param=key)
        RUNTIME.start()
        loading = _Loading(spec, config, self._machine)
        try:
            return RUNTIME.guard.run_guarded(loading.run, progress)
        except AssertionFailed as error:
            raise refused(PurePath(spec.path).name, f"llama.cpp gave up on it ({error})") from error


class _Loading:
    """One load, with what must be freed if it fails."""

    def __init__(self, spec: ModelSpec, config: LlamaConfig, machine: Machine) -> None:
        self._spec = spec
        self._config = config
        self._machine = machine
        self._name = PurePath(spec.path).name

    def run(self, report: Report) -> Runner | PooledRunner:
        memory = self._machine.available_memory()
        with ExitStack() as undo:
            model = open_model(self._spec.path, self._model_params(), lambda part: report(part * WEIGHTS_SHARE))
            undo.callback(llama.model_free, model)
            self._refuse_unservable(model)
            room = None if memory is None else max(0, memory - llama.model_size(model))
            kind = choose_pooling(model, self._config.pooling, self._name)
            runner = self._generating(model, room) if kind == POOLING_NONE else self._pooled(model, kind, room)
            undo.pop_all()
        report(1.0)
        return runner

    def _generating(self, model: llama.Model, room: int | None) -> LlamaRunner:
        cell_bytes = kv_cell_bytes(model, self._config.kv_type)
        sizes = choose_sizes(self._spec, llama.model_n_ctx_train(model), cell_bytes, room)
        with ExitStack() as undo:
            context = self._create_context(model, sizes)
            undo.callback(llama.context_free, context)
            self._warm_up(context)
            runner = LlamaRunner(model, context, describe(model, self._spec.path), self._limits(context, sizes))
            undo.pop_all()
        return runner

    def _pooled(self, model: llama.Model, kind: int, room: int | None) -> LlamaPooledRunner:
        params = pooling_default_params()
        self._set_computing(params)
        return load_pooled(model, kind, Wish(self._spec, self._config), params, room)

    def _model_params(self) -> llama.ModelParams:
        params = llama.model_default_params()
        params.n_gpu_layers = 0
        params.load_mode = {
            (True, True): llama.LoadMode.MMAP_MLOCK,
            (True, False): llama.LoadMode.MMAP,
            (False, True): llama.LoadMode.MLOCK,
            (False, False): llama.LoadMode.READ,
        }[self._config.mmap, self._config.mlock]
        return params

    def _refuse_unservable(self, model: llama.Model) -> None:
        kind = None
        if llama.model_has_encoder(model) and llama.model_has_decoder(model):
            kind = "a model with encoder and decoder"
        elif llama.model_is_diffusion(model):
            kind = "a diffusion model"
        elif llama.vocab_type(llama.model_get_vocab(model)) == llama.VOCABULARY_NONE:
            kind = "a model without a tokenizer"
        if kind is not None:
            raise self._unservable(kind)

    def _unservable(self, kind: str) -> ModelLoadError:
        return ModelLoadError(
            f"{self._name} is {kind}; this backend serves models that continue, embed, rank or classify text"
        )

    def _create_context(self, model: llama.Model, sizes: Sizes) -> llama.Context:
        params = llama.context_default_params()
        self._set_computing(params)
        params.n_ctx = sizes.kv_tokens
        params.n_batch = max(self._config.batch, self._spec.max_sequences)  # one step must be able to serve all
        params.n_ubatch = self._config.ubatch_tokens
        params.n_seq_max = self._spec.max_sequences
        params.kv_unified = True
        RUNTIME.logs.clear()
        context = llama.init_from_model(model, params)
        if context is None:
            raise self._no_context(sizes)
        if llama.get_memory(context) is None:
            llama.context_free(context)
            raise self._unservable("a model without memory, which cannot continue a text")
        return context

    def _set_computing(self, params: llama.ContextParams) -> None:
        """What holds for every kind of context: threads, attention, how keys and values are stored."""
        config, threads = self._config, self._threads()
        params.n_threads = threads
        params.n_threads_batch = threads if config.threads_batch == "auto" else config.threads_batch
        params.flash_attn_type = llama.FLASH_ATTENTION[config.flash_attention]
        params.type_k = params.type_v = llama.KV_TYPES[config.kv_type]
        params.offload_kqv = params.op_offload = False

    def _no_context(self, sizes: Sizes) -> ModelLoadError:
        reason = RUNTIME.logs.reason(self._spec.path)
        said = f" ({reason})" if reason else ""
        return ModelLoadError(
            f"{self._name}: llama.cpp cannot make a context of {sizes.kv_tokens} tokens with kv_type"
            f" {self._config.kv_type}{said}; lower models.{self._spec.name}.kv_tokens or change the options"
        )

    def _threads(self) -> int:
        return self._machine.auto_threads() if self._config.threads == "auto" else self._config.threads

    def _warm_up(self, context: llama.Context) -> None:
        """Compute one token: pages the weights in, and a model that cannot be computed fails here, not in a request."""
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
        if code != 0:
            raise ModelLoadError(f"{self._name} loads, but llama.cpp cannot compute it (code {code})")

    def _limits(self, context: llama.Context, sizes: Sizes) -> RunnerLimits:
        cells = llama.n_ctx(context)
        return RunnerLimits(
            context=min(sizes.context, cells),
            max_sequences=llama.n_seq_max(context),
            kv_tokens=cells,
            max_batch_tokens=llama.n_batch(context),
        )
