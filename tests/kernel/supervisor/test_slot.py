"""One child's place: restarts, deadlines, and what it may say when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jackfield.channel.messages import Heartbeat, Progress, Ready, Refused, Stop
from jackfield.error_record import ErrorRecord
from jackfield.errors import ModelLoadError
from jackfield.lifecycle import WorkerState
from jackfield.supervisor.backoff import JITTER, LONGEST_S, STABLE_S, Backoff
from jackfield.supervisor.slot import FIRST_WORD_S, SILENCE_S, STOP_GRACE_S, Patience, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.channel.messages import ToChild, ToSupervisor

REFUSED = Refused(error=ErrorRecord.of(ModelLoadError("m.gguf is truncated")))


class FakeProcess:
    """A process that only remembers."""

    pid = 4711

    def __init__(self) -> None:
        self.sent: list[ToChild] = []
        self.killed = False

    def send(self, message: ToChild, descriptors: Sequence[int] = ()) -> None:
        """Remember it."""
        assert not descriptors
        self.sent.append(message)

    def kill(self) -> None:
        """Remember it."""
        self.killed = True


class Bench:
    """A slot with its clock and its processes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.processes: list[FakeProcess] = []
        self.told: list[tuple[str, str]] = []
        self.cannot_start = False
        self.others = ""
        self.slot = Slot(
            "m",
            start=self._start,
            changed=lambda slot: self.told.append((slot.state, slot.reason)),
            patience=Patience(load_s=60, step_s=20),
            backoff=Backoff(1.0, uniform=lambda low, high: (low + high) / 2),
            clock=lambda: self.now,
            turn=lambda: self.others,
        )

    def _start(self, slot: Slot) -> FakeProcess:
        assert slot is self.slot
        if self.cannot_start:
            raise OSError(11, "Resource temporarily unavailable")
        self.processes.append(FakeProcess())
        return self.processes[-1]

    @property
    def process(self) -> FakeProcess:
        """The latest one."""
        return self.processes[-1]

    def up(self) -> Bench:
        """Started and ready."""
        self.slot.start()
        self.slot.take(Ready())
        return self

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.slot.tick()


def test_progress_is_told_once_per_percent() -> None:
    """The text "loading 43 %" is worth a message; the same number again is not."""
    bench = Bench()
    bench.slot.start()
    for fraction in (0.0, 0.43, 0.431, 0.44, 1.0):
        bench.slot.take(Progress(fraction=fraction))
    bench.slot.take(Ready())
    reasons = ["", "loading 0 %", "loading 43 %", "loading 44 %", "loading 100 %", ""]
    assert [reason for _, reason in bench.told] == reasons
    assert bench.slot.state is WorkerState.READY


def test_delays_double_up_to_a_minute_and_start_over_after_a_stable_time() -> None:
    """1, 2, 4, … 60 s; having served for five minutes counts as healthy."""
    bench = Bench()
    bench.slot.start()
    delays = []
    for _ in range(8):
        bench.slot.exited("ended by SIGKILL")
        assert bench.slot.restart_at is not None
        delays.append(bench.slot.restart_at - bench.now)
        bench.wait(delays[-1])
    assert delays == pytest.approx([1, 2, 4, 8, 16, 32, LONGEST_S, LONGEST_S])
    assert bench.slot.restarts == 8
    bench.slot.take(Ready())
    bench.now += STABLE_S
    bench.slot.exited("ended by SIGKILL")
    assert bench.told[-1] == ("backoff", "ended by SIGKILL; restarting in 1.0 s")


def test_delays_vary_by_a_tenth() -> None:
    """So that servers hit by one fault do not restart in step."""
    delays = [Backoff(1.0).delay(0) for _ in range(200)]
    assert 1 - JITTER <= min(delays) < max(delays) <= 1 + JITTER


def test_nothing_restarts_before_its_time() -> None:
    """A restart waits for the delay."""
    bench = Bench().up()
    bench.slot.exited("ended by SIGKILL")
    bench.wait(0.9)
    assert len(bench.processes) == 1
    bench.wait(0.2)
    assert len(bench.processes) == 2
    assert bench.slot.state is WorkerState.STARTING


def test_a_system_that_cannot_start_a_process_is_tried_again() -> None:
    """A failed fork is a death like any other."""
    bench = Bench()
    bench.cannot_start = True
    bench.slot.start()
    assert bench.told == [
        ("backoff", "could not be started: Resource temporarily unavailable; restarting in 1.0 s"),
    ]
    bench.cannot_start = False
    bench.wait(1.1)
    assert bench.slot.state is WorkerState.STARTING


def test_silence_ends_a_child() -> None:
    """Ten seconds without a heartbeat; the reason names it."""
    bench = Bench().up()
    bench.wait(SILENCE_S - 1)
    bench.slot.take(Heartbeat())
    bench.wait(SILENCE_S)
    assert not bench.process.killed
    bench.wait(1)
    assert bench.process.killed
    bench.slot.exited("ended by SIGKILL")
    assert bench.slot.reason == "gave no sign of life for 10 s; restarting in 1.0 s"


def test_a_first_word_may_take_longer() -> None:
    """Python has to import modules before the first heartbeat."""
    bench = Bench()
    bench.slot.start()
    bench.wait(FIRST_WORD_S)
    assert not bench.process.killed
    bench.wait(1)
    assert bench.process.killed


def test_a_supervisor_that_was_held_up_blames_nobody() -> None:
    """A suspended machine: silence proves nothing."""
    bench = Bench().up()
    bench.now += 3600
    bench.slot.forgive(3600)
    bench.slot.tick()
    assert not bench.process.killed


@pytest.mark.parametrize(
    ("messages", "seconds", "reason"),
    [
        ([Heartbeat(busy_s=20.1)], 0, "an engine step took longer than 20 s"),
        ([Ready()], 0, "said ready while ready"),
        ([Progress(fraction=0.5)], 0, "said progress while ready"),
        ([REFUSED], 0, "said refused while ready"),
    ],
)
def test_a_ready_child_that_hangs_or_breaks_the_rules_is_ended(
    messages: list[ToSupervisor], seconds: float, reason: str
) -> None:
    """And is restarted, with the reason told."""
    bench = Bench().up()
    for message in messages:
        bench.slot.take(message)
    bench.wait(seconds)
    assert bench.process.killed
    bench.slot.exited("ended by SIGKILL")
    assert bench.slot.reason.startswith(reason)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan, math.inf])
def test_absurd_progress_is_a_breach(fraction: float) -> None:
    """Never "loading nan %"."""
    bench = Bench()
    bench.slot.start()
    bench.slot.take(Progress(fraction=fraction))
    assert bench.process.killed


def test_loading_may_not_take_for_ever() -> None:
    """Heartbeats alone do not make a worker useful."""
    bench = Bench()
    bench.slot.start()
    for _ in range(61):
        bench.slot.take(Heartbeat())
        bench.wait(1)
    assert bench.process.killed
    bench.slot.exited("ended by SIGKILL")
    assert bench.slot.reason.startswith("not ready after 60 s")


def test_a_refusal_is_final() -> None:
    """No restart: the next start would end the same way."""
    bench = Bench()
    bench.slot.start()
    bench.slot.take(REFUSED)
    bench.slot.exited("ended with exit code 3")
    assert (bench.slot.state, bench.slot.reason) == (WorkerState.FAILED, "m.gguf is truncated")
    bench.wait(1e6)
    assert len(bench.processes) == 1


def test_a_refused_start_can_be_retried() -> None:
    """Where the owner of the slot knows better."""
    bench = Bench()
    bench.slot.start()
    bench.slot.take(REFUSED)
    bench.slot.exited("ended with exit code 3")
    bench.slot.retry()
    bench.wait(1.1)
    assert bench.slot.state is WorkerState.STARTING


def test_a_child_that_hangs_up_and_lives_on_is_ended() -> None:
    """Nobody could ever reach it again."""
    bench = Bench().up()
    bench.slot.hung_up(1)
    bench.wait(0.5)
    assert not bench.process.killed
    bench.wait(0.6)
    assert bench.process.killed


def test_stopping_asks_first_and_kills_after_the_grace() -> None:
    """A worker slow to stop does not hold the server up."""
    bench = Bench().up()
    bench.slot.stop(Stop(), 5)
    assert bench.process.sent == [Stop()]
    bench.slot.take(Progress(fraction=0.1))
    bench.wait(4.9)
    assert not bench.process.killed
    bench.wait(0.2)
    assert bench.process.killed
    assert not bench.slot.stopped
    bench.slot.exited("ended by SIGKILL")
    assert bench.slot.stopped


def test_stopping_what_waits_for_its_restart_keeps_it_down() -> None:
    """No process is started during a shutdown."""
    bench = Bench().up()
    bench.slot.exited("ended by SIGKILL")
    bench.slot.stop(Stop(), 5)
    assert bench.slot.stopped
    bench.wait(100)
    assert len(bench.processes) == 1


class AnyStory(RuleBasedStateMachine):
    """Whatever a child and the system do, in any order, the slot stays sane."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.bench.slot.start()

    @property
    def _lives(self) -> bool:
        return self.bench.slot.child is not None

    @precondition(lambda self: self._lives)
    @rule(
        message=st.one_of(
            st.builds(Heartbeat, busy_s=st.floats(0, 30)),
            st.builds(Progress, fraction=st.floats()),
            st.just(Ready()),
            st.just(REFUSED),
        )
    )
    def says(self, message: ToSupervisor) -> None:
        """The child says anything at any time."""
        self.bench.slot.take(message)

    @precondition(lambda self: self._lives)
    @rule()
    def dies(self) -> None:
        """The process ends."""
        self.bench.slot.exited("ended by SIGKILL")

    @precondition(lambda self: self._lives)
    @rule()
    def hangs_up(self) -> None:
        """The conversation ends."""
        self.bench.slot.hung_up(1)

    @rule(seconds=st.floats(0, 100))
    def waits(self, seconds: float) -> None:
        """Time passes."""
        self.bench.wait(seconds)

    @rule()
    def stops(self) -> None:
        """The server shuts down."""
        self.bench.slot.stop(Stop(), 5)

    @rule(broken=st.booleans())
    def system(self, *, broken: bool) -> None:
        """Processes can or cannot be started from now on."""
        self.bench.cannot_start = broken

    @invariant()
    def states_and_processes_fit(self) -> None:
        """A child in every state that needs one; a date for every restart; nothing after the end."""
        slot = self.bench.slot
        if slot.state in (WorkerState.STARTING, WorkerState.LOADING, WorkerState.READY, WorkerState.STOPPING):
            assert slot.child is not None
        if slot.state is WorkerState.BACKOFF:
            assert slot.child is None
            assert slot.restart_at is not None
        if slot.state is WorkerState.STOPPED:
            assert slot.restart_at is None
            assert slot.child is None or self.bench.process.killed


AnyStory.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAnyStory = AnyStory.TestCase


def test_a_child_that_is_ended_says_why_and_comes_back() -> None:
    """Whoever ends it is the reason that people read, not the signal it died of."""
    bench = Bench()
    bench.slot.start()
    bench.slot.end("could not be connected: Too many open files")
    assert bench.process.killed
    bench.slot.exited("ended by SIGKILL")
    assert bench.slot.state is WorkerState.BACKOFF
    assert bench.slot.reason.startswith("could not be connected: Too many open files; restarting in")


# --- turns and restarts on request ------------------------------------------------------------------------------------


def test_it_waits_for_its_turn_and_says_for_whom() -> None:
    """Told once; it starts as soon as the others have done."""
    bench = Bench()
    bench.others = "alpha to load"
    bench.slot.start()
    bench.wait(3600)
    assert bench.told == [("waiting", "waiting for alpha to load")]
    assert bench.slot.restart_at is None
    bench.others = ""
    bench.wait(0)
    assert (bench.slot.state, bench.slot.restarts) == (WorkerState.STARTING, 0)


def test_a_restart_waits_for_its_turn_too() -> None:
    """Two that were killed together must not load together."""
    bench = Bench().up()
    bench.slot.exited("ended by SIGKILL")
    bench.others = "alpha to load"
    bench.wait(2)
    assert (bench.slot.state, bench.slot.reason) == (WorkerState.BACKOFF, "waiting for alpha to load")
    bench.others = ""
    bench.wait(0)
    assert (bench.slot.state, bench.slot.restarts) == (WorkerState.STARTING, 1)


def test_one_that_waits_is_stopped_at_once() -> None:
    """There is no process to wait for."""
    bench = Bench()
    bench.others = "alpha to load"
    bench.slot.start()
    bench.slot.stop(Stop(), 5)
    bench.others = ""
    bench.wait(10)
    assert bench.slot.stopped
    assert not bench.processes


def test_a_restart_on_request_lets_requests_finish() -> None:
    """It is asked to end when it has said twice that it has nothing to do, and comes back at once."""
    bench = Bench().up()
    bench.slot.take(Heartbeat(requests=2))
    assert bench.slot.recycle(30)
    for requests in (2, 1, 0):
        bench.slot.take(Heartbeat(requests=requests))
        assert not bench.process.sent
    assert ("recycling", "restarting: 1 request to finish") in bench.told
    bench.slot.take(Heartbeat(requests=0))
    assert bench.process.sent == [Stop()]
    bench.slot.exited("ended with exit code 0")
    bench.wait(0)
    assert (bench.slot.state, bench.slot.restarts) == (WorkerState.STARTING, 1)


def test_a_request_that_comes_in_between_is_waited_for() -> None:
    """It was on its way when the gateway was told."""
    bench = Bench().up()
    bench.slot.recycle(30)
    for requests in (0, 1, 0):
        bench.slot.take(Heartbeat(requests=requests))
    assert not bench.process.sent


def test_requests_that_do_not_finish_are_cut_off() -> None:
    """The worker is asked to end, and killed if it does not."""
    bench = Bench().up()
    bench.slot.recycle(8)
    for _ in range(8):
        bench.slot.take(Heartbeat(requests=1))
        bench.wait(1)
    assert bench.process.sent == [Stop()]
    bench.wait(STOP_GRACE_S)
    assert bench.process.killed


def test_asking_again_gives_no_more_time() -> None:
    """Else a restart that is asked for again and again would never happen."""
    bench = Bench().up()
    for _ in range(8):
        bench.slot.recycle(8)
        bench.slot.take(Heartbeat(requests=1))
        bench.wait(1)
    assert bench.process.sent == [Stop()]


def test_a_restart_at_once_waits_for_nobody() -> None:
    """Also one that began gracefully."""
    bench = Bench().up()
    bench.slot.recycle(30)
    bench.slot.recycle(0)
    assert bench.process.sent == [Stop()]


def test_a_worker_that_dies_while_it_finishes_comes_back_at_once() -> None:
    """It was to be restarted anyway."""
    bench = Bench().up()
    bench.slot.recycle(30)
    bench.slot.exited("ended by SIGKILL")
    bench.wait(0)
    assert bench.slot.state is WorkerState.STARTING


def test_one_that_hangs_while_it_finishes_is_ended() -> None:
    """Silence ends it before the grace does."""
    bench = Bench().up()
    bench.slot.recycle(3600)
    bench.wait(SILENCE_S + 1)
    assert bench.process.killed


def test_what_failed_or_waits_for_its_delay_is_tried_at_once() -> None:
    """The file may have been repaired."""
    bench = Bench()
    bench.slot.start()
    bench.slot.take(REFUSED)
    bench.slot.recycle(30)
    assert len(bench.processes) == 1
    bench.slot.exited("ended with exit code 3")
    bench.wait(0)
    assert bench.slot.state is WorkerState.STARTING
    bench.slot.exited("ended by SIGKILL")
    bench.slot.recycle(30)
    assert (bench.slot.state, bench.slot.restarts) == (WorkerState.STARTING, 2)


def test_one_that_loads_begins_anew() -> None:
    """Its process is ended, without a delay afterwards."""
    bench = Bench()
    bench.slot.start()
    bench.slot.recycle(30)
    assert bench.process.killed
    bench.slot.exited("ended by SIGKILL")
    bench.wait(0)
    assert len(bench.processes) == 2


def test_one_that_stops_is_not_restarted() -> None:
    """The server is going down."""
    bench = Bench().up()
    bench.slot.stop(Stop(), 5)
    assert not bench.slot.recycle(30)
    bench.slot.exited("ended with exit code 0")
    assert not bench.slot.recycle(0)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(["exit", "ready", "idle", "busy", "refused", "recycle", "now", "stop", "time", "turn"]))
)
def test_no_order_of_events_breaks_it(events: list[str]) -> None:
    """Nothing illegal, never two processes at once, and an end that can be reached."""
    bench = Bench()
    bench.slot.start()
    said: dict[str, ToSupervisor] = {
        "ready": Ready(),
        "idle": Heartbeat(),
        "busy": Heartbeat(requests=3),
        "refused": REFUSED,
    }
    acts: dict[str, Callable[[], object]] = {
        "recycle": lambda: bench.slot.recycle(30),
        "now": lambda: bench.slot.recycle(0),
        "stop": lambda: bench.slot.stop(Stop(), 5),
        "time": lambda: bench.wait(7),
        "turn": lambda: setattr(bench, "others", "" if bench.others else "alpha to load"),
    }
    for event in events:
        before = bench.slot.child
        if event in acts:
            acts[event]()
        elif before is not None and event == "exit":
            bench.slot.exited("ended by SIGKILL")
        elif before is not None:
            bench.slot.take(said[event])
        assert before is None or bench.slot.child in (before, None)
    bench.slot.stop(Stop(), 5)
    bench.wait(6)
    if bench.slot.child is not None:
        bench.slot.exited("ended by SIGKILL")
    assert bench.slot.stopped
