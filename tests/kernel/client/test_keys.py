"""Where commands take the API key from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.client.connection import KEY_VARIABLE, ApiError
from jackfield.client.keys import api_key

if TYPE_CHECKING:
    from pathlib import Path


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file is named; an empty variable is none."""
    monkeypatch.setenv(KEY_VARIABLE, "jf_abc ")
    assert api_key(None) == "jf_abc"
    monkeypatch.setenv(KEY_VARIABLE, "")
    assert api_key(None) is None


def test_a_file_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And may end with a line break."""
    monkeypatch.setenv(KEY_VARIABLE, "jf_other")
    file = tmp_path / "key"
    file.write_text("jf_abc\n")
    assert api_key(file) == "jf_abc"


@pytest.mark.parametrize("text", ["", "\n", "a b", "a\nb", "schlüssel", "\x00", "x" * 10_000])
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    """Refused, and not repeated in the message."""
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ApiError) as caught:
        api_key(file)
    assert not text.strip() or text.strip() not in caught.value.message
