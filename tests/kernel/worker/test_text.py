"""Text of a stream: the same however bytes and tokens are cut, and never a stop string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.worker.engine.text import StopMatcher, TextStream

_ALPHABET = st.text(alphabet="ab€", max_size=40)
_STOPS = st.lists(st.text(alphabet="ab€", min_size=1, max_size=5), max_size=4)


def _cut(text: str, sizes: list[int]) -> list[str]:
    parts, start = [], 0
    for size in sizes:
        parts.append(text[start : start + size])
        start += size
    return [*parts, text[start:]]


def _match(parts: list[str], stops: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(stops)
    shown = ""
    for part in parts:
        text, stopped = matcher.feed(part)
        shown += text
        if stopped:
            return shown, True
    return shown + matcher.flush(), False


@given(text=_ALPHABET, stops=_STOPS, sizes=st.lists(st.integers(0, 6), max_size=10))
def test_stop_matching_does_not_depend_on_the_cut(text: str, stops: list[str], sizes: list[int]) -> None:
    """Any split of a text gives the same shown text and verdict as the whole."""
    assert _match(_cut(text, sizes), stops) == _match([text], stops)


@given(text=_ALPHABET, stops=_STOPS)
def test_shown_text_ends_before_the_first_complete_stop(text: str, stops: list[str]) -> None:
    """The text is shown whole without a stop string, and up to the one that completes first with it."""
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    shown, stopped = _match([text], stops)
    assert stopped == bool(ends)
    if not ends:
        assert shown == text
        return
    first = min(ends)
    longest = max(len(stop) for stop in stops if text[:first].endswith(stop))
    assert shown == text[: first - longest]


@given(parts=st.lists(_ALPHABET, max_size=8), stops=_STOPS)
def test_no_prefix_shown_is_later_part_of_a_stop(parts: list[str], stops: list[str]) -> None:
    """What a step shows stays valid: the final text begins with it."""
    matcher = StopMatcher(stops)
    shown = ""
    for part in parts:
        text, stopped = matcher.feed(part)
        shown += text
        if stopped:
            break
    final, _ = _match(["".join(parts)], stops)
    assert final.startswith(shown)


@given(text=st.text(max_size=30), sizes=st.lists(st.integers(0, 5), max_size=20))
def test_utf8_is_whole_however_bytes_are_cut(text: str, sizes: list[int]) -> None:
    """Any split of the bytes over tokens gives the text back."""
    data = text.encode()
    stream = TextStream(())
    shown, start = "", 0
    for size in [*sizes, len(data)]:
        shown += stream.feed(data[start : start + size])[0]
        start += size
    assert shown + stream.flush()[0] == text


def test_half_a_character_at_the_end_is_replaced() -> None:
    """An answer cut by its token limit inside a character ends with U+FFFD, not with an exception."""
    stream = TextStream(())
    assert stream.feed("€".encode()[:2])[0] == ""
    assert stream.flush()[0] == "\ufffd"


def test_a_begun_stop_string_is_text_at_the_end() -> None:
    """What was held back for a stop string that never completed belongs to the answer."""
    stream = TextStream(("END",))
    assert stream.feed(b"x EN")[0] == "x "
    assert stream.flush()[0] == "EN"


@pytest.mark.parametrize(
    ("stops", "pieces", "shown", "stop"),
    [
        (("\n\n",), [b"a\n", b"\nb"], "a", "\n\n"),
        (("abab",), [b"a", b"ba", b"abab"], "aba", "abab"),
        (("cd", "bcd"), [b"ab", b"cd"], "a", "bcd"),
        (("€",), [b"1\xe2", b"\x82", b"\xac2"], "1", "€"),
    ],
)
def test_stop_strings_over_token_borders(stops: tuple[str, ...], pieces: list[bytes], shown: str, stop: str) -> None:
    """Stop strings are found across tokens, bytes of one character included; the longest of several wins."""
    stream = TextStream(stops)
    text, stopped = "", None
    for piece in pieces:
        part, stopped = stream.feed(piece)
        text += part
        if stopped:
            break
    assert (text, stopped) == (shown, stop)
