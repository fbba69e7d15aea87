"""Grammars that take long to compile: whoever does not need them goes on, and nobody waits for another's."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield import build_kernel
from jackfield.channel.messages import Cancel, Submit
from jackfield.manifest import InstanceRef
from jackfield.ports.constraint import GrammarText
from jackfield.sampling import SamplingParams
from jackfield.testing.scripted_constraints import ChoiceEngine
from jackfield.types import GenerateRequest, TextPrompt
from jackfield.worker import compiling
from jackfield.worker.compiling import CompilingThreads, Job
from jackfield.worker.host import WorkerHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kernel.worker.conftest import Peer

    from jackfield.manifest import Manifest
    from jackfield.ports.constraint import Constraint
    from jackfield.testing.scripted_constraints import ChoiceGrammar

WAIT_S = 20.0

PLUGIN = """
from jackfield import hookimpl
from jackfield.testing.scripted_constraints import ChoiceEngine

@hookimpl
def jackfield_constraints(instance):
    return {instance.name: ChoiceEngine}
"""


class Held:
    """Has what begins with ``slow`` compiled until the test has enough of it."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.threads: set[str] = set()
        """Names of those that compiled."""

    def compile(self, engine: ChoiceEngine, constraint: Constraint) -> ChoiceGrammar:
        """Stands for ``ChoiceEngine.compile``."""
        self.threads.add(threading.current_thread().name)
        if isinstance(constraint, GrammarText) and constraint.text.startswith("slow"):
            self.began.release()
            assert self.may_end.acquire(timeout=WAIT_S)
        return _compile(engine, constraint)

    def await_begin(self) -> None:
        """Until a slow one is being compiled."""
        assert self.began.acquire(timeout=WAIT_S)


_compile = ChoiceEngine.compile


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Holds compilations, until the test is over."""
    held = Held()

    def compile_slowly(engine: ChoiceEngine, constraint: Constraint) -> ChoiceGrammar:
        return held.compile(engine, constraint)

    monkeypatch.setattr(ChoiceEngine, "compile", compile_slowly)
    yield held
    held.may_end.release(1000)


@pytest.fixture
def host(held: Held, tmp_path: Path, manifest: Callable[..., Manifest]) -> WorkerHost:
    """A worker with that engine."""
    file = tmp_path / "slow.py"
    file.write_text(PLUGIN)
    options = manifest(max_sequences=4)
    enabled = (*options.enabled, InstanceRef("slow", str(file)))
    host = WorkerHost(build_kernel(msgspec.structs.replace(options, enabled=enabled)), "m")
    host.load(lambda _: None)
    return host


@pytest.fixture
def peer(host: WorkerHost, held: Held, running: Callable[[WorkerHost], Peer]) -> Iterator[Peer]:
    """A gateway of it."""
    yield running(host)
    held.may_end.release(1000)


def ask(peer: Peer, number: int, text: str, tenant: str = "", timeout_s: float | None = None) -> None:
    """A grammar's answer."""
    request = GenerateRequest(
        model="m",
        prompt=TextPrompt("<user>[say:x]\n<assistant>"),
        sampling=SamplingParams(temperature=0),
        constraint=GrammarText("lark", text),
    )
    peer.messages.send(Submit(number, request, timeout_s, tenant))


def test_others_pass(peer: Peer, held: Held) -> None:
    """Who wants no grammar, and another tenant's cheap ones, many times over; each tenant's own wait their turn."""
    for number in range(3):
        ask(peer, number, f"slow {number}", tenant="hog")
    held.await_begin()
    ask(peer, 3, "hog's quick one", tenant="hog")
    for number in range(10, 20):
        peer.chat(number, "[say:free]")
        ask(peer, number + 10, "quick", tenant="other")
    assert all(peer.text(number) == "free" for number in range(10, 20))
    assert all(peer.text(number) == "quick" for number in range(20, 30))
    assert not peer.events.keys() & {0, 1, 2, 3}
    held.may_end.release(3)
    assert [peer.text(number) for number in range(4)] == ["slow 0", "slow 1", "slow 2", "hog's quick one"]


def test_cancelled_while_it_compiles(peer: Peer, held: Held) -> None:
    """Both what is being compiled and what waits behind it; then the next one has its turn."""
    ask(peer, 1, "slow a")
    held.await_begin()
    ask(peer, 2, "slow b")
    ask(peer, 3, "quick")
    peer.messages.send(Cancel(1))
    peer.messages.send(Cancel(2))
    peer.chat(4, "[say:done]")  # cancels were read before it
    assert peer.text(4) == "done"
    held.may_end.release()
    assert peer.text(3) == "quick"
    assert not peer.events.keys() & {1, 2}
    assert not held.began.acquire(blocking=False), "nobody wanted it"


def test_a_deadline_holds_while_it_compiles(peer: Peer, held: Held) -> None:
    """The client is told at once, whatever the compilation does."""
    ask(peer, 1, "slow a", timeout_s=0.05)
    held.await_begin()
    assert peer.failure(1) == ("deadline_exceeded", None)


def test_the_end_is_not_held_up(
    monkeypatch: pytest.MonkeyPatch, host: WorkerHost, held: Held, connect: Callable[[WorkerHost], Peer]
) -> None:
    """By an engine that never comes back; and what was not begun never begins."""
    monkeypatch.setattr(compiling, "_JOIN_S", 0.05)
    before = {*threading.enumerate()}
    thread = threading.Thread(target=host.run)
    thread.start()
    peer = connect(host)
    for number in range(3):
        ask(peer, number, f"slow {number}")
    held.await_begin()
    host.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    held.may_end.release(3)
    for left in {*threading.enumerate()} - before:
        left.join(WAIT_S)
    assert not held.began.acquire(blocking=False)


class Asker:
    """A request's handle, as far as the threads look at it."""

    def __init__(self, *, cancelled: bool = False) -> None:
        self.cancelled = cancelled


def test_tenants_take_turns() -> None:
    """In the order of their first requests; jobs of one tenant in their own."""
    threads, done = CompilingThreads(), list[str]()
    gates = {name: threading.Event() for name in "ab"}
    started = {name: threading.Event() for name in "ab"}
    finished = threading.Semaphore(0)

    def hold(name: str) -> None:
        started[name].set()
        assert gates[name].wait(WAIT_S)

    def note(what: str) -> None:
        done.append(what)
        finished.release()

    for name in "ab":  # a thread each
        threads.put(name, Job(Asker(), partial(hold, name)))  # type: ignore[arg-type]
        assert started[name].wait(WAIT_S)
    for what in ("a1", "a2", "a3", "c1", "c2", "d1"):
        threads.put(what[0], Job(Asker(), partial(note, what)))  # type: ignore[arg-type]
    gates["a"].set()
    for _ in range(6):
        assert finished.acquire(timeout=WAIT_S)
    gates["b"].set()
    threads.stop()
    assert done == ["a1", "c1", "d1", "a2", "c2", "a3"]


def test_the_end_waits_for_what_is_being_compiled() -> None:
    """What the engine compiles with is taken apart right after."""
    threads, gate, started = CompilingThreads(), threading.Event(), threading.Event()
    done: list[str] = []

    def hold() -> None:
        started.set()
        assert gate.wait(WAIT_S)
        done.append("held")

    threads.put("a", Job(Asker(), hold))  # type: ignore[arg-type]
    assert started.wait(WAIT_S)
    ending = threading.Thread(target=threads.stop)
    ending.start()
    gate.set()
    ending.join(WAIT_S)
    assert done == ["held"]


def test_what_nobody_wants_any_more_fills_no_memory() -> None:
    """A client that asks and hangs up, over and over, while its first schema is compiled."""
    threads, gate, started = CompilingThreads(), threading.Event(), threading.Event()
    dropped: list[int] = []

    def hold() -> None:
        started.set()
        assert gate.wait(WAIT_S)

    threads.put("a", Job(Asker(), hold))  # type: ignore[arg-type]
    assert started.wait(WAIT_S)
    for number in range(1000):
        threads.put("a", Job(Asker(cancelled=True), partial(dropped.append, number)))  # type: ignore[arg-type]
    assert len(dropped) > 900
    gate.set()
    threads.stop()


def test_the_intake_thread_compiles_nothing(peer: Peer, held: Held) -> None:
    """It asks for what is kept, and leaves the rest to others."""
    ask(peer, 1, "quick")
    assert peer.text(1) == "quick"
    assert {name.partition("-")[0] for name in held.threads} == {"compiling"}
