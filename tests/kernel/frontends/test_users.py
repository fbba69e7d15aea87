"""Marks of users, and scopes of caches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jackfield.frontends.users import cache_scope, user_mark


@given(st.text(min_size=1))
def test_a_mark_is_short_and_stable(user: str) -> None:
    """The same user has the same one; it does not name anybody."""
    mark = user_mark(user)
    assert mark == user_mark(user)
    assert len(mark) == 12
    assert mark.isalnum()


def test_no_user_has_no_mark() -> None:
    """Two users have two."""
    assert user_mark("") == ""
    assert user_mark("ann") != user_mark("ben")
    assert user_mark("\ud800")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text(min_size=1)))
def test_scopes_are_the_same_only_for_the_same_two(one: tuple[str, str], other: tuple[str, str]) -> None:
    """A key cannot be chosen so that it passes for another salt."""
    if not one[0].startswith("key:"):
        assert (cache_scope(*one) == cache_scope(*other)) == (one == other)
    assert cache_scope(one[0], "") == one[0]
