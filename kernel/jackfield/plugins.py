"""Instances, order, blocking before import, and a typed facade over pluggy.

A plugin is a module (usually ``__init__.py`` of a package) with hook implementations. ``build_kernel`` loads exactly
the names in ``enabled``: a plugin that is not listed is never imported. One plugin may run as several instances, each
with its own ``[config.NAME]`` table; an instance is the module's hooks under another name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import pluggy

from jackfield import hookspecs
from jackfield.errors import JackfieldError, ManifestError, PluginError
from jackfield.hookspecs import PROJECT, ProcessKind
from jackfield.manifest import (
    DEFAULT_DIALECTS,
    DEFAULT_SCHEDULERS,
    DEFAULT_SECRETS,
    InstanceRef,
    Manifest,
)
from jackfield.plugin_calls import IMPORT_DEADLINE_S, Factory, PluginCalls, hook_deadline, run_bounded
from jackfield.plugin_checks import check_factory, check_hooks, checked_command
from jackfield.plugin_instance import HookSet, PluginInstance
from jackfield.plugin_modules import load_module
from jackfield.secret_sources import SecretSources

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from jackfield.ports.audit import AuditSinkFactory
    from jackfield.ports.backend import BackendFactory
    from jackfield.ports.check import CheckFactory
    from jackfield.ports.constraint import ConstraintEngineFactory
    from jackfield.ports.dialect import DialectFactory
    from jackfield.ports.frontend import FrontendFactory
    from jackfield.ports.guardrail import GuardrailFactory
    from jackfield.ports.identity import AuthenticatorFactory
    from jackfield.ports.kv_store import KVStoreFactory
    from jackfield.ports.limiter import LimiterFactory
    from jackfield.ports.observer import ObserverFactory
    from jackfield.ports.policy import PolicyEngineFactory
    from jackfield.ports.policy_store import PolicyStoreFactory
    from jackfield.ports.records import RecordStoreFactory
    from jackfield.ports.roles import RoleBookFactory
    from jackfield.ports.scheduler import SchedulerFactory
    from jackfield.ports.secret_source import SecretSourceFactory

T = TypeVar("T", bound=msgspec.Struct)


class Kernel:
    """The enabled plugins, frozen. Made by ``build_kernel``; one process may hold several.

    One typed method per hook; each calls the hook instance by instance, in manifest order, and attributes what goes
    wrong to its plugin.
    """

    def __init__(
        self,
        manifest: Manifest,
        manager: pluggy.PluginManager,
        instances: Sequence[PluginInstance],
        calls: PluginCalls,
    ) -> None:
        self.manifest = manifest
        self.instances: Final = tuple(instances)
        self._manager = manager
        self._calls = calls
        sources = SecretSources(self.secrets)
        for instance in instances:
            instance.reads_secrets_with(sources.read)
            instance.finds_stores_with(self.policy_stores)

    def path(self, text: str) -> Path:
        """The absolute path that a key of the kernel's own tables names, as ``PluginInstance.path``."""
        folder = Path(self.manifest.file).parent if self.manifest.file else Path.cwd()
        return (folder / Path(text).expanduser()).absolute()

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

    def scheduler_owners(self) -> Mapping[str, PluginInstance]:
        """Which instance hands over each scheduler: the one whose options may change while a worker runs."""
        return {name: owner for name, (owner, _) in self._collect("jackfield_schedulers").items()}

    def constraints(self) -> Mapping[str, ConstraintEngineFactory]:
        """Constraint engine factories by name, in manifest order."""
        return self._unite("jackfield_constraints")

    def behind(self) -> Mapping[str, str]:
        """Instances of whose kind only the first is used, each with the one listed before it whose is."""
        found: dict[str, str] = {}
        for hook in (
            "jackfield_schedulers",
            "jackfield_constraints",
            "jackfield_record_stores",
            "jackfield_policy_stores",
        ):
            owners = [owner.name for owner, _ in self._collect(hook).values()]
            found.update({owner: owners[0] for owner in owners if owner != owners[0]})
        return found

    def kv_stores(self) -> Mapping[str, KVStoreFactory]:
        """KV store factories by name, in manifest order."""
        return self._unite("jackfield_kv_stores")

    def frontends(self) -> Mapping[str, FrontendFactory]:
        """Frontend factories by name, in manifest order."""
        return self._unite("jackfield_frontends")

    def dialects(self) -> Mapping[str, DialectFactory]:
        """Chat dialect factories by name, in manifest order."""
        return self._unite("jackfield_dialects")

    def record_stores(self) -> Mapping[str, RecordStoreFactory]:
        """Record store factories by name, in manifest order."""
        return self._unite("jackfield_record_stores")

    def authenticators(self) -> Mapping[str, AuthenticatorFactory]:
        """Authenticator factories by name, in manifest order."""
        return self._unite("jackfield_authenticators")

    def roles(self) -> Mapping[str, RoleBookFactory]:
        """Role book factories by name, in manifest order."""
        return self._unite("jackfield_roles")

    def policies(self) -> Mapping[str, PolicyEngineFactory]:
        """Policy engine factories by name, in manifest order."""
        return self._unite("jackfield_policies")

    def limiters(self) -> Mapping[str, LimiterFactory]:
        """Limiter factories by name, in manifest order."""
        return self._unite("jackfield_limiters")

    def guardrails(self) -> Mapping[str, GuardrailFactory]:
        """Guardrail factories by name, in manifest order."""
        return self._unite("jackfield_guardrails")

    def audit_sinks(self) -> Mapping[str, AuditSinkFactory]:
        """Audit sink factories by name, in manifest order."""
        return self._unite("jackfield_audit_sinks")

    def policy_stores(self) -> Mapping[str, PolicyStoreFactory]:
        """Policy store factories by name, in manifest order."""
        return self._unite("jackfield_policy_stores")

    def secrets(self) -> Mapping[str, SecretSourceFactory]:
        """Secret source factories by scheme, in manifest order."""
        return self._unite("jackfield_secrets")

    def observers(self) -> Mapping[str, ObserverFactory]:
        """Observer factories by name, in manifest order."""
        return self._unite("jackfield_observers")

    def checks(self) -> Mapping[str, CheckFactory]:
        """Check factories by name, in manifest order."""
        return self._unite("jackfield_checks")

    def commands(self) -> Sequence[tuple[PluginInstance, click.Command]]:
        """Commands with their owners, in manifest order."""
        found: list[tuple[PluginInstance, click.Command]] = []
        for instance in self.instances:
            for commands in self._ask(instance, "jackfield_commands", Sequence):
                found += [(instance, checked_command(instance, command)) for command in commands]
        return found

    def startup(self, process: ProcessKind) -> None:
        """Call ``jackfield_startup``, first listed first."""
        for instance in self.instances:
            self._call(instance, "jackfield_startup", process=process)

    def shutdown(self, process: ProcessKind, report: Callable[[PluginError], None]) -> None:
        """Call ``jackfield_shutdown``, last listed first; failures go to *report* and stop nothing.

        A hook that has not returned within its deadline is reported and left behind.
        """
        hook = "jackfield_shutdown"
        for instance in reversed(self.instances):

            def call(instance: PluginInstance = instance) -> None:
                try:
                    self._call(instance, hook, process=process)
                except JackfieldError as error:
                    report(PluginError(error.message))

            limit_s = hook_deadline(hook)
            if hook in self.hooks_of(instance) and not run_bounded(call, limit_s, f"{hook} {instance.name}"):
                report(
                    PluginError(
                        f"plugin {instance.name}: {hook} has not returned after {limit_s:g} s; it is left behind"
                    )
                )

    def hooks_of(self, instance: PluginInstance) -> Sequence[str]:
        """Names of the hooks that *instance* implements, sorted."""
        return sorted(caller.name for caller in self._manager.get_hookcallers(instance.hook_set) or ())

    def _unite(self, hook: str) -> Mapping[str, Any]:
        return {name: factory for name, (_, factory) in self._collect(hook).items()}

    def _collect(self, hook: str) -> Mapping[str, tuple[PluginInstance, Any]]:
        found: dict[str, tuple[PluginInstance, Any]] = {}
        for instance in self.instances:
            for answer in self._ask(instance, hook, Mapping):
                for name, factory in answer.items():
                    check_factory(instance, hook, name, factory)
                    if name in found:
                        raise PluginError(f"{hook}: both {found[name][0].name} and {instance.name} hand over {name!r}")
                    found[name] = (
                        instance,
                        Factory(self._calls, instance.name, f"its factory of {name} ({hook})", factory),
                    )
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
        others = [other.hook_set for other in self.instances if other is not instance]
        caller = self._manager.subset_hook_caller(hook, others)
        answers: list[Any] = self._calls.run(
            instance.name, hook, hook_deadline(hook), caller, instance=instance, **arguments
        )
        return answers


def build_kernel(manifest: Manifest, calls: PluginCalls | None = None, *, fill: bool = True) -> Kernel:
    """Load, register and check the enabled plugins, and default ones for sockets that must not stay empty.

    Called at start-up by every process but the supervisor; imports plugin code.

    Parameters:
        manifest: What is enabled, and how.
        calls: What the process watches over; by default the kernel's own, which nobody watches.
        fill: Whether the packaged scheduler, dialects and secrets are added where no enabled plugin hands any over.

    Raises:
        ManifestError: A name nobody provides, one that two distributions provide, or a table that does not fit.
        PluginError: A plugin that does not import, speaks another API version, or implements an unknown hook.
    """
    calls = calls or PluginCalls()
    instances = [_load(ref, manifest, calls) for ref in manifest.enabled]
    kernel = _connect(manifest, instances, calls)
    if not fill:
        return kernel
    missing = [
        *(() if kernel.schedulers() else DEFAULT_SCHEDULERS),
        *(() if kernel.dialects() else DEFAULT_DIALECTS),
        *(() if kernel.secrets() else DEFAULT_SECRETS),
    ]
    if not missing:
        return kernel
    return _connect(manifest, [*instances, *(_load(ref, manifest, calls) for ref in missing)], calls)


def _connect(manifest: Manifest, instances: Sequence[PluginInstance], calls: PluginCalls) -> Kernel:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    # pluggy asks the last registered first; we promise that the first listed is asked first
    for instance in reversed(instances):
        _register(manager, instance)
    for instance in instances:
        check_hooks(manager, instance)
    manager.check_pending()
    kernel = Kernel(manifest, manager, instances, calls)
    _check_config(kernel)
    return kernel


def _load(ref: InstanceRef, manifest: Manifest, calls: PluginCalls) -> PluginInstance:
    module, distribution = calls.run(ref.name, "its import", IMPORT_DEADLINE_S, load_module, ref, manifest)
    hooks = HookSet(module)
    return PluginInstance(ref, distribution, hooks, manifest)


def _register(manager: pluggy.PluginManager, instance: PluginInstance) -> None:
    try:
        manager.register(instance.hook_set, name=instance.name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"plugin {instance.name} ({instance.distribution}): {error}") from error
    except ValueError as error:
        raise ManifestError(f"enabled: {instance.name} is listed twice", param="enabled") from error


def _check_config(kernel: Kernel) -> None:
    structs = kernel.config_structs()
    for instance in kernel.instances:
        struct = structs.get(instance.name)
        if struct is not None:
            instance.config(struct)
        elif instance.table:
            where = kernel.manifest.origin(f"config.{instance.name}")
            raise ManifestError(
                f"{where}: the plugin {instance.name} takes no options", param=f"config.{instance.name}"
            )
