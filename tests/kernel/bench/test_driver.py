"""Pressing a real gateway whose model plays scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest

from jackfield.bench.driver import Goal, Level
from jackfield.bench.session import Plan, Session
from jackfield.client.connection import ApiError
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.target import Target

    Servers: TypeAlias = "Callable[[str], Target]"

PLAN = Plan(
    url="",
    model=None,
    levels=(Level(concurrency=3),),
    goal=Goal(requests=7, duration_s=None),
    load="random",
    input_tokens=20,
    output_tokens=4,
    ignore_eos=True,
    seed=1,
)


class Notes:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self.count = 0

    def begin(self, level: Level) -> None:
        self.levels.append(level)

    def noted(self) -> None:
        self.count += 1


@pytest.fixture
def plan(servers: Servers) -> Plan:
    """Against a scripted server."""
    return msgspec.structs.replace(PLAN, url=servers(scripted_manifest(kernel="queue = 100")).url)


def test_closed_loop(plan: Plan, background: BackgroundLoop) -> None:
    """So many requests, with their tokens as the server counts them."""
    notes = Notes()
    session = Session(plan, None, notes)
    background.run(session.run())
    (result,) = session.results()
    assert (result.summary.requests, result.summary.failed) == (7, 0)
    assert result.summary.mean_output_tokens == 4
    # the scripted model has a token a byte, of which the template adds a few
    assert 20 <= result.summary.mean_input_tokens <= 60
    assert notes.levels == [Level(concurrency=3)]
    assert notes.count == 8
    assert session.model == "scripted"


def test_open_loop_ends_after_its_time(plan: Plan, background: BackgroundLoop) -> None:
    """Arrivals do not wait for answers."""
    timed = msgspec.structs.replace(
        plan, levels=(Level(rate=200.0),), goal=Goal(requests=None, duration_s=0.3), load="mixed"
    )
    session = Session(timed, None, Notes())
    background.run(session.run())
    (result,) = session.results()
    assert result.summary.requests > 5
    assert result.summary.duration_s >= 0.25


def test_failures_are_counted(servers: Servers, background: BackgroundLoop) -> None:
    """By the server's code for them."""
    url = servers(scripted_manifest({"scripted": "max_sequences = 1"}, kernel="queue = 0")).url
    crowded = msgspec.structs.replace(
        PLAN, url=url, levels=(Level(concurrency=8),), goal=Goal(requests=40, duration_s=None)
    )
    session = Session(crowded, None, Notes())
    background.run(session.run())
    (result,) = session.results()
    assert result.summary.errors.keys() == {"queue_full"}
    assert result.summary.failed < result.summary.requests


def test_an_unknown_model_is_no_measurement(plan: Plan, background: BackgroundLoop) -> None:
    """The server's own words instead of a table of failures."""
    with pytest.raises(ApiError, match="does not exist"):
        background.run(Session(msgspec.structs.replace(plan, model="nope"), None, Notes()).run())


def test_prompts_that_do_not_fit(plan: Plan, background: BackgroundLoop) -> None:
    """Nothing is measured where not one request can succeed."""
    huge = msgspec.structs.replace(plan, input_tokens=500_000)
    with pytest.raises(ApiError, match="context_length_exceeded"):
        background.run(Session(huge, None, Notes()).run())
