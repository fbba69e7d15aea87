"""The worker as a process: its conversation with the supervisor, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jackfield.channel import messages
from jackfield.channel.local import MessageSocket
from jackfield.channel.messages import (
    Attach,
    BootWorker,
    Events,
    Heartbeat,
    Progress,
    Ready,
    Refused,
    Stop,
    Submit,
    ToChild,
    ToSupervisor,
)
from jackfield.manifest import InstanceRef, KernelConfig, Manifest, ModelConfig
from jackfield.testing import scripted
from jackfield.types import GenerateRequest, TextDelta, TextPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator


class Child:
    """A worker process and our end of its control conversation."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jackfield.worker", "--control-fd", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self.control: MessageSocket[ToSupervisor, ToChild] = MessageSocket(
            ours, messages.to_supervisor(), messages.to_child()
        )

    def boot(self, **config: str | float | bool) -> None:
        """Send the boot message, with ``[config.scripted]`` from *config*."""
        manifest = Manifest(
            enabled=(InstanceRef("fcfs", "fcfs"), InstanceRef("scripted", str(Path(scripted.__file__)))),
            kernel=KernelConfig(),
            config={"scripted": dict(config)},
            models={"m": ModelConfig(backend="scripted", source=__file__)},
        )
        self.control.send(BootWorker(model="m", manifest=manifest.dump()))

    def until(self, kind: type[ToSupervisor]) -> list[ToSupervisor]:
        """Everything up to the first message of *kind*."""
        seen: list[ToSupervisor] = []
        while not any(isinstance(message, kind) for message in seen):
            seen += self.control.receive()
        return seen


@pytest.fixture
def child() -> Iterator[Child]:
    """A worker process; killed at the end if it still lives."""
    child = Child()
    yield child
    child.process.kill()
    child.process.wait()
    child.control.close()


def test_boot_progress_ready_serve_stop(child: Child) -> None:
    """The whole life: heartbeats from the start, rising progress, ready with what was loaded, a request, exit 0."""
    child.boot(load_s=0.2)
    seen = child.until(Ready)
    fractions = [message.fraction for message in seen if isinstance(message, Progress)]
    assert isinstance(seen[0], Heartbeat)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    ready = seen[-1]
    assert isinstance(ready, Ready)
    assert ready.limits is not None
    assert ready.limits.max_sequences == 8
    ours, theirs = socket.socketpair()
    child.control.send(Attach(model="m"), [theirs.fileno()])
    theirs.close()
    ours.settimeout(10)
    data = MessageSocket(ours, messages.to_gateway(), messages.to_worker())
    data.send(Submit(5, GenerateRequest(model="m", prompt=TextPrompt("[say:x]"))))
    texts: list[str] = []
    while not texts:
        for message in data.receive():
            if isinstance(message, Events):
                texts += [event.text for _, event in message.events if isinstance(event, TextDelta)]
    assert texts == ["x"]
    child.control.send(Stop())
    assert child.process.wait(10) == 0
    data.close()


def test_a_refusal_is_a_message_and_an_exit_code(child: Child) -> None:
    """A model that does not load is told to the supervisor, which must not restart the worker."""
    child.boot(refuse=True)
    refused = child.until(Refused)[-1]
    assert isinstance(refused, Refused)
    assert refused.error.code == "model_load_failed"
    assert child.process.wait(10) == 3


@pytest.mark.parametrize("load_s", [0.0, 60.0], ids=["serving", "loading"])
def test_the_worker_ends_with_its_supervisor(child: Child, load_s: float) -> None:
    """End-of-file on the control socket ends it at once, also while it loads."""
    child.boot(load_s=load_s)
    child.until(Progress if load_s else Ready)
    child.control.close()
    assert child.process.wait(10) == 0


def test_ctrl_c_is_the_supervisors_to_handle(child: Child) -> None:
    """SIGINT, which a terminal sends to the whole group, does not end a worker."""
    child.boot()
    child.until(Ready)
    os.kill(child.process.pid, signal.SIGINT)
    child.control.send(Stop())
    assert child.process.wait(10) == 0


def test_stop_while_loading(child: Child) -> None:
    """A worker that is told to end before it is ready ends at once."""
    child.boot(load_s=60.0)
    child.until(Progress)
    child.control.send(Stop())
    assert child.process.wait(10) == 0


def test_stop_right_behind_the_boot(child: Child) -> None:
    """Both messages are there when the worker begins to read: the second one is not lost."""
    child.boot(load_s=60.0)
    child.control.send(Stop())
    assert child.process.wait(10) == 0
