"""Configuration and inference (worker)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield.plugin_instance import PluginInstance
    from jackfield.ports.backend import BackendFactory
    from jackfield.ports.constraint import ConstraintEngineFactory
    from jackfield.ports.kv_store import KVStoreFactory
    from jackfield.ports.scheduler import SchedulerFactory


@hookspec
def jackfield_config(instance: PluginInstance) -> type[msgspec.Struct]:
    """Declare the frozen Struct that ``[config.NAME]`` is decoded into.

    Nobody implements it: the plugin takes no options, and a ``[config.NAME]`` table is a start-up error.

    Several answers: each instance declares its own; a plugin that implements it twice is refused by pluggy.

    :param instance: The instance asked.
    :returns: A ``msgspec.Struct`` subclass, frozen, ``forbid_unknown_fields=True``, every field with a default and a
        docstring-like comment; options' reference pages are generated from it.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: every process that builds a kernel, main thread. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_backends(instance: PluginInstance) -> Mapping[str, BackendFactory]:
    """Hand over backends: what loads a model and computes it.

    Nobody implements it: a model cannot be served; start-up refuses with the name that ``[models.NAME] backend``
    asks for.

    Several answers: united; a name given twice is a ``PluginError`` that names both owners.

    :param instance: The instance asked; ``instance.name`` is the usual name of its only backend.
    :returns: Factories by name. ``backend = "NAME"`` in ``[models.…]`` picks one.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: worker (and the command line, for listings), main thread. Heavy imports belong into the factory,
    not into the hook. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_schedulers(instance: PluginInstance) -> Mapping[str, SchedulerFactory]:
    """Hand over schedulers: what decides which sequences run in the next step.

    Nobody implements it: the packaged ``fcfs`` plugin is enabled by default, and banner and ``plugins list`` say so.

    Several answers: united by name; the first one listed in ``enabled`` is used.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: worker, main thread. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_constraints(instance: PluginInstance) -> Mapping[str, ConstraintEngineFactory]:
    """Hand over constraint engines: structured output.

    Nobody implements it: requests that ask for a schema, a pattern or a grammar are refused with 400.

    Several answers: united by name; the first one listed in ``enabled`` is used.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: worker, main thread. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_kv_stores(instance: PluginInstance) -> Mapping[str, KVStoreFactory]:
    """Hand over KV stores: tiers below the device for computed prefixes.

    Nobody implements it: a prefix is computed again once its cells are needed for something else.

    Several answers: united; all keep what leaves the device, and the first one listed that has it gives it back.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: worker, main thread. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError
