"""Inputs in their four shapes."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import InvalidRequest
from jackfield.frontends.prompts import RawPrompt, read_prompts
from jackfield.pooled import INPUTS_MAX
from jackfield.types import TextPrompt, TokenPrompt


def prompts(value: object) -> tuple[RawPrompt, ...]:
    """The inputs that a JSON value holds."""
    return read_prompts(msgspec.Raw(msgspec.json.encode(value)), "input")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hi", (TextPrompt("hi"),)),
        ("", (TextPrompt(""),)),
        (["hi"], (TextPrompt("hi"),)),
        (["a", "", '["'], (TextPrompt("a"), TextPrompt(""), TextPrompt('["'))),
        ([1, 2, 3], (TokenPrompt((1, 2, 3)),)),
        ([[1, 2, 3]], (TokenPrompt((1, 2, 3)),)),
        ([[1], [2, 3]], (TokenPrompt((1,)), TokenPrompt((2, 3)))),
        (["x"] * INPUTS_MAX, (TextPrompt("x"),) * INPUTS_MAX),
        ([[7]] * INPUTS_MAX, (TokenPrompt((7,)),) * INPUTS_MAX),
        ([7] * 5000, (TokenPrompt((7,) * 5000),)),
    ],
)
def test_shapes(value: object, expected: tuple[RawPrompt, ...]) -> None:
    """A text, texts, tokens, arrays of tokens."""
    assert prompts(value) == expected


@pytest.mark.parametrize("raw", [b'[ \n\t "a" , "b" ]', b'[\r\n"a","b"]'])
def test_spaces_do_not_matter(raw: bytes) -> None:
    """JSON is JSON."""
    assert read_prompts(msgspec.Raw(raw), "input") == (TextPrompt("a"), TextPrompt("b"))


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (3, "input"),
        ({}, "input"),
        (True, "input"),
        ([], "input"),
        ([[]], "input[0]"),
        ([[1], []], "input[1]"),
        ([None], "input[0]"),
        ([True], "input[0]"),
        ([{}], "input[0]"),
        ([-1], "input[0]"),
        ([1.5], "input[0]"),
        ([1, 2**31], "input[1]"),
        ([1, "a"], "input[1]"),
        ([1, [1]], "input[1]"),
        (["a", 1], "input[1]"),
        (["a", ["b"]], "input[1]"),
        (["a", None], "input[1]"),
        ([[1], "a"], "input[1]"),
        ([[1], 1], "input[1]"),
        ([[1, 2], [3, "a"]], "input[1]"),
        ([["a"]], "input[0]"),
        ([[[1]]], "input[0]"),
        (["x"] * (INPUTS_MAX + 1), "input"),
        ([[7]] * (INPUTS_MAX + 1), "input"),
    ],
)
def test_anything_else_is_refused_by_its_index(value: object, param: str) -> None:
    """Mixed, empty, too many, out of range."""
    with pytest.raises(InvalidRequest) as refused:
        prompts(value)
    assert refused.value.param is not None
    assert refused.value.param.startswith(param)
    assert "`" not in refused.value.message


@pytest.mark.parametrize("element", [b'"a"', b'""', b"[]", b"[1]", b'"\\""'])
def test_millions_are_counted_before_they_are_built(element: bytes) -> None:
    """A body of the largest size holds millions of arrays, which would take hundreds of megabytes."""
    raw = msgspec.Raw(b"[" + b",".join([element] * (16_000_000 // (len(element) + 1))) + b"]")
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match="at most 2048"):
            read_prompts(raw, "input")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**33) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@given(value=values)
def test_any_value_is_inputs_or_the_clients_fault(value: object) -> None:
    """Nothing else comes out, and nothing is lost."""
    try:
        found = prompts(value)
    except InvalidRequest as error:
        assert error.param is not None  # noqa: PT017 -- most examples are no error
        assert error.param.startswith("input")  # noqa: PT017
    else:
        plain = [each.text if isinstance(each, TextPrompt) else list(each.tokens) for each in found]
        assert value in (plain, plain[0])
