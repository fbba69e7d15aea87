"""What schedulers are built from: how much of a step goes to prompts."""

from __future__ import annotations

import pytest

from jackfield.ports.scheduler import Chunk, SchedulerView
from jackfield.scheduling import PROMPT_FLOOR, PROMPT_UNMEASURED, StepDraft, prompt_tokens
from jackfield.testing.kits.scheduler import Seen


def _view(waiting: list[Seen], running: list[Seen], token_s: float = 0.0) -> SchedulerView:
    return SchedulerView(1.0, waiting, running, 8, 10_000, 512, token_s)


@pytest.mark.parametrize(
    ("step_s", "token_s", "tokens"),
    [
        (0.0, 0.01, 512),
        (0.2, 0.0, PROMPT_UNMEASURED),
        (0.2, 0.002, 100),
        (0.2, 1.0, PROMPT_FLOOR),
        (0.2, 1e-6, 512),
    ],
)
def test_prompt_tokens_of_a_time(step_s: float, token_s: float, tokens: int) -> None:
    """As many as are computed in it, within a floor and the step."""
    assert prompt_tokens(_view([], [], token_s), step_s) == tokens


@pytest.mark.parametrize(
    ("prompts", "chunks"),
    [
        ([300, 300], [Chunk(1, 300)]),
        ([40, 60, 50], [Chunk(1, 40), Chunk(2, 60)]),
        ([20, 30, 90], [Chunk(1, 20), Chunk(2, 30), Chunk(3, 50)]),
        ([40, 30, 30, 5], [Chunk(1, 40), Chunk(2, 30), Chunk(3, 30)]),
        ([40, 30, 90, 50], [Chunk(1, 40), Chunk(2, 30)]),
        ([600, 20], [Chunk(1, 512)]),
    ],
)
def test_a_step_closes_soon_after_a_prompt_ends(prompts: list[int], chunks: list[Chunk]) -> None:
    """A first token does not wait for more of others' prompts than 0.2 s of them: 100 tokens."""
    waiting = [Seen(number, tokens) for number, tokens in enumerate(prompts, 1)]
    draft = StepDraft(_view(waiting, [], 0.002), 0.2)
    for sequence in waiting:
        if not draft.start(sequence):
            break
    assert draft.plan().chunks == chunks


def test_answers_bound_the_prompts_of_their_step() -> None:
    """A running answer waits for no more than the bound, whether a prompt ends in the step or not."""
    answer = Seen(1, 1, 50, 50)
    draft = StepDraft(_view([Seen(2, 300)], [answer], 0.002), 0.2)
    draft.answer([answer])
    draft.start(Seen(2, 300))
    assert draft.plan().chunks == [Chunk(1, 1), Chunk(2, 100)]


@pytest.mark.parametrize(("pending", "given"), [(100, 100), (125, 125), (126, 100), (300, 100)])
def test_a_prompt_that_is_nearly_done_ends(pending: int, given: int) -> None:
    """A quarter beyond the bound: what is left of it would take another step. Nobody else then has a part of it."""
    answer = Seen(1, 1, 50, 50)
    draft = StepDraft(_view([], [answer], 0.002), 0.2)
    draft.answer([answer])
    draft.start(Seen(2, pending))
    draft.start(Seen(3, 100))
    assert draft.plan().chunks == [Chunk(1, 1), Chunk(2, given)]
