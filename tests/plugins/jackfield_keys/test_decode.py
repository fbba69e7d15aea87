"""Reading a key file table by table: the same as in one piece, and nobody is held up."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield_keys import decode
from jackfield_keys.decode import KeyDecoder, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from jackfield_keys.records import KeyRecord

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def table(number: int, *more: str) -> str:
    """The table of a key."""
    lines = (
        f'name = "k{number}"',
        f'digest = "sha256:{number:064x}"',
        'scopes = ["embed"]',
        "created = 2026-01-01T00:00:00Z",
    )
    return "\n".join(("[[keys]]", *lines, *more)) + "\n\n"


PIECES = (
    "version = 1\n",
    "version = true\n",
    "version = 1.0\n",
    "keys = []\n",
    "# [[keys]]\n",
    "\n",
    "[[keys]]\n",
    "  [[keys]]\n",
    "[[ keys ]] # the robot's\n",
    "[keys.x]\n",
    "[other]\n",
    'owner = """\n',
    '"""\n',
    "models = [\n",
    "]\n",
    'owner = "ann"\n',
    "keys.x = 1\n",
    "\r\n",
    table(1),
    table(2),
    table(3, 'owner = """', "[[keys]]", 'of the robot"""'),
    table(4, "models = []"),
    table(5).replace("\n", "\r\n"),
    table(6, "revoked = 2026-01-01"),
)


def outcome(text: str, decoder: KeyDecoder | None = None) -> Sequence[KeyRecord] | str:
    """The records, or what is wrong."""
    try:
        return list(decoder.decode(text, "k") if decoder is not None else parse(text, "k"))
    except ManifestError as error:
        return error.message


@settings(deadline=None, max_examples=200)
@given(texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=3), head=st.booleans())
def test_any_text_means_the_same_as_in_one_piece(texts: list[str], *, head: bool) -> None:
    """Also where a decoder has read others before; and so does every error."""
    decoder = KeyDecoder()
    for text in texts:
        whole = f"version = 1\n{text}" if head else text
        assert outcome(whole, decoder) == outcome(whole)


def test_what_is_as_it_was_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand keys of which one has changed cost one."""
    read: list[str] = []
    inner = decode._record

    def counted(text: str) -> KeyRecord:
        read.append(text)
        return inner(text)

    monkeypatch.setattr(decode, "_record", counted)
    decoder = KeyDecoder()
    head = "version = 1\n\n"
    tables = [table(number) for number in range(100)]
    first = decoder.decode(head + "".join(tables), "k")
    assert len(read) == 100
    tables[50] = table(50, 'owner = "ann"')
    second = decoder.decode(head + "".join(tables), "k")
    assert len(read) == 101
    assert [new is old for new, old in zip(second, first, strict=True)].count(False) == 1
    assert second[50].owner == "ann"


def test_others_have_a_turn_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every few tables, and no piece of the text is read at once that has more than one."""
    turns: list[int] = []
    longest: list[int] = []
    inner = tomli.loads

    def loads(text: str) -> object:
        longest.append(text.count("[[keys]]"))
        return inner(text)

    monkeypatch.setattr(time, "sleep", lambda _: turns.append(threading.get_ident()))
    monkeypatch.setattr(tomli, "loads", loads)
    KeyDecoder().decode("version = 1\n" + "".join(map(table, range(decode.SLICE * 3))), "k")
    assert len(turns) == 3
    assert max(longest) == 1


def test_keys_that_are_there_twice_or_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in one piece."""
    decoder = KeyDecoder()
    assert "is there twice" in str(outcome(f"version = 1\n{table(1)}{table(1)}", decoder))
    monkeypatch.setattr(decode, "KEYS_MAX", 1)
    assert "more than 1 keys" in str(outcome(f"version = 1\n{table(1)}{table(2)}", decoder))
