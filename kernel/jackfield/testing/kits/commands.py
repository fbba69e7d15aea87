"""What every plugin that hands over ``jackfield_commands`` must pass.

Subclass ``CommandsKit`` in a test module and say how the plugin is turned on::

    class TestCommands(CommandsKit):
        manifest = 'enabled = ["my-plugin"]'
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click
import pytest
from click.testing import CliRunner

from jackfield.cli.group import COMMANDS
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USAGE: Final = 2
"""Exit code for a command line that cannot be used."""


class CommandsKit(Kit):
    """Commands have names, explain themselves, and refuse nonsense politely."""

    @pytest.fixture
    def commands(self) -> Sequence[click.Command]:
        """All commands that the manifest's plugins hand over."""
        commands = [command for _, command in self.kernel().commands()]
        assert commands, "the plugin hands over no command"
        return commands

    def test_they_are_commands_with_names_of_their_own(self, commands: Sequence[click.Command]) -> None:
        """Small letters, digits and dashes; no built-in command is hidden, and none is given twice."""
        for command in commands:
            assert isinstance(command, click.Command)
            assert re.fullmatch(r"[a-z][a-z0-9-]*", command.name or ""), f"bad name: {command.name!r}"
        names = [command.name for command in commands]
        assert not set(names) & COMMANDS.keys(), "a built-in command has that name"
        assert len(set(names)) == len(names), "a name is given twice"

    def test_they_explain_themselves(self, commands: Sequence[click.Command]) -> None:
        """``--help`` works everywhere, and every command and option has a text."""
        for path, command in _all(commands):
            result = CliRunner().invoke(command, ["--help"], prog_name=path)
            assert result.exit_code == 0, f"{path} --help: {result.output}"
            assert command.get_short_help_str(), f"{path} has no help"
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    assert parameter.help, f"{path}: {parameter.opts[0]} has no help"

    def test_unknown_options_are_refused(self, commands: Sequence[click.Command]) -> None:
        """With exit code 2 and a message that names the option; never with a traceback."""
        for path, command in _all(commands):
            result = CliRunner().invoke(command, ["--no-such-option"], prog_name=path)
            assert result.exit_code == USAGE, f"{path} --no-such-option gave {result.exit_code}: {result.output}"
            assert "--no-such-option" in result.output


def _all(commands: Sequence[click.Command], prefix: str = "jackfield") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, those of groups included."""
    for command in commands:
        path = f"{prefix} {command.name}"
        yield path, command
        if isinstance(command, click.Group):
            yield from _all(list(command.commands.values()), path)
