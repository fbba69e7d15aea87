"""What operators ask of workers' caches: tickets, answers that come late or never, and strangers' answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest
from tests.kernel.supervisor.played import Child, child, started

from jackfield.cache_report import CacheCleared, CacheReport
from jackfield.channel.messages import AskCache, CacheAnswered, Ready
from jackfield.channel.operator import AskCaches, CacheRead, CachesAsked, Declined, ReadCache
from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.supervisor.answers import Answers, End
from jackfield.supervisor.inquiries import INQUIRIES_MAX, Inquiries
from jackfield.supervisor.live_changes import LiveChanges
from jackfield.supervisor.live_manifest import LiveManifest
from jackfield.supervisor.report import Report

if TYPE_CHECKING:
    from jackfield.supervisor.slot import Slot


@pytest.fixture
def worker() -> Slot:
    """A worker that serves."""
    made = started("m")
    made.take(Ready())
    return made


def test_a_question_is_passed_on_and_its_answer_read_once(worker: Slot) -> None:
    """Nothing is kept afterwards."""
    inquiries = Inquiries()
    ticket = inquiries.ask(worker, clear=True)
    assert ticket is not None
    assert child(worker).told == [AskCache(ticket=ticket, clear=True)]
    assert inquiries.read(ticket) == CacheRead()
    answer = CacheCleared(prefixes=3)
    inquiries.answered(child(worker), CacheAnswered(ticket=ticket, answer=answer))
    assert inquiries.read(ticket) == CacheRead(answer=answer)
    assert inquiries.read(ticket).lost


def test_who_does_not_serve_is_not_asked() -> None:
    """It could not answer."""
    loading = started("m")
    assert Inquiries().ask(loading, clear=False) is None
    assert child(loading).told == []
    loading.exited("ended by SIGKILL")
    assert Inquiries().ask(loading, clear=False) is None


def test_a_worker_that_died_answers_no_more(worker: Slot) -> None:
    """Whoever waits is told, also when the next process is there already."""
    inquiries = Inquiries()
    ticket = inquiries.ask(worker, clear=False)
    assert ticket is not None
    before = child(worker)
    worker.exited("ended by SIGKILL")
    assert "ended by SIGKILL" in inquiries.read(ticket).lost
    inquiries.answered(before, CacheAnswered(ticket=ticket, answer=CacheReport()))
    assert inquiries.read(ticket).answer is None


def test_nobody_answers_for_another(worker: Slot) -> None:
    """A worker runs plugins' code; it may say what it wants of itself only."""
    inquiries = Inquiries()
    ticket = inquiries.ask(worker, clear=False)
    assert ticket is not None
    inquiries.answered(Child(), CacheAnswered(ticket=ticket, answer=CacheReport(prefixes=666)))
    inquiries.answered(child(worker), CacheAnswered(ticket=ticket + 1, answer=CacheReport(prefixes=666)))
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
    workers = [started(name) for name in models]
    workers[0].take(Ready())
    manifest = Manifest(enabled=(), kernel=KernelConfig(), models=models)
    live = LiveManifest(manifest, lambda: manifest)
    answers = Answers(
        manifest,
        started=0,
        gateway=started("gateway"),
        workers=workers,
        logs={},
        changes=LiveChanges(
            live, lambda _message: None, started("gateway"), workers, create_autospec(Report), lambda: 0.0
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
    answers.answered(child(workers[0]), CacheAnswered(ticket=asked.ticket, answer=CacheCleared(prefixes=1)))
    assert answers.answer(ReadCache(ticket=asked.ticket)) == CacheRead(answer=CacheCleared(prefixes=1))
    refused = answers.answer(AskCaches(model="three"))
    assert isinstance(refused, Declined)
    assert "one, two" in refused.message
