"""``jackfield completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands in SHELL.

    It completes commands, options, names of models, plugins and running servers, and files.

    \b
    bash, in ~/.bashrc (bash 4.4 or newer):
      source <(jackfield completion bash)

    \b
    zsh, in ~/.zshrc after compinit:
      source <(jackfield completion zsh)

    \b
    fish, once:
      jackfield completion fish > ~/.config/fish/completions/jackfield.fish

    \b
    Examples:
      source <(jackfield completion bash)
      jackfield completion zsh > ~/.zfunc/_jackfield
    """  # noqa: D301  \b is click's mark against wrapping
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "jackfield", "_JACKFIELD_COMPLETE").source())
