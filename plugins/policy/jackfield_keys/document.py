"""The text of a key file as it is changed: comments, order and all that people wrote stays.

A running server changes its file in a thread beside its event loop. Reading a thousand keys with their comments takes a
third of a second there, so only the table that changes is read that way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import tomlkit
from tomlkit.items import AoT, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jackfield_keys.records import KeyRecord

_TABLE: Final = re.compile(r"^[ \t]*\[\[[ \t]*keys[ \t]*\]\]", re.MULTILINE)


class KeyDocument:
    """A document that is being changed. What comes of it must be checked: texts may look like tables.

    Parameters:
        text: Of the file.
        count: How many keys are in it.
    """

    def __init__(self, text: str, count: int) -> None:
        starts = [found.start() for found in _TABLE.finditer(text)]
        apart = count > 0 and len(starts) == count
        ends = [*starts, len(text)] if apart else [len(text)]
        self._parts = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        """What stands before the first table, then the tables, each with what follows it; or all in one."""

    def append(self, record: KeyRecord) -> None:
        """Add a table."""
        if len(self._parts) == 1:
            document = tomlkit.parse(self._parts[0])
            _tables(document).append(_table(record))
            self._parts = [tomlkit.dumps(document)]
            return
        document = tomlkit.document()
        _tables(document).append(_table(record))
        last = self._parts[-1]
        self._parts[-1] = last if last.endswith("\n\n") else f"{last.rstrip()}\n\n"
        self._parts.append(tomlkit.dumps(document))

    def revoke(self, position: int, at: datetime) -> None:
        """Let the key at *position* be refused from *at* on."""
        part, inner = (0, position) if len(self._parts) == 1 else (position + 1, 0)
        document = tomlkit.parse(self._parts[part])
        _tables(document)[inner]["revoked"] = at
        self._parts[part] = tomlkit.dumps(document)

    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)


def _tables(document: tomlkit.TOMLDocument) -> AoT:
    tables = document.get("keys")
    if isinstance(tables, AoT):
        return tables
    document["keys"] = tomlkit.aot()
    return _tables(document)


def _table(record: KeyRecord) -> Table:
    table = tomlkit.table()
    for name in record.__struct_fields__:
        value: Sequence[str] | datetime | str | int | None = getattr(record, name)
        if value not in (None, "", 0):
            table[name] = list(value) if isinstance(value, tuple) else value
    table.add(tomlkit.nl())
    return table
