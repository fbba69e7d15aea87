"""What operators ask of workers' caches: tickets, answers that come late or never, and strangers' answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest

from jackfield.cache_report import CacheCleared, CacheReport
from jackfield.channel.messages import AskCache, CacheAnswered, Ready
from jackfield.channel.operator import AskCaches, CacheRead, CachesAsked, Declined, ReadCache
from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.supervisor.answers import Answers, End
from jackfield.supervisor.backoff import Backoff
from jackfield.supervisor.inquiries import INQUIRIES_MAX, Inquiries
from jackfield.supervisor.live_changes import LiveChanges
from jackfield.supervisor.live_manifest import LiveManifest
from jackfield.supervisor.report import Report
from jackfield.supervisor.slot import Patience, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.messages import ToChild


class Worker:
    """A process that remembers what it was asked."""

    pid = 1

    def __init__(self) -> None:
        self.asked: list[ToChild] = []

    def send(self, message: ToChild, descriptors: Sequence[int] = ()) -> None:
        """Remember it."""
        assert not descriptors
        self.asked.append(message)

    def kill(self) -> None:
        """It lives as long as the test."""


def slot(name: str = "m") -> Slot:
    """A worker that is loading."""
    made = Slot(
        name,
        start=lambda _: Worker(),
        changed=lambda _: None,
        patience=Patience(60, 60),
        backoff=Backoff(1.0),
        clock=lambda: 0.0,
    )
    made.start()
    return made


@pytest.fixture
def worker() -> Slot:
    """A worker that serves."""
    made = slot()
    made.take(Ready())
    return made


def process(of: Slot) -> Worker:
    """Its process."""
    assert isinstance(of.child, Worker)
    return of.child


def test_a_question_is_passed_on_and_its_answer_read_once(worker: Slot) -> None:
    """Nothing is kept afterwards."""
    inquiries = Inquiries()
    ticket = inquiries.ask(worker, clear=True)
    assert ticket is not None
    assert process(worker).asked == [AskCache(ticket=ticket, clear=True)]
    assert inquiries.read(ticket) == CacheRead()
    answer = CacheCleared(prefixes=3)
    inquiries.answered(process(worker), CacheAnswered(ticket=ticket, answer=answer))
    assert inquiries.read(ticket) == CacheRead(answer=answer)
    assert inquiries.read(ticket).lost


def test_who_does_not_serve_is_not_asked() -> None:
    """It could not answer."""
    loading = slot()
    assert Inquiries().ask(loading, clear=False) is None
    assert process(loading).asked == []
    loading.exited("ended by SIGKILL")
    assert Inquiries().ask(loading, clear=False) is None


def test_a_worker_that_died_answers_no_more(worker: Slot) -> None:
    """Whoever waits is told, also when the next process is there already."""
    inquiries = Inquiries()
    ticket = inquiries.ask(worker, clear=False)
    assert ticket is not None
    before = process(worker)
    worker.exited("ended by SIGKILL")
    assert "ended by SIGKILL" in inquiries.read(ticket).lost
    inquiries.answered(before, CacheAnswered(ticket=ticket, answer=CacheReport()))
    assert inquiries.read(ticket).answer is None


def test_nobody_answers_for_another(worker: Slot) -> None:
    """A worker runs plugins' code; it may say what it wants of itself only."""
    inquiries = Inquiries()
    ticket = inquiries.ask(worker, clear=False)
    assert ticket is not None
    inquiries.answered(Worker(), CacheAnswered(ticket=ticket, answer=CacheReport(prefixes=666)))
    inquiries.answered(process(worker), CacheAnswered(ticket=ticket + 1, answer=CacheReport(prefixes=666)))
    assert inquiries.read(ticket) == CacheRead()


def test_questions_that_nobody_reads_the_answers_of_make_room(worker: Slot) -> None:
    """The oldest ones."""
    inquiries = Inquiries()
    tickets = [inquiries.ask(worker, clear=False) for _ in range(INQUIRIES_MAX + 5)]
    lost = [ticket for ticket in tickets if ticket is not None and inquiries.read(ticket).lost]
    assert lost == tickets[:5]


def test_models_are_asked_by_name_or_alias_or_all() -> None:
    """An unknown one is refused, with those that there are."""
    models = {name: ModelConfig(source="x", aliases=(f"{name}-alias",)) for name in ("one", "two")}
    workers = [slot(name) for name in models]
    workers[0].take(Ready())
    manifest = Manifest(enabled=(), kernel=KernelConfig(), models=models)
    live = LiveManifest(manifest, lambda: manifest)
    answers = Answers(
        manifest,
        started=0,
        gateway=slot("gateway"),
        workers=workers,
        logs={},
        changes=LiveChanges(
            live, lambda _message: None, slot("gateway"), workers, create_autospec(Report), lambda: 0.0
        ),
        end=End(lambda: None, lambda: False),
    )
    both = answers.answer(AskCaches())
    assert isinstance(both, CachesAsked)
    assert [(each.model, each.state, each.ticket is None) for each in both.workers] == [
        ("one", "ready", False),
        ("two", "starting", True),
    ]
    one = answers.answer(AskCaches(model="one-alias", clear=True))
    assert isinstance(one, CachesAsked)
    [asked] = one.workers
    assert asked.ticket is not None
    answers.answered(process(workers[0]), CacheAnswered(ticket=asked.ticket, answer=CacheCleared(prefixes=1)))
    assert answers.answer(ReadCache(ticket=asked.ticket)) == CacheRead(answer=CacheCleared(prefixes=1))
    refused = answers.answer(AskCaches(model="three"))
    assert isinstance(refused, Declined)
    assert "one, two" in refused.message
