"""Answers that go on at the end of the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.channel.messages import RequestFailed, SequenceEvent
from jackfield.errors import BackendFault, ManifestError
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END
from jackfield.testing.scripted import ScriptedRunner
from jackfield.types import TextDelta, TextPrompt
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest, Sequence
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.worker.conftest import Serve

    from jackfield.ports.observer import EngineStats
    from jackfield.worker.host import WorkerHost


def test_without_it_an_answer_ends_with_the_context(serve: Serve) -> None:
    """The default."""
    peer = serve(context=64)
    peer.chat(1, "[repeat:999:a]", max_tokens=200)
    assert peer.end(1).reason == "length"
    assert len(peer.text(1)) == 64 - len("<user>[repeat:999:a]\n<assistant>")


@pytest.mark.parametrize("context", [40, 41, 64, 512])
def test_with_it_an_answer_goes_on_to_its_own_limit(serve: Serve, context: int) -> None:
    """As often as it takes; an end token still ends it."""
    peer = serve(context=context, context_shift=True)
    peer.chat(1, "[repeat:999:a]", max_tokens=900)
    peer.chat(2, "[repeat:600:b]", max_tokens=900)
    assert (peer.text(1), peer.end(1).reason) == ("a" * 900, "length")
    assert (peer.text(2), peer.end(2).reason) == ("b" * 600, "stop")


def test_a_prompt_must_fit_all_the_same(serve: Serve) -> None:
    """What is shifted out is the client's to choose before an answer begins."""
    peer = serve(context=64, context_shift=True)
    peer.submit(1, TextPrompt("x" * 64))
    assert peer.failure(1) == ("context_length_exceeded", "prompt")


@pytest.mark.parametrize("options", [{"can_shift": False}, {"deterministic": True}, {"tasks": ["embed"]}])
def test_a_model_that_cannot_is_refused_at_the_start(
    load: Callable[..., WorkerHost], options: dict[str, object]
) -> None:
    """With the key that asked for it."""
    with pytest.raises(ManifestError, match="context_shift") as caught:
        load(context_shift=True, options=options)
    assert caught.value.param == "models.m.context_shift"


class Asker:
    """Collects events."""

    cancelled = False

    def __init__(self) -> None:
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.events: list[SequenceEvent] = []

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        self.events.append(event)


class Watched(ScriptedRunner):
    """Checks every shift against what was computed, and may refuse one."""

    def __init__(self, context: int, keep: int, *, refuse: bool = False) -> None:
        super().__init__(_INFO, _limits(context))
        self.keep = keep
        self.refuse = refuse
        self.shifts = 0

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """Half of what may go."""
        assert keep == self.keep
        assert 1 <= discard <= len(self.cells[sequence]) - keep
        assert len(self.cells[sequence]) == self.limits.context
        self.shifts += 1
        if self.refuse:
            raise BackendFault("no")
        super().shift(sequence, keep, discard)


_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=99, vocabulary=257
)


def _limits(context: int) -> RunnerLimits:
    return RunnerLimits(context=context, max_sequences=2, kv_tokens=context, max_batch_tokens=16, can_shift=True)


def _served(runner: Watched, prompt: int, max_tokens: int) -> Asker:
    """One request, served to its end."""
    asker = Asker()

    def stop_at_rest(_: EngineStats) -> None:
        if asker.lives[0].final:
            loop.stop()

    loop = EngineLoop(runner, FcfsScheduler(None), lambda: None, stop_at_rest, context_shift=True)
    ends = Ends(max_tokens=max_tokens, end_tokens=frozenset({END}), keep=runner.keep)
    draws = Draws(sampling=SamplingParams(temperature=0, seed=1), banned=(END,))
    loop.submit(PreparedRequest(asker, [ord("p")] * prompt, draws=draws, ends=ends))
    loop.run()
    return asker


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 40), st.data())
def test_every_shift_is_legal_and_the_answer_whole(context: int, data: st.DataObject) -> None:
    """Down to the smallest context, whatever is kept of the prompt."""
    prompt = data.draw(st.integers(1, context - 1))
    runner = Watched(context, data.draw(st.integers(0, prompt)))
    max_tokens = data.draw(st.integers(1, 120))
    asker = _served(runner, prompt, max_tokens)
    assert sum(event.tokens for event in asker.events if isinstance(event, TextDelta)) == max_tokens
    assert (runner.shifts > 0) == (prompt + max_tokens > context + 1)


@settings(deadline=None)
@given(st.integers(8, 40), st.data())
def test_cells_and_tokens_stay_one(context: int, data: st.DataObject) -> None:
    """Whatever is kept and dropped, a sequence's tokens and its counts agree."""
    prompt = data.draw(st.integers(1, context - 1))
    asker = Asker()
    draws = Draws(sampling=SamplingParams(seed=1))
    keep = data.draw(st.integers(0, prompt))
    ends = Ends(max_tokens=1000, end_tokens=frozenset(), keep=keep)
    sequence = Sequence(1, PreparedRequest(asker, list(range(prompt)), draws=draws, ends=ends), 0, 0.0)
    expected = list(sequence.tokens)
    for number in range(data.draw(st.integers(0, 120))):
        sequence.tokens.append(1000 + number)
        expected.append(1000 + number)
        sequence.computed = len(sequence.tokens) - 1
        if len(sequence.tokens) > context:
            discard = sequence.discard
            sequence.shift(keep, discard)
            del expected[keep : keep + discard]
        assert sequence.tokens == expected
        assert sequence.pending == 1
        assert sequence.prompt_cells == sum(token < 1000 for token in expected)
        assert len(sequence.tokens) <= context


def test_a_shift_that_the_library_refuses_fails_its_request() -> None:
    """And frees what it held."""
    runner = Watched(16, 1, refuse=True)
    asker = _served(runner, 8, 100)
    assert isinstance(asker.events[-1], RequestFailed)
    assert not any(runner.cells.values())
