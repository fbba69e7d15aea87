"""The top of the command line: our commands, imported when asked for, and those of enabled plugins."""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

import click

from jackfield.cli.errors import EXIT_CODES, warn
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final[Mapping[str, str]] = {
    "completion": "jackfield.cli.completion",
    "config": "jackfield.cli.config",
    "plugins": "jackfield.cli.plugins",
    "serve": "jackfield.cli.serve",
    "version": "jackfield.cli.version",
}
"""Built-in commands: name → module, which has an object ``command``."""


class JackfieldGroup(click.Group):
    """Finds commands late. Plugins are loaded only for ``--help`` and for a name that is not built in."""

    @cached_property
    def plugin_commands(self) -> Mapping[str, click.Command]:
        """Commands of enabled plugins; what is wrong with them is a warning, and the built-in commands still work."""
        from jackfield.manifest_layers import load_manifest
        from jackfield.plugins import build_kernel

        owners: dict[str, str] = dict.fromkeys(COMMANDS, "jackfield")
        commands: dict[str, click.Command] = {}
        try:
            for instance, command in build_kernel(load_manifest(None)).commands():
                name = command.name or ""
                if name in owners:
                    warn(
                        f"both {owners[name]} and the plugin {instance.name} have a command {name!r}; the first is used"
                    )
                    continue
                owners[name] = f"the plugin {instance.name}"
                commands[name] = command
        except JackfieldError as error:
            warn(f"commands of plugins are missing: {error.message}")
        return commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """All names, sorted."""
        return sorted([*COMMANDS, *self.plugin_commands])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """The command of that name, or None."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return self.plugin_commands.get(cmd_name)
        command = importlib.import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is not a command")
        return command


@click.group(cls=JackfieldGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jackfield", message="%(prog)s %(version)s")
def jackfield() -> None:
    """Serve language models through plugins.

    \b
    Examples:
      jackfield serve                      the demo model on http://127.0.0.1:8080
      jackfield serve ./model.gguf         your own model
      jackfield plugins list               what is installed and what is on
      jackfield config show --origin       every setting, and where it comes from
    """  # noqa: D301  \b is click's mark against wrapping
