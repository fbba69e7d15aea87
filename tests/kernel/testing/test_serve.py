"""``ServeProcess``: it knows its processes, tells why a server ended, and leaves nothing behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.processes import alive, descendants
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop


def test_close_leaves_no_process(tmp_path: Path, background: BackgroundLoop) -> None:
    """Whatever a test left running is gone afterwards: supervisor, gateway and worker."""
    process = ServeProcess(scripted_manifest(), tmp_path, background)
    process.wait_ready()
    family = {process.pid, *descendants(process.pid)}
    assert len(family) == 3
    assert process.survivors() == family
    process.close()
    assert not any(map(alive, family))


def test_children_are_told_apart(serve: Callable[[str], ServeProcess]) -> None:
    """One gateway, and one worker for each model."""
    process = serve(scripted_manifest({"first": "", "second": ""}))
    process.wait_ready()
    assert len(process.children("gateway")) == 1
    assert len(process.children("worker")) == 2
    assert process.target.client.model == "first"


def test_a_server_that_refuses_is_an_error_with_its_log(tmp_path: Path, background: BackgroundLoop) -> None:
    """Waiting for it would hide the reason."""
    with pytest.raises(AssertionError, match=r"ended with 2 before listening(.|\n)*did you mean kernel"):
        ServeProcess("[kernl]\n", tmp_path, background)


def test_waiting_has_a_deadline(serve: Callable[[str], ServeProcess]) -> None:
    """What never happens is an error that says what was waited for."""
    process = serve(scripted_manifest())
    with pytest.raises(AssertionError, match="not rich after"):
        process.wait("rich", lambda: False, deadline_s=0.05)


def test_a_signal_reaches_it(serve: Callable[[str], ServeProcess]) -> None:
    """And the exit code comes back."""
    process = serve(scripted_manifest())
    process.wait_ready()
    process.signal(signal.SIGTERM)
    assert process.wait_exit() == 0
    assert not process.survivors()


def test_commands_do_not_see_this_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not change a test."""
    monkeypatch.setenv("JACKFIELD__KERNEL__QUEUE", "not a number")
    assert run_command("config check", tmp_path).code == 0
