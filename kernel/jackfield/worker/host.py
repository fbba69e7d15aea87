"""One model, loaded and served: what a worker process is, without the process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import JackfieldError, ManifestError, PluginError
from jackfield.manifest import suggestion
from jackfield.model_source import resolve_source
from jackfield.ports.backend import ModelSpec, Runner
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.foreign import NamedScheduler
from jackfield.worker.intake import Intake, Preparation
from jackfield.worker.links import GatewayLinks

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from jackfield.plugins import Kernel
    from jackfield.ports.backend import Backend, ModelInfo, RunnerLimits
    from jackfield.ports.scheduler import Scheduler

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread may keep the GIL from the engine loop: a tenth of Python's default, as a step's budget is 0.5
ms."""


class _Serving(NamedTuple):
    """What exists once the model is loaded."""

    runner: Runner
    links: GatewayLinks
    engine: EngineLoop
    intake: Intake


class WorkerHost:
    """Loads a model and serves it to gateways.

    Parameters:
        kernel: The enabled plugins.
        model: Key in ``[models]``.

    ``load`` first, then ``run`` in one thread; ``attach`` and ``stop`` from any after that, ``busy_s`` and
    ``in_flight`` from any always.
    """

    def __init__(self, kernel: Kernel, model: str) -> None:
        self._kernel = kernel
        self._model = model
        self._serving: _Serving | None = None

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
        spec = self._spec()
        scheduler = self._scheduler()
        runner = self._backend()().load(spec, progress)
        preparation = Preparation(runner, manifest.kernel.default_max_tokens)
        links = GatewayLinks()
        engine = EngineLoop(runner, scheduler, links.flush, links.broadcast)
        self._serving = _Serving(runner, links, engine, Intake(preparation, engine.submit))

    @property
    def info(self) -> ModelInfo:
        """What was loaded."""
        return self._loaded().runner.info

    @property
    def limits(self) -> RunnerLimits:
        """What it can do."""
        return self._loaded().runner.limits

    def attach(self, connection: socket.socket) -> None:
        """Serve one more gateway over *connection*, which is owned from here on."""
        self._loaded().links.attach(connection)

    def run(self) -> None:
        """Serve until ``stop``; then everything is closed.

        Raises:
            PluginError: The scheduler broke its contract.
        """
        runner, links, engine, intake = self._loaded()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        intake.start()
        links.start(intake.put, engine.wake)
        try:
            engine.run()
        finally:
            sys.setswitchinterval(interval)
            intake.stop()
            links.stop()
            runner.close()

    def stop(self) -> None:
        """End ``run`` after the present step; requests that still run get an error."""
        self._loaded().engine.stop()

    def busy_s(self) -> float:
        """How long the present engine step has been running, in seconds; 0 while idle or not loaded."""
        return self._serving.engine.busy_s() if self._serving is not None else 0.0

    def in_flight(self) -> int:
        """Requests that have not ended, running or waiting; 0 while not loaded."""
        return self._serving.links.in_flight if self._serving is not None else 0

    def _loaded(self) -> _Serving:
        if self._serving is None:
            raise RuntimeError("the model is not loaded yet")
        return self._serving

    def _spec(self) -> ModelSpec:
        manifest = self._kernel.manifest
        config = manifest.models[self._model]
        base = Path(manifest.file).parent if manifest.file else Path.cwd()
        return ModelSpec(
            name=self._model,
            path=str(resolve_source(config.source, base)),
            context=config.context,
            max_sequences=config.max_sequences,
            kv_tokens=config.kv_tokens,
            options=config.options,
        )

    def _scheduler(self) -> Scheduler:
        name, factory = next(iter(self._kernel.schedulers().items()))
        try:
            scheduler = factory()
        except JackfieldError:
            raise
        except Exception as error:
            raise PluginError(f"scheduler {name}: its factory raised {type(error).__name__}: {error}") from error
        if not callable(getattr(scheduler, "plan", None)):
            raise PluginError(f"scheduler {name}: its factory made {type(scheduler).__name__}, which has no plan()")
        return NamedScheduler(name, scheduler)

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
