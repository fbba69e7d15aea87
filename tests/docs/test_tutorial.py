"""``docs/plugins/tutorial.md`` works as it stands there: its files are written and its commands run, in order."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import sysconfig
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TUTORIAL: Final = Path(__file__).parents[2] / "docs" / "plugins" / "tutorial.md"
BLOCK: Final = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)

DEADLINE_S: Final = 110.0
"""For all commands together; they take a fifth of it."""

PIP: Final = '#!/bin/sh\nexec python -m pip --disable-pip-version-check "$@" --quiet --no-build-isolation --no-deps\n'
JACKFIELD: Final = '#!/bin/sh\nexec python -c "from jackfield.cli import main; main()" "$@"\n'


class Step(NamedTuple):
    """A shell block, with the files written before it and the output shown after it."""

    files: dict[str, str]
    commands: str
    fails: bool
    shown: list[str]


def steps() -> Iterator[Step]:
    """The tutorial's, in order."""
    files: dict[str, str] = {}
    blocks = [(match[1], match[2], str(match[3])) for match in BLOCK.finditer(TUTORIAL.read_text())]
    for (language, name, text), after in zip(blocks, [*blocks[1:], ("", None, "")], strict=True):
        if language in ("python", "toml") and name:
            files[name] = text
        elif language == "sh":
            yield Step(files, text, name == "fails", after[2].splitlines() if after[0] == "text" else [])
            files = {}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A virtual environment of its own that finds what this one has; free ports instead of the usual ones."""
    venv.create(tmp_path / "venv", with_pip=False)
    site = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")})
    here = sysconfig.get_path("purelib")
    Path(site, "outer.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    binaries = tmp_path / "venv" / "bin"
    for name, script in (("pip", PIP), ("jackfield", JACKFIELD)):
        (binaries / name).write_text(script)
        (binaries / name).chmod(0o755)
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        api, health = (str(each.getsockname()[1]) for each in sockets)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JACKFIELD", "PYTEST", "VIRTUAL"))}
    return own | {
        "PATH": f"{binaries}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "JACKFIELD__KERNEL__LISTEN": f"127.0.0.1:{api}",
        "JACKFIELD__KERNEL__HEALTH": f"127.0.0.1:{health}",
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


@pytest.mark.inprocess_only
@pytest.mark.slow
def test_the_tutorial(tmp_path: Path, environment: dict[str, str]) -> None:
    """Each command ends as the page says, and prints what it shows."""
    folder = tmp_path / "project"
    folder.mkdir()
    ports = {"127.0.0.1:8080": "JACKFIELD__KERNEL__LISTEN", "127.0.0.1:8081": "JACKFIELD__KERNEL__HEALTH"}
    count = 0
    for step in steps():
        for name, text in step.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        commands = step.commands
        for usual, variable in ports.items():
            commands = commands.replace(usual, environment[variable])
        script = f"set -eu\n{commands}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert (done.returncode != 0) == step.fails, f"{shlex.quote(commands)}\n{done.stdout}"
        assert "Traceback" not in done.stdout
        missing = [line for line in step.shown if line not in done.stdout]
        assert not missing, f"{missing} is not in\n{done.stdout}"
        count += 1
    assert count >= 8
