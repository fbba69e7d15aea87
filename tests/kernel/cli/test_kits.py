"""The kits for commands and life-cycle hooks: ours pass, and what they promise to find is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.commands import CommandsKit
from jackfield.testing.kits.lifecycle import LifecycleKit

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]


class TestLlamaCommands(CommandsKit):
    """``jackfield gguf``."""

    manifest = 'enabled = ["llama-cpu"]'


class TestPackagedPlugins(LifecycleKit):
    """All packaged plugins together."""

    manifest = ""


BAD_COMMANDS = """
import click, jackfield

@click.command({name!r})
@click.option("--depth"{help})
def bad(depth):
    {doc}

@jackfield.hookimpl
def jackfield_commands(instance):
    return [bad]
"""

BAD_LIFECYCLE = """
import jackfield, threading

@jackfield.hookimpl
def jackfield_startup(instance, process):
    {startup}

@jackfield.hookimpl
def jackfield_shutdown(instance, process):
    {shutdown}
"""


@pytest.fixture(autouse=True)
def _bare_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner runs need none of the installed pytest plugins, which take seconds to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def _run(pytester: pytest.Pytester, kit: str, module: str, plugin: str) -> pytest.RunResult:
    file: Path = pytester.path / "bad.py"
    file.write_text(plugin)
    pytester.makepyfile(
        test_bad=f"""
from jackfield.testing.kits.{module} import {kit}

class TestBad({kit}):
    manifest = 'enabled = ["{file}"]'
"""
    )
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-q")


@pytest.mark.parametrize(
    ("name", "help_", "doc", "message"),
    [
        ("serve", ', help="x"', '"""Dig."""', "*a built-in command has that name*"),
        ("Dig It", ', help="x"', '"""Dig."""', "*bad name: 'Dig It'*"),
        ("dig", "", '"""Dig."""', "*jackfield dig: --depth has no help*"),
        ("dig", ', help="x"', "pass", "*jackfield dig has no help*"),
    ],
)
def test_bad_commands_are_found(pytester: pytest.Pytester, name: str, help_: str, doc: str, message: str) -> None:
    """A hidden built-in, a bad name, options and commands without help."""
    result = _run(pytester, "CommandsKit", "commands", BAD_COMMANDS.format(name=name, help=help_, doc=doc))
    result.stdout.fnmatch_lines([message])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("startup", "shutdown", "failed"),
    [
        ("1 / 0", "pass", "*test_start_and_end_are_quiet*"),
        ("pass", "1 / 0", "*test_an_end_without_a_start_does_no_harm*"),
        (
            "threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "pass",
            "*test_nothing_is_left_behind*",
        ),
        (
            "instance.__class__.f = getattr(instance, 'f', ()) + (open('/dev/null'),)",
            "pass",
            "*nothing_is_left_behind*",
        ),
    ],
)
def test_bad_life_cycles_are_found(pytester: pytest.Pytester, startup: str, shutdown: str, failed: str) -> None:
    """Start-ups and shutdowns that raise; a thread or a file that stays."""
    plugin = BAD_LIFECYCLE.format(startup=startup, shutdown=shutdown)
    result = _run(pytester, "LifecycleKit", "lifecycle", plugin)
    result.stdout.fnmatch_lines([failed])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
