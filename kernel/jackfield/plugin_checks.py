"""Whether what a plugin hands over is what its hooks promise; each failure names the plugin."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from jackfield import hookspecs
from jackfield.errors import PluginError
from jackfield.hookspecs import PROJECT
from jackfield.manifest import suggestion

if TYPE_CHECKING:
    import click
    import pluggy

    from jackfield.plugin_instance import PluginInstance


def check_hooks(manager: pluggy.PluginManager, instance: PluginInstance) -> None:
    """Refuse a plugin without hooks, with unknown ones, and with one that is async."""
    callers = manager.get_hookcallers(instance.hook_set) or ()
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
        if inspect.iscoroutinefunction(getattr(instance.hook_set, caller.name, None)):
            raise PluginError(
                f"plugin {instance.name} ({instance.distribution}): {caller.name} must not be async; hooks are called"
                " once at start-up, what they hand over does the work"
            )


def check_factory(instance: PluginInstance, hook: str, name: object, factory: object) -> None:
    """Refuse what is no factory under a name."""
    if not (isinstance(name, str) and callable(factory)):
        raise PluginError(
            f"plugin {instance.name}: {hook} must hand over factories by name, not {type(factory).__name__}"
            f" under a {type(name).__name__}"
        )


def checked_command(instance: PluginInstance, command: object) -> click.Command:
    """*command*, if it is one."""
    import click  # only the command line calls this, and has it

    if not isinstance(command, click.Command):
        raise PluginError(
            f"plugin {instance.name}: jackfield_commands must return click commands, not {type(command).__name__}"
        )
    return command
