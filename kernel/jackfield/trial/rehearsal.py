"""Everything a start makes of the plugins, short of listening and loading: what is wrong shows here first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jackfield.errors import ManifestError, PluginError
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import suggestion
from jackfield.model_source import model_spec
from jackfield.plugins import build_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.manifest import Manifest
    from jackfield.plugin_calls import PluginCalls
    from jackfield.plugins import Kernel
    from jackfield.ports.backend import Backend, ModelInfo


def rehearsed(manifest: Manifest, calls: PluginCalls | None = None) -> Sequence[str]:
    """Load the plugins and make gateway and schedulers; the names of the instances.

    Parameters:
        manifest: What is enabled, and how.
        calls: What is watched over, so that a plugin that hangs is named.

    Raises:
        ManifestError: An option or a model cannot be used as it is.
        PluginError: A plugin does not do what it should.
    """
    kernel = build_kernel(manifest, calls)
    _check_models(kernel)
    GatewayServer(kernel, started=0)
    for name, factory in kernel.schedulers().items():
        scheduler = factory()
        if not callable(getattr(scheduler, "plan", None)):
            raise PluginError(f"scheduler {name}: its factory made {type(scheduler).__name__}, which has no plan()")
    return [instance.name for instance in kernel.instances]


def inspected(manifest: Manifest, model: str, calls: PluginCalls) -> ModelInfo:
    """What *model* is, as its backend says without loading its weights.

    Raises:
        ManifestError: No plugin has its backend, or an option cannot be used.
        ModelLoadError: Its file is missing, damaged or of an unknown kind.
    """
    kernel = build_kernel(manifest, calls)
    kernel.startup("worker")
    return backend_of(kernel, model).inspect(model_spec(manifest, model))


def _check_models(kernel: Kernel) -> None:
    """Every model has a backend, a file and options that fit."""
    manifest, owners, structs = kernel.manifest, kernel.backend_owners(), kernel.config_structs()
    for name, model in manifest.models.items():
        if model.backend not in owners:
            raise _no_backend(manifest, name, tuple(owners))
        if not Path(model_spec(manifest, name).path).exists():
            key = f"models.{name}.source"
            raise ManifestError(f"{manifest.origin(key)}: {key}: there is no file {model.source}", param=key)
        owner = owners[model.backend]
        if owner.name in structs:
            owner.config(structs[owner.name], model.options, key=f"models.{name}.options")


def _no_backend(manifest: Manifest, model: str, known: tuple[str, ...]) -> ManifestError:
    key, name = f"models.{model}.backend", manifest.models[model].backend
    hint = suggestion(name, known)
    return ManifestError(f"{manifest.origin(key)}: {key}: no enabled plugin has the backend {name}{hint}", param=key)


def backend_of(kernel: Kernel, model: str) -> Backend:
    """The backend that ``[models.NAME]`` asks for."""
    name = kernel.manifest.models[model].backend
    backends = kernel.backends()
    if name not in backends:
        raise _no_backend(kernel.manifest, model, tuple(backends))
    return backends[name]()
