"""Steps: configuration and the command line."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_bdd import given, then, when

from jackfield.testing.command import CommandResult, run_command
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.testing.target import Target


@given("this plugins.toml")
def write_manifest(tmp_path: Path, docstring: str) -> None:
    """In the folder where commands run."""
    (tmp_path / "plugins.toml").write_text(textwrap.dedent(docstring).strip() + "\n")


CRASHING_PLUGIN = """\
import os, signal

from jackfield import hookimpl

class Crash:
    def run(self):
        os.kill(os.getpid(), signal.SIGKILL)

@hookimpl
def jackfield_checks(instance):
    return {f"{instance.name} check": Crash}
"""


@given("a plugin file whose check ends its process")
def crashing_plugin(tmp_path: Path) -> None:
    """As a library that was built for another processor does."""
    (tmp_path / "crashing.py").write_text(CRASHING_PLUGIN)


@when(words("I run {command:Text}"), target_fixture="result")
def run(tmp_path: Path, command: str) -> CommandResult:
    """A command of ``jackfield``, until it ends."""
    name, _, arguments = command.partition(" ")
    assert name == "jackfield", "only jackfield's own commands can be run"
    return run_command(arguments, tmp_path)


@when(words("I run {command:Text} against the server"), target_fixture="result")
def run_against_server(server: Target, tmp_path: Path, command: str) -> CommandResult:
    """A command that takes ``--url``."""
    return run(tmp_path, f"{command} --url {server.url}")


@then("the command succeeds")
def succeeds(result: CommandResult) -> None:
    """Exit code 0."""
    assert result.code == 0, result.output


@then("the command fails")
def fails(result: CommandResult) -> None:
    """Any other exit code, and no traceback."""
    assert result.code != 0, result.output
    assert "Traceback" not in result.output, result.output


@then(words("it says {text:Text}"))
def says(result: CommandResult, text: str) -> None:
    """Somewhere in its output."""
    assert text in result.output, result.output


@then(words("it does not say {text:Text}"))
def does_not_say(result: CommandResult, text: str) -> None:
    """Nowhere in its output."""
    assert text not in result.output, result.output


@then("plugins.toml is now")
def manifest_is(tmp_path: Path, docstring: str) -> None:
    """Letter for letter, comments included."""
    assert (tmp_path / "plugins.toml").read_text().strip() == textwrap.dedent(docstring).strip()
