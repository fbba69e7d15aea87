"""HTTP and observation (gateway)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.plugin_instance import PluginInstance
    from jackfield.ports.dialect import DialectFactory
    from jackfield.ports.frontend import FrontendFactory
    from jackfield.ports.observer import ObserverFactory
    from jackfield.ports.records import RecordStoreFactory


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
