"""Patterns: what Rust's engine makes of them is what ECMA-262 says, and what cannot be enforced is refused."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import JsonSchema
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_llguidance.limits import PATTERN_MAX
from jackfield_llguidance.patterns import PatternRefused, translate

VOCABULARY = KitVocabulary()
ENGINE = LlguidanceEngine(VOCABULARY, LlguidanceConfig())


def matches(pattern: str, text: str) -> bool:
    """Whether *text* may be written where the schema has *pattern*."""
    matcher = ENGINE.compile(JsonSchema(json.dumps({"type": "string", "pattern": pattern}))).matcher()
    # an escape may be written in one way only: what JSON makes of the text is no business of this test
    quoted = json.dumps(text, ensure_ascii=False)
    tokens = [*VOCABULARY.encode(quoted, add_bos=False, parse_special=False), VOCABULARY.END_TOKENS[0]]
    return matcher.allows(tokens) == len(tokens)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        pytest.param("b", ["b", "abc"], ["a", ""], id="found anywhere"),
        pytest.param("^b", ["b", "bc"], ["ab"], id="begins"),
        pytest.param("b$", ["b", "ab"], ["ba"], id="ends"),
        pytest.param("^a|b$", ["ax", "xb"], ["xa", "bx"], id="anchors of alternatives"),
        pytest.param("^.$", ["a", "é", "😀"], ["\n", "\r", "\u2028", "\u2029", "ab", ""], id="a dot is no line break"),
        pytest.param("^[.]$", ["."], ["a"], id="a dot in a set"),
        pytest.param("^[[:alpha:]]$", ["a]", ":]", "[]"], ["b", "b]"], id="a set in a set is none"),
        pytest.param("^[a&&b]$", ["a", "&", "b"], ["c"], id="no intersection"),
        pytest.param("^[+--b]$", ["+", ",", "-", "b"], ["c"], id="no difference"),
        pytest.param("^[a~~b]$", ["a", "~", "b"], ["c"], id="no symmetric difference"),
        pytest.param("^[a-c-]$", ["b", "-"], ["d"], id="a dash at the end"),
        pytest.param(r"^[\w-z]$", ["-", "a", "z"], ["+"], id="a dash behind a shorthand"),
        pytest.param(r"^[\b]$", ["\x08"], ["b"], id="backspace"),
        pytest.param(r"^\d\w$", ["1a", "1_"], ["١a", "1é"], id="shorthands are ASCII"),
        pytest.param(r"^\s$", [" ", "\t", "\u2028"], ["a"], id="space"),
        pytest.param(r"^\u00e9\x41\u{1F600}\ud83d\ude00$", ["éA😀😀"], ["eA😀😀"], id="characters by number"),
        pytest.param(r"^\cJ\t\n\v\f\r\0$", ["\n\t\n\v\f\r\0"], ["cJ"], id="control characters"),
        pytest.param("^{a}{,2}x{2}$", ["{a}{,2}xx"], ["xx"], id="braces that count nothing"),
        pytest.param("^]}$", ["]}"], ["]"], id="closing alone"),
        pytest.param(r"^(?<a>x)(?:y)$", ["xy"], ["x"], id="groups"),
        pytest.param(r"^\p{Lu}\P{L}$", ["A1"], ["a1", "AA"], id="Unicode properties"),
        pytest.param(r"^\^\$\.\*\+\?\(\)\[\]\{\}\|\/\-$", ["^$.*+?()[]{}|/-"], ["a"], id="escaped punctuation"),
        pytest.param("^a b#c$", ["a b#c"], ["ab"], id="no comments"),
    ],
)
def test_what_matches(pattern: str, good: list[str], bad: list[str]) -> None:
    """As ECMA-262 has it, with the flag ``u`` where that makes a difference."""
    assert [text for text in good if not matches(pattern, text)] == []
    assert [text for text in bad if matches(pattern, text)] == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)", "look-around"),
        ("(?!a)", "look-around"),
        ("(?<=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "back-references"),
        (r"(?<n>a)\k<n>", "back-references"),
        (r"\bfoo", "word boundaries"),
        (r"foo\B", "word boundaries"),
        ("(?i)a", "flags"),
        ("(?i:a)", "flags"),
        ("[]", "empty set"),
        ("[^]", "empty set"),
        (r"\ud83d", "half of a character"),
        (r"\ude00", "half of a character"),
        (r"\xZZ", "digits"),
        (r"\pL", "name in braces"),
        (r"\c1", "needs a letter"),
        (r"\A", "unknown"),
        ("\\", "ends in the middle"),
        ("[a", "ends in the middle"),
        ("a" * (PATTERN_MAX + 1), "characters"),
    ],
)
def test_what_is_refused(pattern: str, why: str) -> None:
    """With words that say why."""
    with pytest.raises(PatternRefused, match=why):
        translate(pattern)


@pytest.mark.parametrize("pattern", ["a^b", "a$b", "*a", "a{3,1}", "(", ")", "[z-a]", r"\p{Nonsense}"])
def test_what_the_library_refuses(pattern: str) -> None:
    """It has a place all the same."""
    schema = {"type": "object", "properties": {"p": {"type": "string", "pattern": pattern}}}
    with pytest.raises(InvalidRequest, match="/properties/p"):
        ENGINE.compile(JsonSchema(json.dumps(schema)))


PARTS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "é",
            "0",
            r"\d",
            r"\D",
            "[ab]",
            "[^a]",
            "[a-c0]",
            "(?:a|b0)",
            "(é|0)",
            r"\-",
            r"\.",
            "-",
            "a?",
            "b*",
        ),
        *("0+", "a{2}", "[ab]{1,3}", "(?:ab){0,2}", "b{1,}", r"\x61", "}"),
    ]
)
ANCHORS = st.sampled_from(["{}", "^{}", "{}$", "^{}$"])


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=5), ANCHORS, st.lists(st.text("ab0é-.}", max_size=6), max_size=8))
def test_it_matches_what_another_engine_matches(parts: list[str], anchors: str, texts: list[str]) -> None:
    """Python's agrees with ECMA-262 on these."""
    pattern = anchors.replace("{}", "".join(parts))
    theirs = re.compile(pattern, re.ASCII)
    assert {text: matches(pattern, text) for text in texts} == {text: bool(theirs.search(text)) for text in texts}


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab[](){}|?*+^$\\-.,0159dwbxukpP<>=!:&~é\n😀"), max_size=12))
def test_no_pattern_is_a_surprise(pattern: str) -> None:
    """It is refused or compiled; nothing else is raised."""
    try:
        translate(pattern)
        ENGINE.compile(JsonSchema(json.dumps({"type": "string", "pattern": pattern})))
    except (PatternRefused, InvalidRequest) as refusal:
        assert str(refusal)  # noqa: PT017  # either is fine
