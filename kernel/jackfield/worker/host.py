"""One model, loaded and served: what a worker process is, without the process."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from jackfield.cache_report import CacheCleared, CacheReport
from jackfield.chat import ChatFormat
from jackfield.errors import ManifestError
from jackfield.manifest import suggestion
from jackfield.model_source import model_spec, slot_folder
from jackfield.worker.constraints import make_engine
from jackfield.worker.scheduling import SchedulerInUse
from jackfield.worker.serving import CachingLoop, Serving, assemble
from jackfield.worker.slot_files import SlotFolder
from jackfield.worker.stores import Caching, open_stores

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from jackfield.cache_report import CacheAnswer
    from jackfield.manifest import Manifest
    from jackfield.plugins import Kernel
    from jackfield.ports.backend import Backend, ModelInfo, Runner, RunnerLimits
    from jackfield.ports.pooled import PooledRunner
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.worker.constraints import NamedConstraintEngine

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread may keep the GIL from the engine loop: a tenth of Python's default, as a step's budget is 0.5
ms."""


class WorkerHost:
    """Loads a model and serves it to gateways.

    Parameters:
        kernel: The enabled plugins.
        model: Key in ``[models]``.

    ``load`` first, then ``run`` in one thread; ``attach``, ``stop`` and ``ask_cache`` from any after that,
    ``reconfigure`` from one of them; ``busy_s`` and ``in_flight`` from any always.
    """

    def __init__(self, kernel: Kernel, model: str) -> None:
        self._kernel = kernel
        self._model = model
        self._scheduler: SchedulerInUse | None = None
        self._serving: Serving | None = None

    def load(self, progress: Callable[[float], None]) -> None:
        """Load the model and make everything ready to ``run``.

        Parameters:
            progress: Called with the fraction loaded, 0.0 to 1.0.

        Raises:
            ManifestError: The manifest asks for a backend or option that does not exist.
            ModelLoadError: The model cannot be loaded.
            PluginError: A plugin broke its contract.
        """
        manifest = self._kernel.manifest
        spec = model_spec(manifest, self._model)
        self._scheduler = SchedulerInUse(self._kernel)
        runner = self._backend()().load(spec, progress)
        shift = manifest.models[self._model].context_shift
        if shift and not _can_shift(runner):
            runner.close()
            raise self._cannot_shift(deterministic=runner.limits.deterministic)
        self._serving = assemble(
            runner,
            self._scheduler.scheduler,
            manifest.kernel.default_max_tokens,
            context_shift=shift,
            constraints=self._constraints(),
            caching=self._caching(runner),
            slot_folder=SlotFolder(slot_folder(manifest, self._model), manifest.models[self._model].slot_limit),
        )

    @property
    def info(self) -> ModelInfo:
        """What was loaded."""
        return self._loaded().runner.info

    @property
    def limits(self) -> RunnerLimits:
        """What it can do."""
        return self._loaded().runner.limits

    @property
    def chat(self) -> ChatFormat | None:
        """How the model takes conversations; None where it takes none."""
        tokenizer = self._loaded().runner.tokenizer
        source = tokenizer.chat_template
        return ChatFormat(source, dict(tokenizer.template_tokens)) if source else None

    @property
    def shapes(self) -> tuple[str, ...]:
        """What answers can be made to look like: kinds of constraints."""
        return self._loaded().shapes

    def attach(self, connection: socket.socket) -> None:
        """Serve one more gateway over *connection*, which is owned from here on."""
        self._loaded().links.attach(connection)

    def run(self) -> None:
        """Serve until ``stop``; then everything is closed.

        Raises:
            PluginError: The scheduler or the constraint engine broke its contract.
        """
        runner, links, loop, intake, _ = self._loaded()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        intake.start()
        links.start(intake.put, loop.wake)
        try:
            loop.run()
        finally:
            sys.setswitchinterval(interval)
            intake.stop()
            links.stop()
            runner.close()

    def stop(self) -> None:
        """End ``run`` after the present step; requests that still run get an error."""
        self._loaded().loop.stop()

    def busy_s(self) -> float:
        """How long the present engine step has been running, in seconds; 0 while idle or not loaded."""
        return self._serving.loop.busy_s() if self._serving is not None else 0.0

    def in_flight(self) -> int:
        """Requests that have not ended, running or waiting; 0 while not loaded."""
        return self._serving.links.in_flight if self._serving is not None else 0

    def ask_cache(self, answer: Callable[[CacheAnswer], None], *, clear: bool) -> None:
        """Have the prefix cache reported on, or cleared; *answer* is told by the loop's thread, between two steps."""
        loop = self._loaded().loop
        if not isinstance(loop, CachingLoop):
            off = "it continues no text"
            answer(CacheCleared(off=off) if clear else CacheReport(off=off))
        elif clear:
            loop.cache_clear(answer)
        else:
            loop.cache_report(answer)

    def reconfigure(self, manifest: Manifest) -> bool:
        """Let a scheduler with the options in *manifest* take over between two steps; no request is disturbed.

        Returns:
            Whether its options have changed.

        Raises:
            JackfieldError: They cannot be used; the old one goes on.
        """
        return self._in_use().reconfigure(manifest)

    @property
    def scheduler(self) -> str:
        """Name of the plugin instance whose scheduler is in use."""
        return self._in_use().plugin

    def _in_use(self) -> SchedulerInUse:
        if self._scheduler is None:
            raise RuntimeError("the model is not loaded yet")
        return self._scheduler

    def _loaded(self) -> Serving:
        if self._serving is None:
            raise RuntimeError("the model is not loaded yet")
        return self._serving

    def _cannot_shift(self, *, deterministic: bool) -> ManifestError:
        key = f"models.{self._model}.context_shift"
        why = "a deterministic model cannot" if deterministic else "this model cannot"
        where = self._kernel.manifest.origin(key)
        return ManifestError(
            f"{where}: {key}: {why} drop the beginning of its context and go on; leave it off", param=key
        )

    def _constraints(self) -> Callable[[Tokenizer], NamedConstraintEngine] | None:
        """Makes the first constraint engine listed; None where no plugin hands one over."""
        for name, factory in self._kernel.constraints().items():
            return partial(make_engine, name, factory)
        return None

    def _caching(self, runner: Runner | PooledRunner) -> Caching:
        """Stores are made only where there is something to put into them."""
        sharing = self._kernel.manifest.models[self._model].prefix_cache
        limits = runner.limits
        if sharing == "off" or limits.reuse == "none":
            return Caching(sharing=sharing)
        return open_stores(self._kernel.kv_stores(), self._model, limits.state_layout, sharing)

    def _backend(self) -> Callable[[], Backend]:
        name = self._kernel.manifest.models[self._model].backend
        backends = self._kernel.backends()
        if name in backends:
            return backends[name]
        key = f"models.{self._model}.backend"
        where = self._kernel.manifest.origin(key)
        raise ManifestError(
            f"{where}: no enabled plugin hands over the backend {name!r}{suggestion(name, tuple(backends))}", param=key
        )


def _can_shift(runner: Runner | PooledRunner) -> bool:
    """Whether answers may go on without their beginning; a deterministic one would depend on when it was preempted."""
    limits = runner.limits
    return limits.can_shift and not limits.deterministic and "generate" in runner.info.tasks
