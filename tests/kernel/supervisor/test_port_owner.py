"""Who listens at a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.supervisor import port_owner
from jackfield.supervisor.port_owner import described, owners

LISTEN = """
import socket, sys
# a port that nobody has at any other address
with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as everywhere:
    port = everywhere.getsockname()[1]
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], port), family=family)
print(port, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_the_owner_is_found(address: str) -> None:
    """Name and process id of another process, at any kind of address; its arguments are not shown."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, address, "--key=hunter2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert [owner.pid for owner in owners(port) or ()] == [process.pid]
        text = described(port)
        process.kill()
    assert text.startswith("by ")
    assert f"(process {process.pid})" in text
    assert "hunter2" not in text


def test_several_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose children share the socket is named once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
        monkeypatch.setattr(port_owner, "_name", lambda pid: f"p{pid}")
        assert (
            described(port) == f"by p{min(os.getpid(), child.pid)} (process {min(os.getpid(), child.pid)}) and 1 more"
        )
        child.kill()
        child.communicate()


def test_an_owner_that_may_not_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users' processes do not show their descriptors: that much is said."""
    monkeypatch.setattr(port_owner, "_sockets", lambda _pid: set())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert described(listener.getsockname()[1]) == "by a process of another user"


def test_nobody_listens() -> None:
    """A port that is bound only, or free."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert owners(bound.getsockname()[1]) is None
        assert described(bound.getsockname()[1]) == ""


@pytest.mark.parametrize("content", [None, "", "head\n", "head\nrubbish\n", "head\n 0: 1 2 0A 4\n", b"\xff\xff"])
def test_a_system_that_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | bytes | None
) -> None:
    """No table, or one that is not what is expected."""
    table = tmp_path / "tcp"
    if isinstance(content, bytes):
        table.write_bytes(content)
    elif content is not None:
        table.write_text(content)
    monkeypatch.setattr(port_owner, "_TABLES", (table,))
    assert described(80) == ""


@pytest.mark.parametrize(("comm", "shown"), [("python3\n", "python3"), ("a\x1b[2Jb", "a?[2Jb"), ("x" * 99, "x" * 40)])
def test_names_are_harmless(monkeypatch: pytest.MonkeyPatch, comm: str, shown: str) -> None:
    """A process may call itself anything; a terminal must not obey it."""
    monkeypatch.setattr(Path, "read_text", lambda _self, **_how: comm)
    assert port_owner._name(1) == shown
