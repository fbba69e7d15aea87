"""Numbers of values: the same ones as long as a request is known, and no more requests than there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from jackfield_guardrails import placeholders
from jackfield_guardrails.placeholders import Placeholders

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from jackfield.ports.guardrail import Subject


def test_requests_that_were_not_asked_for_longest_are_forgotten(
    somebody: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever bound is reached."""
    monkeypatch.setattr(placeholders, "REQUESTS_MAX", 2)
    known = Placeholders()
    for name in ("a", "b", "a", "c"):
        known.of(somebody(request_id=name)).placeholder("EMAIL", name)
    assert known.of(somebody(request_id="a")).placeholder("EMAIL", "new") == "[EMAIL_2]"
    assert known.of(somebody(request_id="b")).placeholder("EMAIL", "new") == "[EMAIL_1]"


def test_a_request_with_many_values_makes_others_forgotten(
    somebody: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But never itself: memory is bounded, and so is what one request has."""
    monkeypatch.setattr(placeholders, "ENTRIES_MAX", 10)
    known = Placeholders()
    known.of(somebody(request_id="small")).placeholder("EMAIL", "x")
    large = known.of(somebody(request_id="large"))
    for value in range(20):
        large.placeholder("EMAIL", str(value))
    assert known.of(somebody(request_id="large")).placeholder("EMAIL", "0") == "[EMAIL_1]"
    assert known.of(somebody(request_id="small")).placeholder("EMAIL", "y") == "[EMAIL_1]"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3)) | st.text("[]AB_12", max_size=12), max_size=40))
def test_no_two_values_share_a_placeholder(steps: list[tuple[str, str] | str]) -> None:
    """Nor has a value one that a text had by itself before."""
    numbers = placeholders.Numbers(b"key")
    given_to: dict[str, tuple[str, str]] = {}
    written = ""
    for step in steps:
        if isinstance(step, str):
            numbers.avoid(step)
            written += step + " "
            continue
        label, value = step
        mark = numbers.placeholder(label.upper(), value)
        if mark not in given_to:
            assert mark not in written
        assert given_to.setdefault(mark, step) == step
