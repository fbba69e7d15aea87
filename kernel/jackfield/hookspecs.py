"""The contract: every hook a plugin may implement.

Hooks wire, objects run. pluggy is synchronous, so hooks are called at start-up only; they hand over factories of
objects that implement a *port* (``jackfield.ports``), and requests and tokens then travel through plain method calls on
those.

What fires when:

1. Every process of Jackfield (gateway, worker, command line) builds its own kernel: each name in ``enabled`` is loaded,
   registered as one *instance*, and ``check_pending()`` refuses hooks that are not in this file.
2. ``jackfield_config`` of every instance; each ``[config.NAME]`` table is decoded and checked.
3. In a worker: ``jackfield_startup``, ``jackfield_backends``, ``jackfield_schedulers``, ``jackfield_constraints``,
   ``jackfield_kv_stores``.
   In a gateway: ``jackfield_startup``, ``jackfield_observers``, ``jackfield_authenticators``, ``jackfield_dialects``,
   ``jackfield_record_stores``, ``jackfield_frontends``.
   On the command line: ``jackfield_commands``; in ``jackfield doctor``: ``jackfield_checks``.
4. In gateway and worker, after the last request: ``jackfield_shutdown``, in reverse order.

A hook is called once per instance with that instance's ``PluginInstance``, first listed first. Names of factories are
unique over all instances; two owners of one name are a start-up error that names both. Docstrings say, in this order:
what the hook is for, what happens when nobody implements it, how several answers combine, parameters, returns, errors,
process and thread, deadline and failure policy, since which API version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click
    import msgspec

    from jackfield.plugins import PluginInstance
    from jackfield.ports.backend import BackendFactory
    from jackfield.ports.check import CheckFactory
    from jackfield.ports.constraint import ConstraintEngineFactory
    from jackfield.ports.dialect import DialectFactory
    from jackfield.ports.frontend import FrontendFactory
    from jackfield.ports.identity import AuthenticatorFactory
    from jackfield.ports.kv_store import KVStoreFactory
    from jackfield.ports.observer import ObserverFactory
    from jackfield.ports.records import RecordStoreFactory
    from jackfield.ports.scheduler import SchedulerFactory

PROJECT: Final = "jackfield"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

ProcessKind: TypeAlias = Literal["gateway", "worker"]
"""The processes that have a life cycle. The supervisor loads no plugin."""

# ---------------------------------------------------------------------------------------------------------------------
# Configuration
# ---------------------------------------------------------------------------------------------------------------------


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


# ---------------------------------------------------------------------------------------------------------------------
# Inference (worker)
# ---------------------------------------------------------------------------------------------------------------------


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


# ---------------------------------------------------------------------------------------------------------------------
# HTTP and observation (gateway)
# ---------------------------------------------------------------------------------------------------------------------


@hookspec
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """Hand over frontends: HTTP dialects.

    Nobody implements it: the server answers on its health port only; start-up warns.

    Several answers: united; all serve. Two frontends with one method and path are a ``PluginError`` naming both. A path
    nobody serves is answered in the dialect of the one whose paths are most like it, else of the first one listed.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_dialects(instance: PluginInstance) -> Mapping[str, DialectFactory]:
    """Hand over chat dialects: how families of models are told of tools, and how they say what they think and call.

    Nobody implements it: the packaged ones are enabled by default, and banner and ``plugins list`` say so.

    Several answers: united by name; for each model they are asked in turn, first listed first, whether its chat
    template is theirs. ``[models.NAME] dialect`` names one instead. A model without one is refused tools, with 400.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_record_stores(instance: PluginInstance) -> Mapping[str, RecordStoreFactory]:
    """Hand over record stores: where frontends keep responses, files and batches.

    Nobody implements it: nothing is kept; what needs it is refused with 400.

    Several answers: united by name; the first one listed in ``enabled`` is used.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """Hand over authenticators: what tells who presents a credential.

    Nobody implements it: whoever reaches the port may use it, so the server listens on loopback only, and refuses hosts
    and origins that are neither loopback nor allow-listed.

    Several answers: united; each is asked in turn, first listed first, until one knows the credential or refuses it.

    :param instance: The instance asked.
    :returns: Factories by name. What one makes may be a ``jackfield.ports.key_issuer.KeyIssuer`` besides: then its keys
        can be managed while the server runs. It may be a ``jackfield.ports.reviewer.Reviewer``: then work that goes on
        when its request is over ends with the caller's rights.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_observers(instance: PluginInstance) -> Mapping[str, ObserverFactory]:
    """Hand over observers: metrics, traces, logs.

    Nobody implements it: nothing is observed, and ``/metrics`` is 404.

    Several answers: united; all are told of every event, first listed first.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread. Deadline: 1 s. Failure policy: closed at start-up; open while serving.

    Since API 0.1.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------------------------------------------------------
# Life cycle and command line
# ---------------------------------------------------------------------------------------------------------------------


@hookspec
def jackfield_startup(instance: PluginInstance, process: ProcessKind) -> None:
    """Prepare what the plugin needs for the whole life of a process.

    Nobody implements it: nothing happens.

    Several answers: all are called, first listed first.

    :param instance: The instance asked.
    :param process: Which kind of process is starting.
    :returns: Nothing.
    :raises: Anything raised is a ``PluginError`` that names the plugin; the process does not start.

    Process and thread: gateway and worker, main thread, before any factory is called. Deadline: 10 s. Failure policy:
    closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_shutdown(instance: PluginInstance, process: ProcessKind) -> None:
    """Give back what ``jackfield_startup`` took.

    Nobody implements it: nothing happens.

    Several answers: all are called, last listed first, also when one of them raised.

    :param instance: The instance asked.
    :param process: Which kind of process is ending.
    :returns: Nothing.
    :raises: Anything raised is logged with the plugin's name; the shutdown goes on.

    Process and thread: gateway and worker, a thread of its own that the main thread waits for, after the last request.
    Not called when a process is killed. Deadline: 2 s; then it is logged by name and left behind. Failure policy: open.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """Hand over commands for the command line.

    Nobody implements it: ``jackfield`` has its own commands only.

    Several answers: united; a command whose name exists already is left out, with a warning that names both owners.

    :param instance: The instance asked.
    :returns: click commands or groups.
    :raises: Anything raised becomes a warning that names the plugin; the built-in commands still work.

    Process and thread: command line, main thread. Deadline: 1 s. Failure policy: open, with a warning.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Hand over checks for ``jackfield doctor``.

    Nobody implements it: ``jackfield doctor`` checks the machine, the configuration and the models only.

    Several answers: united; all run, first listed first. Names are small words that begin with the instance's name:
    ``llama-cpu library``.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: command line, a process of its own, main thread. Deadline: 1 s for the hook, 20 s for a check.
    Failure policy: open; the check is reported as an error, and the others run.

    Since API 0.1.
    """
    raise NotImplementedError
