"""The text of a key file: what people wrote stays, however they wrote it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jackfield_keys.decode import parse
from jackfield_keys.document import KeyDocument
from jackfield_keys.edit import Grant
from jackfield_keys.records import KeyRecord

if TYPE_CHECKING:
    from tests.plugins.jackfield_keys.conftest import Keys

NOW = datetime(2026, 6, 1, tzinfo=UTC)

HEADERS = ["[[keys]]", "  [[ keys ]]  # of the robot"]

BETWEEN = ["", "\n", "# [[keys]]\n", "\n\n# a note\n   # [[keys]] another\n\n"]


def record(number: int) -> KeyRecord:
    """One that differs from all others."""
    return KeyRecord(name=f"k{number}", digest=f"sha256:{number:064x}", scopes=("embed",), created=NOW)


def table(number: int, header: str) -> str:
    """Its table, as somebody wrote it."""
    lines = (f'name = "k{number}"', f'digest = "sha256:{number:064x}"', 'scopes = ["embed"]')
    return "\n".join((header, *lines, f"created = {NOW.isoformat()}\n"))


@settings(deadline=None)
@given(
    header=st.sampled_from(HEADERS),
    written=st.lists(st.sampled_from(BETWEEN), max_size=4),
    changes=st.lists(st.none() | st.integers(0, 3), max_size=5),
    end=st.sampled_from(["", "\n", "\n\n", "# the end", " \n # the end\n"]),
)
def test_any_changes_of_any_spelling(header: str, written: list[str], changes: list[int | None], end: str) -> None:
    """None adds a key, a number revokes one; nothing else changes, and no comment is lost."""
    text = "version = 1\n" + "".join(f"{between}{table(n, header)}" for n, between in enumerate(written)) + end
    records = list(parse(text, "keys.toml"))
    document = KeyDocument(text, len(records))
    for step, change in enumerate(changes):
        if change is None:
            records.append(record(100 + step))
            document.append(records[-1])
        elif change < len(records):
            at = NOW + timedelta(days=step)
            one = records[change]
            records[change] = KeyRecord(
                name=one.name, digest=one.digest, scopes=one.scopes, created=one.created, revoked=at
            )
            document.replace(change, one, records[change])
    changed = document.text()
    assert list(parse(changed, "keys.toml")) == records
    comments = [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]
    assert [line.strip() for line in changed.splitlines() if line.lstrip().startswith("#")] == comments


def test_a_text_that_looks_like_a_table() -> None:
    """A value may go over several lines; it stays what it is."""
    owner = 'owner = """\\\n  [[keys]] of the robot"""\n'
    text = f"version = 1\n{table(0, HEADERS[0])}{owner}{table(1, HEADERS[0])}"
    first, second = parse(text, "keys.toml")
    assert first.owner == "[[keys]] of the robot"
    document = KeyDocument(text, 2)
    document.replace(1, second, replace(second, revoked=NOW))
    document.append(record(2))
    assert list(parse(document.text(), "keys.toml")) == [first, replace(second, revoked=NOW), record(2)]
    assert owner in document.text()


@pytest.mark.parametrize("text", ["version = 1\nkeys = []\n", "version = 1", "version = 1\n# nobody yet\n"])
def test_the_first_key_of_a_file_that_was_written_by_hand(keys: Keys, text: str) -> None:
    """However it says that there are none."""
    keys.path.touch(0o600)
    keys.path.write_text(text)
    keys.file.create(Grant("first", "", ("embed",), None, None))
    assert [each.name for each in keys.file.records()] == ["first"]
