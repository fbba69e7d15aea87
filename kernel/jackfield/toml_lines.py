"""In which line of a TOML document each key stands; the parser itself does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import tomli

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KeyPath: TypeAlias = tuple[str, ...]

PARSED_BYTES_MAX: Final = 512 * 1024
"""A statement over n lines is parsed n times, so a list of many lines would take quadratic time; past this many bytes
the remaining keys have no line. A list of 150 lines of 40 characters stays below."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each table header and key in *text*.

    Parameters:
        text: A TOML document that the parser accepts. In any other one, lines after the fault are missing.

    Returns:
        Key path → line where it is first written. Tables inside lists have no line of their own.

    A document is cut where a run of lines first parses by itself: an unfinished string, list or inline table never
    does. So quoting, dotted keys and lists over many lines are the parser's business, not ours.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement, parsed in _statements(text):
        paths = list(_paths(parsed))
        if statement.lstrip().startswith("["):
            table = paths[-1]
            lines.setdefault(table, number)
        else:
            for path in paths:
                lines.setdefault(table + path, number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, Mapping[str, object]]]:
    """First line, text and value of each statement; blank lines and comments are left out."""
    budget = PARSED_BYTES_MAX
    start, pending = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not pending:
            start = number
        pending += line + "\n"
        budget -= len(pending)
        if budget < 0:
            return
        try:
            parsed = tomli.loads(pending)
        except (tomli.TOMLDecodeError, RecursionError):
            continue
        if parsed:
            yield start, pending, parsed
        pending = ""


def _paths(table: Mapping[str, object]) -> Iterator[KeyPath]:
    """Paths of all keys in *table* and the tables in it, outer ones first."""
    for key, inner in table.items():
        yield (key,)
        if isinstance(inner, dict):
            yield from ((key, *path) for path in _paths(inner))
