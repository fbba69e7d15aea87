"""Policies that nest so deep that reading them would end the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.plugins.jackfield_cedar.policies import ALL, decided, policies

from jackfield_cedar.nesting import DEPTH_MAX, depth_of

SHAPES = {
    "brackets": ("(", "true", ")"),
    "denials": ("!(", "true", ")"),
    "sets": ("[", "1", "]"),
    "records": ('{"a":', "1", "}"),
    "choices": ("if true then true else ", "true", ""),
    "chosen": ("if true then ", "true", " else true"),
    "conjunctions": ("", "true", " && true"),
    "disjunctions": ("", "true", " || true"),
    "sums": ("", "1", " + 1"),
    "fields": ("", "context", ".request"),
    "members": ("", "context", '["request"]'),
    "questions": ("", "context has a", ".a"),
    "calls": ("", "context", ".isEmpty()"),
}


def shaped(shape: str, levels: int) -> str:
    """A policy with so many levels of *shape*."""
    begin, middle, end = SHAPES[shape]
    return f"permit (principal, action, resource) when {{ {begin * levels}{middle}{end * levels} }};"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [DEPTH_MAX + 1, 20_000])
def test_too_deep_a_policy_is_refused_before_cedar_reads_it(shape: str, levels: int) -> None:
    """Cedar would go down its stack with each level, until there is none left."""
    with pytest.raises(ValueError, match=r"1\.cedar: a policy nests deeper than 200 levels"):
        policies(shaped(shape, levels))


@pytest.mark.parametrize("shape", ["brackets", "choices", "chosen", "conjunctions", "disjunctions"])
def test_what_is_deep_and_no_deeper_is_decided(shape: str) -> None:
    """The condition's own braces are the first level."""
    text = shaped(shape, DEPTH_MAX - 1)
    assert depth_of(text) == DEPTH_MAX
    assert decided(text).allow


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("", 0),
        (ALL, 1),
        (ALL * 1000, 1),
        ('permit (principal in [Role::"a", Role::"b", Role::"c"], action, resource);', 4),
        ("permit (principal, action, resource) when { a.b.c <= 1 && a.b.c <= 2 };", 5),
        ("permit (principal, action, resource) when { f(a.b, c.d, e.f) };", 3),
        ('permit (principal, action, resource) when { "(((((" == "\\"(((((" };', 2),
        ("// ((((((\n" + ALL, 1),
        (")))))" + ALL, 1),
        ('"((((((', 0),
    ],
)
def test_what_nests_and_what_does_not(text: str, depth: int) -> None:
    """Lists, texts, remarks and other policies make none of them deeper."""
    assert depth_of(text) == depth


def test_our_own_policies_are_flat() -> None:
    """As those are that people write."""
    for file in (Path(__file__).parents[3] / "policies" / "cedar").glob("*.cedar"):
        assert depth_of(file.read_text()) < 20
