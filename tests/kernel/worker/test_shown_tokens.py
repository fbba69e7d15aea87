"""Control tokens in the text, for those who asked to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.kernel.worker.engines import Engine, load

from jackfield.ports.constraint import GrammarText
from jackfield.sampling import SamplingParams
from jackfield.types import GenerateRequest, TextPrompt
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.types import TokenLogprob

MARK = "<|im_start|>"
ANSWER = GrammarText("lark", 'start: "one" mark_0 "two" mark_0', marks=(MARK,))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Of the demo model."""
    runner = load("demo")
    with Engine(runner, constraints=LlguidanceEngine(runner.tokenizer, LlguidanceConfig())) as running:
        yield running
    runner.close()


def request(*shown: str, **fields: object) -> GenerateRequest:
    """For an answer with control tokens."""
    given = {"sampling": SamplingParams(temperature=0), "constraint": ANSWER, **fields}
    return GenerateRequest(model="m", prompt=TextPrompt("x"), shown_tokens=shown, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ((), "onetwo"),
        ((MARK,), f"one{MARK}two{MARK}"),
        (("<|no-such-token|>", "one", "<|endoftext|>", "<|im_start|", MARK, ""), f"one{MARK}two{MARK}"),
        (("<|endoftext|>", "<think>"), "onetwo"),
    ],
)
def test_those_that_are_named_are_text(engine: Engine, shown: tuple[str, ...], text: str) -> None:
    """Others are not, and names that are no token are nothing."""
    (asker,) = engine.ask(request(*shown))
    assert asker.text == text


def test_their_places_are_told(engine: Engine) -> None:
    """With log probabilities: where the name begins."""
    pieces = [(score.piece, score.offset) for score in _scores(engine, MARK)]
    assert b"".join(piece for piece, _ in pieces) == f"one{MARK}two{MARK}".encode()
    assert [offset for piece, offset in pieces if piece == MARK.encode()] == [3, 6 + len(MARK)]


def test_a_stop_string_may_end_in_one(engine: Engine) -> None:
    """It is text like any other."""
    (asker,) = engine.ask(request(MARK, stop=(f"{MARK}tw",)))
    assert asker.text == "one"
    (asker,) = engine.ask(request(stop=(f"{MARK}tw",)))
    assert asker.text == "onetwo"


def test_an_end_token_is_shown_too(engine: Engine) -> None:
    """Where it is named, or where it is a stop token: some families end calls with one."""
    mark = next(score.token for score in _scores(engine) if score.piece == MARK.encode())
    for shown, text in (((MARK,), f"one{MARK}"), ((), "one")):
        (asker,) = engine.ask(request(*shown, stop_token_ids=(mark,)))
        assert asker.text == text
        assert asker.ends[0].stopped_by == mark


def _scores(engine: Engine, *shown: str) -> list[TokenLogprob]:
    (asker,) = engine.ask(request(*shown, logprobs=0))
    return asker.scores
