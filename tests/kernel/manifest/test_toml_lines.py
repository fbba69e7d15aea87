"""Lines of keys: found for every document the parser accepts."""

from __future__ import annotations

import string

import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from jackfield.toml_lines import PARSED_BYTES_MAX, key_lines

NAMES = st.text(string.ascii_letters + "-_. ü\"'#[", min_size=1, max_size=6)
TEXTS = st.text("ab#[]=\"'\n\\ é", max_size=12)
SCALARS = st.one_of(st.integers(-9, 9), st.booleans(), TEXTS)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4))
TABLES = st.dictionaries(NAMES, st.one_of(VALUES, st.dictionaries(NAMES, VALUES, max_size=3)), max_size=4)


def _leaves(table: dict[str, object], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for key, value in table.items():
        found |= _leaves(value, (*path, key)) if isinstance(value, dict) else {(*path, key)}
    return found


@given(TABLES)
def test_every_key_of_a_written_document_has_its_line(table: dict[str, object]) -> None:
    """Each key tomlkit wrote is found in a line that has it, whatever the keys and texts look like."""
    text = tomlkit.dumps(table)
    found = key_lines(text)
    assert set(found) >= _leaves(tomli.loads(text))
    lines = text.split("\n")
    for path, line in found.items():
        statement = lines[line - 1]
        assert tomlkit.key(path[-1]).as_string() in statement or path[-1] in statement or "\\" in statement


@given(st.text(max_size=200))
def test_any_text_is_scanned_without_an_exception(text: str) -> None:
    """Also what is no TOML at all."""
    assert all(1 <= line <= text.count("\n") + 1 for line in key_lines(text).values())


def test_values_over_several_lines_do_not_confuse_it() -> None:
    """Strings and lists that contain what looks like headers and keys."""
    text = (
        'top = """\n[kernel]\nlisten = 1\n"""\n\n# comment\n[kernel] # [x]\n'
        "allowed_hosts = [\n  'a', # ]\n  '[models]',\n]\nqueue = 3\n"
        '[models."a.b"]\noptions.threads = 2\noptions.deep = {x = 1}\n'
    )
    assert key_lines(text) == {
        ("top",): 1,
        ("kernel",): 7,
        ("kernel", "allowed_hosts"): 8,
        ("kernel", "queue"): 12,
        ("models", "a.b"): 13,
        ("models", "a.b", "options"): 14,
        ("models", "a.b", "options", "threads"): 14,
        ("models", "a.b", "options", "deep"): 15,
        ("models", "a.b", "options", "deep", "x"): 15,
    }


def test_windows_line_ends_count_once() -> None:
    """CRLF is one line end."""
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 3, ("b", "c"): 4}


def test_a_list_of_very_many_lines_ends_the_search_instead_of_taking_for_ever() -> None:
    """The keys before it keep their lines."""
    text = "a = 1\nb = [\n" + "1,\n" * 4000 + "]\nc = 2\n"
    assert len(text) ** 2 > PARSED_BYTES_MAX
    assert key_lines(text) == {("a",): 1}
