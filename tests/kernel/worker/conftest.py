"""Workers on threads, with a gateway's end of their connections in the test's hands."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.kernel.worker.conversations import asked

from jackfield import build_kernel
from jackfield.channel import messages
from jackfield.channel.local import MessageSocket
from jackfield.channel.messages import Events, RequestFailed, Submit, ToGateway, ToWorker
from jackfield.manifest import InstanceRef, KernelConfig, Manifest, ModelConfig
from jackfield.pooled import Pooled, PoolRequest
from jackfield.sampling import SamplingParams
from jackfield.testing import scripted
from jackfield.types import Finished, GenerateRequest, Prompt, TextDelta, TextPrompt
from jackfield.worker.host import WorkerHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.ports.observer import EngineStats

DEADLINE_S = 20.0


def manifest_of(**model: object) -> Manifest:
    """One scripted model, with these fields of ``[models.m]``."""
    fields: dict[str, object] = {"backend": "scripted", "source": __file__, "context": 512, "max_sequences": 2}
    config = ModelConfig(**{**fields, **model})  # type: ignore[arg-type]  # fields by name
    return Manifest(
        enabled=(InstanceRef("fcfs", "fcfs"), InstanceRef("scripted", str(Path(scripted.__file__)))),
        kernel=KernelConfig(default_max_tokens=100),
        models={"m": config},
    )


def loaded(**model: object) -> WorkerHost:
    """A worker that has loaded it."""
    host = WorkerHost(build_kernel(manifest_of(**model)), "m")
    host.load(lambda _: None)
    return host


class Peer:
    """A gateway's end of a worker's connection."""

    def __init__(self, host: WorkerHost) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        host.attach(theirs)
        self.raw = ours
        self.messages: MessageSocket[ToGateway, ToWorker] = MessageSocket(
            ours, messages.to_gateway(), messages.to_worker()
        )
        self.events: dict[int, list[messages.SequenceEvent]] = {}
        self.stats: list[EngineStats] = []

    def submit(self, number: int, prompt: Prompt, *, timeout_s: float | None = None, **fields: object) -> None:
        """Ask for a generation."""
        given = {"sampling": SamplingParams(temperature=0), **fields}
        request = GenerateRequest(model="m", prompt=prompt, **given)  # type: ignore[arg-type]  # fields by name
        self.messages.send(Submit(number, request, timeout_s))

    def chat(self, number: int, text: str, **fields: object) -> None:
        """Ask for an answer to *text*."""
        self.submit(number, asked(text), **fields)  # type: ignore[arg-type]  # fields by name

    def pool(self, number: int, *inputs: object, timeout_s: float | None = None, **fields: object) -> None:
        """Ask a pooled model; texts stand for text prompts."""
        prompts = tuple(TextPrompt(each) if isinstance(each, str) else each for each in inputs)
        given = {"task": "embed", **fields}
        request = PoolRequest(model="m", inputs=prompts, **given)  # type: ignore[arg-type]  # fields by name
        self.messages.send(Submit(number, request, timeout_s))

    def receive(self) -> None:
        """Take in what came."""
        for message in self.messages.receive():
            if isinstance(message, Events):
                for number, event in message.events:
                    self.events.setdefault(number, []).append(event)
            else:
                self.stats.append(message)

    def until_end(self, number: int, answers: int = 1) -> list[messages.SequenceEvent]:
        """All events of a request, once it ended."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            events = self.events.get(number, [])
            finished = sum(isinstance(event, Finished) for event in events)
            if finished >= answers or (events and isinstance(events[-1], RequestFailed | Pooled)):
                return events
            self.receive()
        raise AssertionError(f"request {number} did not end: {self.events.get(number)}")

    def until_text(self, number: int) -> None:
        """Wait for the first text of a request."""
        while not any(isinstance(event, TextDelta) for event in self.events.get(number, [])):
            self.receive()

    def text(self, number: int, index: int = 0) -> str:
        """What answer *index* says, once all of them ended; it must not have failed."""
        events = self.until_end(number)
        return "".join(event.text for event in events if isinstance(event, TextDelta) and event.index == index)

    def end(self, number: int) -> Finished:
        """How a request for one answer ended, which must be well."""
        last = self.until_end(number)[-1]
        assert isinstance(last, Finished), last
        return last

    def failure(self, number: int) -> tuple[str, str | None]:
        """Code and field of the error that a request must have ended with."""
        last = self.until_end(number)[-1]
        assert isinstance(last, RequestFailed), last
        return last.error.code, last.error.param

    def rows(self, number: int) -> Pooled:
        """The result of a pooled request, which must be well."""
        last = self.until_end(number)[-1]
        assert isinstance(last, Pooled), last
        return last


class Serve(Protocol):
    """Starts workers."""

    def __call__(self, **model: object) -> Peer:
        """One with these fields of ``[models.m]``, and a gateway that is connected to it."""
        ...


@pytest.fixture
def running() -> Iterator[Callable[[WorkerHost], Peer]]:
    """Runs workers until the test ends; gives a connection to each."""
    with ExitStack() as resources:

        def run(host: WorkerHost) -> Peer:
            thread = threading.Thread(target=host.run)
            thread.start()
            resources.callback(thread.join, 10)
            resources.callback(host.stop)
            peer = Peer(host)
            resources.callback(peer.messages.close)
            return peer

        yield run


@pytest.fixture
def serve(running: Callable[[WorkerHost], Peer]) -> Serve:
    """Starts workers that end with the test."""

    def start(**model: object) -> Peer:
        return running(loaded(**model))

    return start


@pytest.fixture
def load() -> Callable[..., WorkerHost]:
    """Loads without serving."""
    return loaded


@pytest.fixture
def manifest() -> Callable[..., Manifest]:
    """Makes manifests."""
    return manifest_of


@pytest.fixture
def host() -> WorkerHost:
    """A worker of two answers at once and a context of 512 tokens."""
    return loaded()


@pytest.fixture
def connect() -> Iterator[Callable[[WorkerHost], Peer]]:
    """Connects more gateways."""
    with ExitStack() as resources:

        def make(host: WorkerHost) -> Peer:
            peer = Peer(host)
            resources.callback(peer.messages.close)
            return peer

        yield make


@pytest.fixture
def peer(host: WorkerHost, running: Callable[[WorkerHost], Peer]) -> Peer:
    """A gateway connected to it."""
    return running(host)
