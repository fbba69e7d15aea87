"""Answers that end at a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import InvalidRequest
from jackfield.types import LineLimits, TextDelta
from jackfield.worker.engine.lines import Lines

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer


@pytest.mark.parametrize(
    ("text", "indent", "shown"),
    [
        ("x\n  y\n z", 2, "x\n  y\n "),
        ("x\n  y\n\n  z", 2, "x\n  y\n"),
        ("x\n\t\ty\nz", 2, "x\n\t\ty\n"),
        ("  x\ny", 1, "  x\n"),
        ("x\ny", 0, "x\ny"),
        ("x\n  ", 4, "x\n  "),
    ],
)
def test_a_line_that_is_not_indented(text: str, indent: int, shown: str) -> None:
    """It is left out, and what follows; the line that the answer begins in may be as it likes."""
    assert Lines(LineLimits(indent=indent)).feed(text, 0.0) == (shown, shown != text)


@given(st.text("a \t\n", max_size=20), st.integers(0, 3), st.data())
def test_however_it_is_cut(text: str, indent: int, data: st.DataObject) -> None:
    """The same text is shown."""
    whole, over = Lines(LineLimits(indent=indent)).feed(text, 0.0)
    lines, pieces, ended, begin = Lines(LineLimits(indent=indent)), "", False, 0
    while begin < len(text) and not ended:
        end = data.draw(st.integers(begin + 1, len(text)))
        piece, ended = lines.feed(text[begin:end], 0.0)
        pieces += piece
        begin = end
    assert (pieces, ended) == (whole, over)


def test_time() -> None:
    """It counts from the first token on, text or not, and ends at a line's end."""
    lines = Lines(LineLimits(after_s=2))
    assert lines.feed("", 10.0) == ("", False)
    assert lines.feed("a\nb", 11.9) == ("a\nb", False)
    assert lines.feed("c", 12.0) == ("c", False)
    assert lines.feed("d\ne", 12.1) == ("d\n", True)


@pytest.mark.parametrize(
    ("limits", "text"),
    [(LineLimits(after_s=0), "x\n"), (LineLimits(indent=2), "x\n  y\n"), (LineLimits(), "x\n  y\nz")],
)
def test_answers_end_there(peer: Peer, limits: LineLimits, text: str) -> None:
    """With the reason ``length``, and without the tokens of what is left out."""
    script = "[say:x\n  y\nz]"
    peer.chat(1, script, lines=limits, token_ids=True)
    assert peer.text(1) == text
    end = peer.end(1)
    assert end.reason == ("stop" if limits == LineLimits() else "length")
    tokens = [score.token for event in peer.events[1] if isinstance(event, TextDelta) for score in event.logprobs]
    assert bytes(tokens).decode() == text
    assert end.reason == "stop" or not end.logprobs


@pytest.mark.parametrize("fields", [{"after_s": -1.0}, {"after_s": float("nan")}, {"indent": -1}])
def test_what_is_no_limit(fields: dict[str, float]) -> None:
    """Refused where it is made."""
    with pytest.raises(InvalidRequest):
        LineLimits(**fields)  # type: ignore[arg-type]  # that is what is tested
