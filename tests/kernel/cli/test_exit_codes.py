"""How commands end: the table of exit codes, and no traceback for what a user or a machine does wrong."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import click
import pytest

from jackfield.cli.errors import EXIT_CODES, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from jackfield.cli.group import COMMANDS
from jackfield.testing.command import COMMAND, environment
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = [
    ("version", "", EXIT_OK, ""),
    ("config check", "", EXIT_OK, ""),
    ("plugins list", "", EXIT_OK, ""),
    ("doctor --set kernel.listen=127.0.0.1:0 --set kernel.health=127.0.0.1:0", "", EXIT_OK, ""),
    ("doctor --set models.scripted.backend=nobody", "", EXIT_FAILED, ""),
    ("workers list", "", EXIT_FAILED, "jackfield serve starts one"),
    ("workers restart m", "", EXIT_FAILED, "jackfield serve starts one"),
    ("version", "> /dev/full", EXIT_FAILED, "No space left on device"),
    ("config show", "> /dev/full", EXIT_FAILED, "No space left on device"),
    ("version", "| true", EXIT_FAILED, ""),
    ("sreve", "", EXIT_USAGE, "No such command"),
    ("version --nothing", "", EXIT_USAGE, "No such option"),
    ("config check --config missing.toml", "", EXIT_USAGE, "there is no such file"),
    ("config check --config .", "", EXIT_USAGE, "Is a directory"),
    ("config check --set kernel.queue=-1", "", EXIT_USAGE, "kernel.queue"),
    ("config check --set kernel.load_at_once=0", "", EXIT_USAGE, "kernel.load_at_once: must be at least 1"),
    ("models show nobody", "", EXIT_USAGE, "there is no model"),
    ("serve --health 127.0.0.1:0 --listen 0.0.0.0:0", "", EXIT_USAGE, "kernel.listen"),
]
"""Command, shell's part, exit code, what it says on standard error. In a folder with a scripted model."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where commands run."""
    (tmp_path / "plugins.toml").write_text(scripted_manifest())
    return tmp_path


def shell(folder: Path, command: str, rest: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``jackfield`` as a shell does; the code is that of ``jackfield``, not of what it is piped into."""
    script = f'set -o pipefail; "$@" {rest}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, *command.split()],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("command", "rest", "code", "message"), TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE])
def test_exit_codes(folder: Path, command: str, rest: str, code: int, message: str) -> None:
    """As the help says."""
    done = shell(folder, command, rest)
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_every_code_of_the_help_is_in_the_table() -> None:
    """130 has a test of its own below."""
    documented = {int(line.split()[0]) for line in EXIT_CODES.splitlines() if line.strip()[:1].isdigit()}
    assert documented == {code for *_, code, _ in TABLE} | {EXIT_INTERRUPTED}


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    """Its name and the reason."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "plugins.toml").chmod(0)
    done = shell(folder, "config check")
    assert (done.returncode, "Permission denied" in done.stderr) == (EXIT_USAGE, True)


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    """As one that is mounted read-only."""
    done = shell(folder, "plugins disable prometheus --config /proc/plugins.toml")
    assert (done.returncode, "cannot be written" in done.stderr) == (EXIT_USAGE, True)
    assert "Traceback" not in done.stderr


def test_ctrl_c(folder: Path) -> None:
    """A command that waits ends with 130 and no traceback."""
    (folder / "slow.py").write_text("import time\nopen('began', 'w').close()\ntime.sleep(3600)\n")
    (folder / "slow.toml").write_text('enabled = ["./slow.py"]')
    with subprocess.Popen(
        [*COMMAND, "config", "schema", "--config", "slow.toml"],
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        while not (folder / "began").exists():
            assert process.poll() is None
        err = _interrupted(process)
    assert process.returncode == EXIT_INTERRUPTED
    assert "Traceback" not in err


def test_ctrl_c_in_a_long_simulation(folder: Path) -> None:
    """No figures are printed of a part of a trace."""
    requests = ["--synthetic", "rate=20 prompt=100-300", "--duration", "3000", "--write-trace", "trace.jsonl"]
    with (
        (folder / "figures").open("wb") as figures,
        subprocess.Popen(
            [*COMMAND, "simulate", *requests, "--json"],
            cwd=folder,
            env=environment(folder),
            stderr=subprocess.PIPE,
            stdout=figures,
            text=True,
        ) as process,
    ):
        while not (folder / "trace.jsonl").exists():
            assert process.poll() is None
        err = _interrupted(process)
    assert process.returncode == EXIT_INTERRUPTED
    assert "Traceback" not in err
    assert "Interrupted" in err
    assert not (folder / "figures").read_bytes()


def test_colours_only_on_a_terminal(folder: Path) -> None:
    """And not there either with NO_COLOR."""

    def shown(colourless: bool) -> bytes:  # noqa: FBT001  a row of a table
        ours, theirs = os.openpty()
        env = environment(folder) | {"TERM": "xterm-256color", "NO_COLOR": "1" if colourless else ""}
        with subprocess.Popen(
            [*COMMAND, "plugins", "list"], cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            text = b""
            try:
                while block := os.read(ours, 4096):
                    text += block
            except OSError:  # how Linux says that the other end was closed
                pass
            process.wait(30)
        os.close(ours)
        return text

    assert b"\x1b[" in shown(colourless=False)
    assert b"\x1b[" not in shown(colourless=True)
    assert "\x1b[" not in shell(folder, "plugins list").stdout


def commands(prefix: str = "jackfield", found: click.Command | None = None) -> Iterator[tuple[str, click.Command]]:
    """Every built-in command with its full name."""
    if found is None:
        for name, module in COMMANDS.items():
            yield from commands(f"{prefix} {name}", importlib.import_module(module).command)
        return
    yield prefix, found
    if isinstance(found, click.Group):
        for name, inner in found.commands.items():
            yield from commands(f"{prefix} {name}", inner)


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=[name for name, _ in commands()])
def test_every_command_explains_itself(name: str, command: click.Command) -> None:
    """With examples that begin with its own name, and a text for every option."""
    assert command.help, name
    examples = command.help.partition("Example")[2]
    assert name in examples, f"{name} has no example"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name}: {parameter.opts[0]} has no help"


def test_help_is_quick() -> None:
    """It imports no plugin's library, no HTTP server and no engine."""
    probe = "import sys; sys.argv = ['jackfield', 'workers', '--help']; import jackfield.cli.group as g\n"
    probe += "g.jackfield.main(standalone_mode=False)\n"
    probe += "print([name for name in ('aiohttp', 'numpy', 'llama_cpp', 'pytest') if name in sys.modules])"
    done = subprocess.run([COMMAND[0], "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def _interrupted(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C until *process* ends; return what it wrote to standard error.

    Python drops an interruption that arrives while a finaliser or a weak reference's callback runs.
    """
    for _ in range(30):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=1)[1]
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    raise AssertionError("it does not end at Ctrl-C")
