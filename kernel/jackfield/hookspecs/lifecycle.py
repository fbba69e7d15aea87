"""Life cycle and command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from jackfield.hookspecs.markers import ProcessKind
    from jackfield.plugin_instance import PluginInstance
    from jackfield.ports.check import CheckFactory


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
