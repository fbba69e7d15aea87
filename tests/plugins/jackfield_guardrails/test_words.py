"""Word lists: what is a word, whatever its letters look like, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield_guardrails.words import WordDetector

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = ["bad", "new york", "Straße", "坏人", "c++", "été"]
DETECTOR = WordDetector(WORDS, "word_list", whole=True)
PARTS = WordDetector(["bad"], "word_list", whole=False)


def found(text: str, detector: WordDetector = DETECTOR) -> list[str]:
    return [text[place.start : place.end] for place in detector.find(text, 0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a bad day", ["bad"]),
        ("BAD Bad bad!", ["BAD", "Bad", "bad"]),
        ("badly embad bad_", []),
        ("bad", ["bad"]),
        ("(bad)", ["bad"]),
        ("New \n York", ["New \n York"]),
        ("newyork", []),
        ("STRASSE straße", ["STRASSE", "straße"]),
        ("ｂａｄ 𝐛𝐚𝐝", ["ｂａｄ", "𝐛𝐚𝐝"]),
        ("b\u200ba\u00add", ["b\u200ba\u00add"]),
        ("这坏人啊", ["坏人"]),
        ("bad坏人bad", ["bad", "坏人", "bad"]),
        ("I like C++.", ["C++"]),
        ("\u00e9t\u00e9 e\u0301te\u0301 ete", ["\u00e9t\u00e9", "e\u0301te\u0301"]),
        ("bad\ud800bad", ["bad", "bad"]),
    ],
)
def test_what_is_found(text: str, words: list[str]) -> None:
    """Whole words only, of any case, in any letters that look alike."""
    assert found(text) == words


def test_parts_of_words() -> None:
    """Where nobody asks for whole ones."""
    assert found("badly embad", PARTS) == ["bad", "bad"]


def test_words_of_files(rules: Any, judged: Callable[..., Any]) -> None:
    """One a line; comments and empty lines are none."""
    (rules.folder / "words.txt").write_text("# no comment\n\nbad\nnew york\n", "utf-8")
    guardrail = rules.one('kind = "words"\nfiles = ["words.txt"]')
    assert judged(guardrail, "New York").blocked
    assert not judged(guardrail, "no comment").blocked


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ("", "words"),
        ('words = [" "]', "words"),
        ('files = ["none.txt"]', "files"),
    ],
)
def test_a_list_without_words_is_refused(rules: Any, options: str, key: str) -> None:
    """It would find nothing, and nobody would notice."""
    with pytest.raises(ManifestError, match=rf"config\.guardrails\.rules\.rule\.{key}"):
        rules.one(f'kind = "words"\n{options}')


_TEXT = st.lists(st.sampled_from([*WORDS, " ", "x", "\u200b", "ß", "B", "é", "\n"]) | st.text(max_size=3)).map("".join)


@settings(deadline=None, max_examples=200)
@given(text=_TEXT, lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_a_cut_changes_nothing(text: str, lengths: list[int]) -> None:
    """By the rule of ``GuardrailTraits.longest``."""
    longest = DETECTOR.longest or 0
    cut: list[tuple[int, int]] = []
    done = came = turn = 0
    while came < len(text):
        came = min(len(text), came + lengths[turn % len(lengths)])
        turn += 1
        limit = came if came == len(text) else came - longest + 1
        if limit <= done:
            continue
        first = max(0, done - longest)
        for place in DETECTOR.find(text[first:came], done - first):
            if first + place.start < limit:
                cut.append((first + place.start, first + place.end))
                done = first + place.end
        done = max(done, limit)
    assert cut == [(place.start, place.end) for place in DETECTOR.find(text, 0)]
