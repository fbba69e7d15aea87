"""The top of the command line: our commands, imported when asked for, and those of enabled plugins."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

import click

from jackfield.cli.errors import EXIT_CODES, warn
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final[Mapping[str, str]] = {
    "bench": "jackfield.cli.bench",
    "cache": "jackfield.cli.cache",
    "chat": "jackfield.cli.chat",
    "completion": "jackfield.cli.completion",
    "config": "jackfield.cli.config",
    "doctor": "jackfield.cli.doctor",
    "limits": "jackfield.cli.limits",
    "models": "jackfield.cli.models",
    "plugins": "jackfield.cli.plugins",
    "policy": "jackfield.cli.policy",
    "serve": "jackfield.cli.serve",
    "simulate": "jackfield.cli.simulate",
    "verify": "jackfield.cli.verify",
    "version": "jackfield.cli.version",
    "workers": "jackfield.cli.workers",
}
"""Built-in commands: name → module, which has an object ``command``."""

_LOADED: Final = "jackfield.cli.plugin_commands"
"""Key in click's per-run store."""


class JackfieldGroup(click.Group):
    """Finds commands late. Plugins are loaded only for ``--help`` and for a name that is not built in."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted([*COMMANDS, *_plugin_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return _plugin_commands(ctx).get(cmd_name)
        command = importlib.import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; for a plugin that has commands and is off the error says how to turn it on."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from jackfield.cli.complete import plugins_with

            if args[0] not in plugins_with("jackfield_commands"):
                raise
            hint = f"The plugin {args[0]} is off; turn it on with: jackfield plugins enable {args[0]}"
            raise click.UsageError(f"{error.message} {hint}", error.ctx) from error


@click.group(cls=JackfieldGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jackfield", message="%(prog)s %(version)s")
def jackfield() -> None:
    """Serve language models through plugins.

    \b
    Examples:
      jackfield serve                      the demo model on http://127.0.0.1:8080
      jackfield serve ./model.gguf         your own model
      jackfield chat                       talk to it
      jackfield workers list               how a running server is
      jackfield cache show                 which prompts it need not compute again
      jackfield limits show                what is left of callers' limits
      jackfield doctor                     what is wrong here, and what to do
      jackfield plugins list               what is installed and what is on
      jackfield config show --origin       every setting, and where it comes from
      jackfield simulate trace.jsonl       latency under another scheduler, without a model
    """  # noqa: D301  \b is click's mark against wrapping


def _plugin_commands(ctx: click.Context) -> Mapping[str, click.Command]:
    """Commands of enabled plugins, loaded once; what is wrong with them is a warning and costs no built-in command."""
    found: dict[str, click.Command] | None = ctx.meta.get(_LOADED)
    if found is None:
        found = ctx.meta[_LOADED] = {}
        try:
            _load_plugin_commands(found)
        except JackfieldError as error:
            warn(f"commands of plugins are missing: {error.message}")
    return found


def _load_plugin_commands(found: dict[str, click.Command]) -> None:
    from jackfield.cli.kernel import build_kernel
    from jackfield.manifest_layers import load_manifest

    owners = dict.fromkeys(COMMANDS, "jackfield itself")
    for instance, command in build_kernel(load_manifest(None)).commands():
        name = command.name or ""
        if name in owners:
            warn(f"both {owners[name]} and the plugin {instance.name} have a command {name}; the first one is used")
            continue
        owners[name] = f"the plugin {instance.name}"
        found[name] = command
