"""Discovery, order, blocking before import, and a typed facade over pluggy.

A plugin is a module (usually ``__init__.py`` of a package) with hook implementations. ``build_kernel`` loads exactly
the names in ``enabled``: a plugin that is not listed is never imported. One plugin may run as several instances, each
with its own ``[config.NAME]`` table; an instance is the module's hooks under another name.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import pluggy

from jackfield import hookspecs
from jackfield.errors import ManifestError, PluginError
from jackfield.hookspecs import PROJECT, ProcessKind
from jackfield.manifest import DEFAULT_SCHEDULER, InstanceRef, Manifest, Table, Where, decode_table, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from jackfield.ports.backend import BackendFactory
    from jackfield.ports.frontend import FrontendFactory
    from jackfield.ports.observer import ObserverFactory
    from jackfield.ports.scheduler import SchedulerFactory

GROUP: Final = "jackfield.plugins"
"""Entry-point group of plugins."""

API_VERSION: Final = (0, 1)
"""Version of hooks and ports. A plugin may state ``JACKFIELD_API = (0, 1)``; the first number must be ours, and the
second at most ours."""

T = TypeVar("T", bound=msgspec.Struct)


class HookSet:
    """A module's functions under an identity of their own, so that pluggy can register one plugin several times."""

    def __init__(self, module: ModuleType) -> None:
        vars(self).update(inspect.getmembers(module, inspect.isfunction))


class PluginInstance:
    """One enabled plugin, with its name and configuration. Every hook gets it.

    Attributes:
        name: Name of the instance; usual name of what it hands over.
        plugin: Entry-point name it was loaded from (``llama-cpu``), or a path.
        distribution: ``"jackfield 0.1.0"``, or the file it came from.
        defaulted: Whether nobody asked for it: the packaged default filled a socket that must not stay empty.
    """

    __slots__ = ("_hooks", "_table", "_where", "defaulted", "distribution", "name", "plugin")

    def __init__(self, ref: InstanceRef, distribution: str, hooks: HookSet, table: Table, where: Where) -> None:
        self.name = ref.name
        self.plugin = ref.plugin
        self.defaulted = ref.defaulted
        self.distribution = distribution
        self._hooks = hooks
        self._table = table
        self._where = where

    def config(self, struct: type[T], overrides: Table | None = None, *, key: str | None = None) -> T:
        """This instance's ``[config.NAME]`` table.

        Parameters:
            struct: The Struct that ``jackfield_config`` declares.
            overrides: Keys that replace those of the table, such as ``[models.NAME.options]``.
            key: Key path of *overrides*, for messages.

        Raises:
            ManifestError: A key is unknown, or a value does not fit.
        """
        own = f"config.{self.name}"
        config = decode_table(self._table, struct, own, self._where)
        if not overrides:
            return config
        return decode_table({**self._table, **overrides}, struct, key or own, self._where)

    def __repr__(self) -> str:
        return f"<plugin {self.name} from {self.distribution}>"


class Kernel:
    """The enabled plugins, frozen. Made by ``build_kernel``; one process may hold several.

    One typed method per hook; each calls the hook instance by instance, in manifest order, and attributes what goes
    wrong to its plugin.
    """

    def __init__(self, manifest: Manifest, manager: pluggy.PluginManager, instances: Sequence[PluginInstance]) -> None:
        self.manifest = manifest
        self.instances: Final = tuple(instances)
        self._manager = manager

    def config_structs(self) -> Mapping[str, type[msgspec.Struct]]:
        """Declared option Structs by instance name."""
        structs: dict[str, type[msgspec.Struct]] = {}
        for instance in self.instances:
            for struct in self._ask(instance, "jackfield_config", type):
                if not issubclass(struct, msgspec.Struct):
                    raise PluginError(
                        f"plugin {instance.name}: jackfield_config returned {struct.__name__}, not a msgspec.Struct"
                    )
                structs[instance.name] = struct
        return structs

    def backends(self) -> Mapping[str, BackendFactory]:
        """Backend factories by name."""
        return self._unite("jackfield_backends")

    def backend_owners(self) -> Mapping[str, PluginInstance]:
        """Which instance hands over each backend: the one whose options ``[models.NAME.options]`` overrides."""
        return {name: owner for name, (owner, _) in self._collect("jackfield_backends").items()}

    def schedulers(self) -> Mapping[str, SchedulerFactory]:
        """Scheduler factories by name, in manifest order."""
        return self._unite("jackfield_schedulers")

    def frontends(self) -> Mapping[str, FrontendFactory]:
        """Frontend factories by name, in manifest order."""
        return self._unite("jackfield_frontends")

    def observers(self) -> Mapping[str, ObserverFactory]:
        """Observer factories by name, in manifest order."""
        return self._unite("jackfield_observers")

    def commands(self) -> Sequence[tuple[PluginInstance, click.Command]]:
        """Commands with their owners, in manifest order."""
        found: list[tuple[PluginInstance, click.Command]] = []
        for instance in self.instances:
            for commands in self._ask(instance, "jackfield_commands", Sequence):
                found += [(instance, _checked_command(instance, command)) for command in commands]
        return found

    def startup(self, process: ProcessKind) -> None:
        """Call ``jackfield_startup``, first listed first."""
        for instance in self.instances:
            self._call(instance, "jackfield_startup", process=process)

    def shutdown(self, process: ProcessKind, report: Callable[[PluginError], None]) -> None:
        """Call ``jackfield_shutdown``, last listed first; failures go to *report* and stop nothing."""
        for instance in reversed(self.instances):
            try:
                self._call(instance, "jackfield_shutdown", process=process)
            except PluginError as error:
                report(error)

    def hooks_of(self, instance: PluginInstance) -> Sequence[str]:
        """Names of the hooks that *instance* implements, sorted."""
        return sorted(caller.name for caller in self._manager.get_hookcallers(instance._hooks) or ())

    def _unite(self, hook: str) -> Mapping[str, Any]:
        return {name: factory for name, (_, factory) in self._collect(hook).items()}

    def _collect(self, hook: str) -> Mapping[str, tuple[PluginInstance, Any]]:
        found: dict[str, tuple[PluginInstance, Any]] = {}
        for instance in self.instances:
            for answer in self._ask(instance, hook, Mapping):
                for name, factory in answer.items():
                    _check_factory(instance, hook, name, factory)
                    if name in found:
                        raise PluginError(f"{hook}: both {found[name][0].name} and {instance.name} hand over {name!r}")
                    found[name] = instance, factory
        return found

    # pluggy's relay is untyped: types begin with the return annotations of the public methods
    def _ask(self, instance: PluginInstance, hook: str, kind: type) -> list[Any]:
        answers = self._call(instance, hook)
        for answer in answers:
            if not isinstance(answer, kind):
                raise PluginError(
                    f"plugin {instance.name}: {hook} returned {type(answer).__name__}, not {kind.__name__}"
                )
        return answers

    def _call(self, instance: PluginInstance, hook: str, **arguments: str) -> list[Any]:
        others = [other._hooks for other in self.instances if other is not instance]
        caller = self._manager.subset_hook_caller(hook, others)
        try:
            answers: list[Any] = caller(instance=instance, **arguments)
        except (ManifestError, PluginError):
            raise  # they name a key, or the plugin, themselves
        except Exception as error:
            raise PluginError(f"plugin {instance.name}: {hook} raised {type(error).__name__}: {error}") from error
        return answers


def build_kernel(manifest: Manifest) -> Kernel:
    """Load, register and check the enabled plugins, and the default scheduler where none of them hands one over.

    Called at start-up by every process but the supervisor; imports plugin code.

    Raises:
        ManifestError: A name nobody provides, one that two distributions provide, or a table that does not fit.
        PluginError: A plugin that does not import, speaks another API version, or implements an unknown hook.
    """
    instances = [_load(ref, manifest) for ref in manifest.enabled]
    kernel = _connect(manifest, instances)
    if kernel.schedulers():
        return kernel
    return _connect(manifest, [*instances, _load(DEFAULT_SCHEDULER, manifest)])


def _connect(manifest: Manifest, instances: Sequence[PluginInstance]) -> Kernel:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    # pluggy asks the last registered first; we promise that the first listed is asked first
    for instance in reversed(instances):
        _register(manager, instance)
    for instance in instances:
        _check_hooks(manager, instance)
    manager.check_pending()
    kernel = Kernel(manifest, manager, instances)
    _check_config(kernel)
    return kernel


def installed_plugins() -> Mapping[str, Sequence[importlib.metadata.EntryPoint]]:
    """Everything installed in the group, by name; imports none of it."""
    found: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def _load(ref: InstanceRef, manifest: Manifest) -> PluginInstance:
    module, distribution = _load_file(ref, manifest) if ref.plugin.endswith(".py") else _load_entry_point(ref, manifest)
    _check_api_version(ref, module)
    hooks = HookSet(module)
    table = manifest.config.get(ref.name, {})
    return PluginInstance(ref, distribution, hooks, table, manifest.origin)


def _load_entry_point(ref: InstanceRef, manifest: Manifest) -> tuple[ModuleType, str]:
    where = manifest.origin("enabled")
    entries = list(importlib.metadata.entry_points(group=GROUP, name=ref.plugin))
    if not entries:
        names = tuple(installed_plugins())
        raise ManifestError(
            f"{where}: no installed package provides the plugin {ref.plugin!r}{suggestion(ref.plugin, names)}",
            param="enabled",
        )
    owners = sorted({_distribution(entry) for entry in entries})
    if len(owners) > 1:
        raise ManifestError(
            f"{where}: the plugin {ref.plugin!r} is provided by {' and '.join(owners)}; uninstall one", param="enabled"
        )
    try:
        module = entries[0].load()
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {ref.name} ({owners[0]}) does not import: {_cause(error)}") from error
    if not isinstance(module, ModuleType):
        raise PluginError(f"plugin {ref.name} ({owners[0]}): its entry point must name a module, not an object in it")
    return module, owners[0]


def _load_file(ref: InstanceRef, manifest: Manifest) -> tuple[ModuleType, str]:
    path = Path(ref.plugin)
    if not path.is_file():
        raise ManifestError(f"{manifest.origin('enabled')}: there is no plugin file {path.name}", param="enabled")
    spec = importlib.util.spec_from_file_location(f"jackfield_path_plugin_{ref.name.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin {ref.name}: {path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {ref.name} ({path.name}) does not import: {_cause(error)}") from error
    return module, path.name


def _check_api_version(ref: InstanceRef, module: ModuleType) -> None:
    wanted = getattr(module, "JACKFIELD_API", API_VERSION)
    if not (isinstance(wanted, tuple) and [type(number) for number in wanted] == [int, int]):
        raise PluginError(f"plugin {ref.name}: JACKFIELD_API must be two numbers, such as {API_VERSION}")
    if wanted[0] == API_VERSION[0] and wanted[1] <= API_VERSION[1]:
        return
    raise PluginError(
        f"plugin {ref.name} speaks API {'.'.join(map(str, wanted))}; this Jackfield speaks"
        f" {'.'.join(map(str, API_VERSION))}: upgrade the {'plugin' if wanted < API_VERSION else 'server'}"
    )


def _register(manager: pluggy.PluginManager, instance: PluginInstance) -> None:
    try:
        manager.register(instance._hooks, name=instance.name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"plugin {instance.name} ({instance.distribution}): {error}") from error
    except ValueError as error:
        raise ManifestError(f"enabled: {instance.name} is listed twice", param="enabled") from error


def _check_hooks(manager: pluggy.PluginManager, instance: PluginInstance) -> None:
    callers = manager.get_hookcallers(instance._hooks) or ()
    if not callers:
        raise PluginError(
            f"plugin {instance.name} ({instance.distribution}) implements no hook;"
            " its hook functions must be marked with @jackfield.hookimpl"
        )
    known = tuple(name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_"))
    for caller in callers:
        if not caller.has_spec():
            raise PluginError(
                f"plugin {instance.name} ({instance.distribution}): unknown hook"
                f" {caller.name}{suggestion(caller.name, known)}; hooks are listed in jackfield.hookspecs"
            )
        if inspect.iscoroutinefunction(getattr(instance._hooks, caller.name, None)):
            raise PluginError(
                f"plugin {instance.name} ({instance.distribution}): {caller.name} must not be async; hooks are called"
                " once at start-up, what they hand over does the work"
            )


def _check_factory(instance: PluginInstance, hook: str, name: object, factory: object) -> None:
    if not (isinstance(name, str) and callable(factory)):
        raise PluginError(
            f"plugin {instance.name}: {hook} must hand over factories by name, not {type(factory).__name__}"
            f" under a {type(name).__name__}"
        )


def _checked_command(instance: PluginInstance, command: object) -> click.Command:
    import click  # only the command line calls this, and has it

    if not isinstance(command, click.Command):
        raise PluginError(
            f"plugin {instance.name}: jackfield_commands must return click commands, not {type(command).__name__}"
        )
    return command


def _check_config(kernel: Kernel) -> None:
    structs = kernel.config_structs()
    for instance in kernel.instances:
        struct = structs.get(instance.name)
        if struct is not None:
            instance.config(struct)
        elif instance._table:
            where = kernel.manifest.origin(f"config.{instance.name}")
            raise ManifestError(
                f"{where}: the plugin {instance.name} takes no options", param=f"config.{instance.name}"
            )


def _distribution(entry: importlib.metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
