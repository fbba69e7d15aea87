"""A classifier: windows, thresholds, and models that cannot answer."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.gateway.watchmen import answers

from jackfield.errors import ContextLengthExceeded, GuardrailFailed, JackfieldError, ManifestError, ModelNotReady
from jackfield.ports.guardrail import Scanner
from jackfield.types import Finished, TextDelta, Timings, Usage
from jackfield_guardrails import classifier
from jackfield_guardrails.classifier import ClassifierGuardrail, code_of, windows
from jackfield_guardrails.rules import ClassifierRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OPTIONS = 'kind = "classifier"\nmodel = "judge"\nthresholds = {toxic = 0.7, "S 1/x" = 0.5}\n'


def labels(text: str) -> Mapping[str, float]:
    return {"toxic": 0.9 if "bad" in text else 0.1, "S 1/x": 0.5 if "worse" in text else 0.0, "fine": 1.0}


def test_labels_above_their_threshold_are_findings(rules: Any, judged: Callable[..., Any]) -> None:
    """Under codes made of their names, or named by the rule."""
    rules.model.labels = labels
    guardrail = rules.one(OPTIONS + 'codes = {toxic = "toxicity"}')
    assert not judged(guardrail, "good").findings
    verdict = judged(guardrail, "bad and worse")
    assert verdict.blocked
    assert [(each.category, each.code, each.score) for each in verdict.findings] == [
        ("classifier", "toxicity", 0.9),
        ("classifier", "s_1_x", 0.5),
    ]


def test_it_is_not_asked_of_nothing(rules: Any, judged: Callable[..., Any]) -> None:
    """Blank texts, and channels that are not its own."""
    rules.model.labels = labels
    guardrail = rules.one(OPTIONS + 'channels = ["content"]')
    assert not judged(guardrail, " \n").findings
    assert not judged(guardrail, "bad", channel="reasoning").findings
    assert rules.model.asked == []


def test_long_texts_are_cut_into_windows_that_overlap(rules: Any, judged: Callable[..., Any]) -> None:
    """What stands in any of them counts."""
    rules.model.labels = labels
    guardrail = rules.one(OPTIONS + "max_characters = 100\noverlap = 20")
    assert judged(guardrail, "x " * 500 + "bad" + " x" * 500).blocked
    assert len(rules.model.asked) == 25
    assert max(map(len, rules.model.asked)) == 100


def test_windows_that_are_too_long_for_the_model_are_halved(rules: Any, judged: Callable[..., Any]) -> None:
    """And stay so."""

    def strict(text: str) -> Mapping[str, float]:
        if len(text) > 400:
            raise ContextLengthExceeded("too long")
        return labels(text)

    rules.model.labels = strict
    guardrail = rules.one(OPTIONS)
    assert judged(guardrail, "x " * 800 + "bad").blocked
    rules.model.asked.clear()
    judged(guardrail, "y " * 800)
    assert max(map(len, rules.model.asked)) <= 400


@pytest.mark.parametrize("error", [ModelNotReady("not yet"), ContextLengthExceeded("never")])
def test_a_model_that_cannot_answer_refuses(rules: Any, judged: Callable[..., Any], error: JackfieldError) -> None:
    """Or lets pass, where the rule says so; the condition tells it until an answer comes."""
    rules.model.error = error
    closed, opened = rules.one(OPTIONS), rules.one(OPTIONS + 'fail = "open"')
    with pytest.raises(type(error)):
        judged(closed, "bad")
    assert not judged(opened, "bad").findings
    assert opened.troubles == (f"the model judge cannot classify now ({type(error).__name__})",)
    rules.model.error, rules.model.labels = None, labels
    assert judged(opened, "bad").blocked
    assert opened.troubles == ()


def test_a_model_that_takes_too_long_refuses(
    rules: Any, judged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the kernel's own deadline, so that a rule may say otherwise."""
    monkeypatch.setattr(classifier, "TIMEOUT_MAX_S", 0.01)
    rules.model.waits = True
    with pytest.raises(GuardrailFailed, match="did not classify"):
        judged(rules.one(OPTIONS), "bad")
    assert not judged(rules.one(OPTIONS + 'fail = "open"'), "bad").findings


def test_a_label_that_the_model_does_not_know_refuses(rules: Any, judged: Callable[..., Any]) -> None:
    """It would never be found."""
    rules.model.labels = lambda _: {"fine": 1.0}
    guardrail = rules.one(OPTIONS)
    with pytest.raises(GuardrailFailed, match="has no label"):
        judged(guardrail, "bad")
    assert "has no label" in guardrail.troubles[0]


def test_streams_wait_for_it(rules: Any) -> None:
    """It judges whole answers, or windows of them, and not at once."""
    assert rules.one(OPTIONS).traits.window is None
    guardrail = rules.one(OPTIONS + "window = 400")
    assert guardrail.traits.window == 400
    assert not isinstance(guardrail, Scanner)


@given(st.text(max_size=300), st.integers(2, 50), st.integers(0, 60))
def test_windows_cover_the_text(text: str, size: int, overlap: int) -> None:
    """All of it, in order; whatever is no longer than the overlap is in one of them as a whole."""
    pieces = windows(text, size, overlap)
    shared = min(overlap, size // 2)
    assert all(len(piece) <= size for piece in pieces)
    rebuilt = pieces[0] + "".join(piece[shared:] for piece in pieces[1:])
    assert rebuilt == text


@given(st.text(max_size=60))
def test_codes_are_codes(label: str) -> None:
    """Whatever labels are called."""
    code = code_of(label)
    assert 1 <= len(code) <= 32
    assert all(character.isascii() and (character.isalnum() or character == "_") for character in code)


@pytest.mark.parametrize("options", [OPTIONS, 'kind = "webhook"\nurl = "https://example.com/judge"\n'])
def test_streams_wait_for_a_window_no_longer_than_they_may(rules: Any, options: str) -> None:
    """In characters and milliseconds; no time without a window."""
    traits = rules.one(options + "window = 400\nwindow_ms = 250").traits
    assert (traits.window, traits.window_s, traits.longest) == (400, 0.25, None)
    with pytest.raises(ManifestError, match="window_ms needs window"):
        rules.one(options + "window_ms = 250")


@given(
    text=st.text(st.sampled_from("bad "), max_size=60),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=8),
    fail=st.sampled_from(["closed", "open"]),
    breaks=st.integers(0, 6),
)
def test_of_a_stream_nothing_is_sent_that_is_blocked_or_that_nobody_judged(
    text: str, lengths: list[int], fail: str, breaks: int
) -> None:
    """Wherever it is cut, and whenever the model falls silent: then the stream ends, or goes on if it may."""
    rule = ClassifierRule(model="judge", thresholds={"toxic": 0.7}, window=16, fail=fail)  # type: ignore[arg-type]
    model = Silent(breaks)
    found = answers(ClassifierGuardrail(rule, model, "classifier"))

    async def heard() -> str:
        told, rest = "", text
        for length in itertools.cycle(lengths):
            piece, rest = rest[:length], rest[length:]
            event = TextDelta(piece, 1) if piece else Finished("stop", Usage(1, 1), Timings(0.0, 0.0, 0.0))
            for said in await found.heard(event):
                told += said.text if isinstance(said, TextDelta) else ""
                if isinstance(said, Finished):
                    assert told == text or said.reason == "content_filter"
                    return told
            assert len(text) - len(rest) - len(told) < 16, "more is held back than a window"
        raise AssertionError

    try:
        told = asyncio.run(heard())
    except GuardrailFailed:
        assert fail == "closed"
        assert model.asked > breaks
    else:
        assert fail == "open" or "bad" not in told


class Silent:
    """A model that finds what is bad, and answers so often."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.asked = 0
        self.judged: list[str] = []

    async def classify(self, model: str, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """As long as it does."""
        self.asked += 1
        if self.asked > self.answers:
            raise ModelNotReady(f"{model} is silent")
        self.judged.append(max(texts, key=len))
        return [{"toxic": 0.9 if "bad" in text else 0.1} for text in texts]
