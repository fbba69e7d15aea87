"""Who is let in, and how long the others are told to wait."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message, Tool
from jackfield.context import Room
from jackfield.errors import DeadlineInfeasible, QueueFull
from jackfield.gateway.admission import RETRY_MAX_S, RETRY_MIN_S, Admission, Load
from jackfield.gateway.backlog import Backlog, estimated_tokens
from jackfield.gateway.forecast import Forecast, Service
from jackfield.ports.observer import EngineStats
from jackfield.types import Prompt, TextPrompt, TokenPrompt


def stats(*, running: int = 0, steps: int = 1, drawn: int = 0, step_s: float = 0.0, wait_s: float = 0.0) -> EngineStats:
    """A report."""
    return EngineStats(running, 0, 0, 4096, steps, 0, drawn, 0, step_s, 0.0, 0.0, wait_s=wait_s)


def forecast(slots: int = 4, *services: Service) -> Forecast:
    """One that has seen some answers."""
    made = Forecast(slots)
    for service in services:
        made.served(service)
    return made


# --- who is let in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_flight", "answers", "admitted"),
    [(0, 1, True), (5, 1, True), (6, 1, False), (7, 1, False), (2, 4, True), (3, 4, False)],
)
def test_slots_and_queue_are_counted(in_flight: int, answers: int, *, admitted: bool) -> None:
    """Four slots and two places to wait; who is refused is not told of room before it may come back."""
    admission = Admission(slots=4, queue=2)
    if admitted:
        admission.admit(Load(in_flight), answers)
    else:
        with pytest.raises(QueueFull) as refused:
            admission.admit(Load(in_flight), answers)
        assert refused.value.room is not None
        assert refused.value.room.reset_s == refused.value.retry_after == RETRY_MIN_S


@pytest.mark.parametrize(("timeout_s", "admitted"), [(None, True), (5.1, True), (4.9, False), (0.001, False)])
def test_what_cannot_begin_in_time_is_refused(timeout_s: float | None, *, admitted: bool) -> None:
    """At once, with the time after which there will be room."""
    admission = Admission(slots=4, queue=20)
    admission.forecast.served(Service(2.0))
    if admitted:
        admission.admit(Load(13), 1, timeout_s)
    else:
        with pytest.raises(DeadlineInfeasible) as refused:
            admission.admit(Load(13), 1, timeout_s)
        assert refused.value.retry_after == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("in_flight", "left", "reset_s"), [(0, 6, 0.0), (1, 5, 0.5), (4, 2, 2.0), (6, 0, 3.0), (9, 0, 4.5)]
)
def test_room_is_what_is_left_of_slots_and_queue(in_flight: int, left: int, reset_s: float) -> None:
    """All of it is free again when everything that is there has ended."""
    admission = Admission(slots=4, queue=2)
    admission.forecast.served(Service(2.0))
    assert admission.room(Load(in_flight)) == pytest.approx(Room(6, left, reset_s))


@given(
    services=st.lists(
        st.builds(Service, st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 10**6), st.integers(0, 10**6)),
        max_size=5,
    ),
    reports=st.lists(
        st.builds(
            stats,
            running=st.integers(0, 300),
            steps=st.integers(0, 10),
            drawn=st.integers(0, 10**9),
            step_s=st.floats(0, 1e6),
            wait_s=st.floats(0, 1e6),
        ),
        max_size=5,
    ),
    slots=st.integers(1, 256),
    load=st.builds(Load, st.integers(0, 10_000), st.integers(0, 10**9)),
)
def test_retry_after_is_sane(services: list[Service], reports: list[EngineStats], slots: int, load: Load) -> None:
    """Whatever was measured, a client is told between one second and one minute."""
    admission = Admission(slots, queue=0)
    for service in services:
        admission.forecast.served(service)
    for number, report in enumerate(reports):
        admission.forecast.reported(report, float(number))
    assert RETRY_MIN_S <= admission.retry_after(load) <= RETRY_MAX_S


# --- how long one waits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_flight", "answers", "expected"), [(0, 1, 0.0), (3, 1, 0.0), (4, 1, 0.5), (13, 1, 5.0), (2, 4, 1.0)]
)
def test_before_any_report_places_decide(in_flight: int, answers: int, expected: float) -> None:
    """Those that must end before, four at a time, two seconds each."""
    assert forecast(4, Service(2.0)).wait_s(in_flight, answers, 0, 0.0) == pytest.approx(expected)


def test_live_throughput_decides_as_soon_as_it_is_known() -> None:
    """Answers of 50 tokens; with all places taken a token comes every 5 ms, and later every 20 ms."""
    made = forecast(4, Service(2.0, 0.0, 1, 50))
    made.reported(stats(running=4, steps=1), 0.0)
    made.reported(stats(running=4, steps=11, drawn=40, step_s=0.2), 0.2)
    assert made.wait_s(13, 1, 0, 0.2) == pytest.approx(10 * 50 * 0.005)
    for turn in range(1, 40):
        made.reported(stats(running=4, steps=11 + turn, drawn=40 + 10 * turn, step_s=0.2 + 0.2 * turn), 0.2 + turn)
    assert made.wait_s(13, 1, 0, 40.0) == pytest.approx(10 * 50 * 0.02, rel=0.01)


def test_what_is_measured_while_places_are_free_says_nothing_of_a_full_worker() -> None:
    """One answer alone takes a whole step for each token; with four of them each step has four."""
    made = forecast(4, Service(2.0, 0.0, 1, 50))
    made.reported(stats(running=1, steps=1), 0.0)
    made.reported(stats(running=1, steps=11, drawn=10, step_s=0.2), 0.2)
    assert made.wait_s(13, 1, 0, 0.2) == pytest.approx(5.0)


def test_a_worker_that_was_started_again_begins_anew() -> None:
    """Its totals are smaller than before; no time runs backwards."""
    made = forecast(1, Service(1.0, 0.0, 1, 10))
    made.reported(stats(running=1, steps=100, drawn=1000, step_s=50.0), 0.0)
    made.reported(stats(running=1, steps=5, drawn=5, step_s=0.1), 1.0)
    assert made.wait_s(1, 1, 0, 1.0) == pytest.approx(1.0)
    made.reported(stats(running=1, steps=15, drawn=15, step_s=0.6), 2.0)
    assert made.wait_s(1, 1, 0, 2.0) == pytest.approx(10 * 0.05)


@pytest.mark.parametrize(("later", "expected"), [(0.0, 3.0), (1.0, 2.0), (3.0, 0.0), (60.0, 0.0)])
def test_the_workers_own_figure_counts_and_ages(later: float, expected: float) -> None:
    """Also where places are free: long prompts are computed one after the other."""
    made = forecast(4)
    made.reported(stats(wait_s=3.0), 10.0)
    assert made.wait_s(0, 1, 0, 10.0 + later) == pytest.approx(expected)


def test_prompts_that_no_report_knows_are_added() -> None:
    """At what prompts took lately, beyond the step that any token takes."""
    made = forecast(4, Service(held_s=1.5, prefill_s=0.6, prompt_tokens=501, drawn=10))
    made.reported(stats(wait_s=3.0), 0.0)
    assert made.wait_s(0, 1, 2000, 0.0) == pytest.approx(3.0 + 2000 * 0.001)


def test_short_prompts_do_not_make_long_ones_look_slow() -> None:
    """Five tokens take about as long as one: what they say of a thousand is the little that they took more."""
    made = forecast(4, *[Service(held_s=1.024, prefill_s=0.024, prompt_tokens=5, drawn=51)] * 10)
    assert made.wait_s(0, 1, 1000, 0.0) == pytest.approx(1.0)


# --- prompts under way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        (TextPrompt(""), 0),
        (TextPrompt("x" * 400), 100),
        (TextPrompt("语" * 400), 300),
        (TextPrompt("😀" * 400), 400),
        (TextPrompt("\ud800" * 400), 100),
        (ChatPrompt((Message("user", "x" * 30), Message("assistant", "y" * 10))), 10 + 2 * 4),
        (ChatPrompt((Message("user", ""),) * 1000), 4000),
        (ChatPrompt((Message("user", ""),), tools=tuple(Tool(name=f"{n:060}") for n in range(100))), 4 + 1500),
        (TokenPrompt((1, 2, 3)), 3),
    ],
)
def test_tokens_are_estimated(prompt: Prompt, tokens: int) -> None:
    """Before anybody has counted them."""
    assert estimated_tokens(prompt) == tokens


def test_a_prompt_counts_until_a_report_can_know_it() -> None:
    """Estimated, then counted, then reported; one that ends before is forgotten."""
    backlog = Backlog()
    for number in (1, 2, 3):
        backlog.sent(number, TextPrompt("x" * 400))
    assert backlog.tokens == 300
    backlog.measured(1, 150)
    assert backlog.tokens == 350
    backlog.reported()
    assert backlog.tokens == 200
    backlog.gone(1)
    backlog.gone(2)
    assert backlog.tokens == 100
    backlog.measured(3, 7)
    backlog.gone(3)
    assert (backlog.tokens, bool(backlog)) == (0, False)


@given(st.lists(st.tuples(st.sampled_from(["sent", "measured", "gone", "reported"]), st.integers(0, 5)), max_size=60))
def test_the_backlog_never_leaks(steps: list[tuple[str, int]]) -> None:
    """However events interleave, it is empty when all requests have ended."""
    backlog, under_way = Backlog(), set[int]()
    for step, number in steps:
        if step == "sent" and number not in under_way:
            backlog.sent(number, TextPrompt("x" * 40))
            under_way.add(number)
        elif step == "measured":
            backlog.measured(number, 3)
        elif step == "gone":
            backlog.gone(number)
            under_way.discard(number)
        else:
            backlog.reported()
        assert backlog.tokens >= 0
    for number in under_way:
        backlog.gone(number)
    assert (backlog.tokens, bool(backlog)) == (0, False)


# --- a simulated burst ------------------------------------------------------------------------------------------------

SLOTS, PROMPT = 4, 100
STEP_S, TOKEN_S, REPORT_S = 0.010, 0.001, 0.25


class Running(NamedTuple):
    """An answer that holds a place."""

    number: int
    prompt: int
    length: int
    drawn: int = 0


class Worker:
    """Computes prompts one after the other and draws a token for every running answer in each step."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast = forecast
        self.lengths = Random(4)
        self.now = 0.0
        self.waiting: list[int] = []
        self.running: list[Running] = []
        self.first_step: dict[int, float] = {}
        self.drawn, self.steps, self.step_s, self.reported_at = 0, 0, 0.0, 0.0

    def step(self) -> None:
        """One step, and a report where it is time for one."""
        while self.waiting and len(self.running) < SLOTS:
            number = self.waiting.pop(0)
            self.first_step[number] = self.now
            self.running.append(Running(number, PROMPT, self.lengths.randint(10, 90)))
        prefilling = next((each.number for each in self.running if each.prompt), None)
        took = STEP_S + (PROMPT * TOKEN_S if prefilling is not None else 0.0)
        after = []
        for each in self.running:
            if each.prompt and each.number != prefilling:
                after.append(each)
                continue
            self.drawn += 1
            if each.drawn + 1 < each.length:
                after.append(Running(each.number, 0, each.length, each.drawn + 1))
            else:
                held = self.now + took - self.first_step[each.number]
                self.forecast.served(Service(held, STEP_S + PROMPT * TOKEN_S, PROMPT, each.length))
        self.running = after
        self.now, self.steps, self.step_s = self.now + took, self.steps + 1, self.step_s + took
        if self.now - self.reported_at >= REPORT_S:
            self.reported_at = self.now
            ahead = sum(each.prompt for each in self.running) * TOKEN_S
            report = stats(
                running=len(self.running), steps=self.steps, drawn=self.drawn, step_s=self.step_s, wait_s=ahead
            )
            self.forecast.reported(report, self.now)


def test_a_burst_is_predicted() -> None:
    """While others are being answered, forty come at once: each learns, within a fifth, how long it will wait."""
    forecast = Forecast(SLOTS)
    worker = Worker(forecast)
    worker.waiting = list(range(40))
    while worker.waiting:
        worker.step()
    came, told = worker.now, dict[int, float]()
    for number in range(100, 140):
        in_flight = len(worker.running) + len(worker.waiting)
        told[number] = forecast.wait_s(in_flight, 1, len(worker.waiting) * PROMPT, worker.now)
        worker.waiting.append(number)
    while worker.waiting:
        worker.step()
    assert sorted(told.values()) == list(told.values())
    for number in range(110, 140):
        assert told[number] == pytest.approx(worker.first_step[number] - came, rel=0.2), number
