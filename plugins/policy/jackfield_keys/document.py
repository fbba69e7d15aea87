"""The text of a key file as it is changed: comments, order and all that people wrote stays.

A running server changes its file in a thread beside its event loop. Reading a thousand keys with their comments takes a
third of a second there, so only the table that changes is read that way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import tomlkit
from tomlkit.items import AoT, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jackfield_keys.records import KeyRecord

Value: TypeAlias = "Sequence[str] | datetime | str | int"

_ABSENT_IS_NONE: Final = frozenset({"roles", "tags"})
"""Lists that mean the same when they are empty as when they are absent; empty ``models`` are none, absent ones all."""

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

    def replace(self, position: int, old: KeyRecord, new: KeyRecord) -> None:
        """Let the key at *position*, which is *old*, be *new*; what is the same stays as it was written."""
        part, inner = (0, position) if len(self._parts) == 1 else (position + 1, 0)
        document = tomlkit.parse(self._parts[part])
        table = _tables(document)[inner]
        for name in new.__struct_fields__:
            value = _value(new, name)
            if getattr(new, name) == getattr(old, name):
                continue
            if value is None:
                table.pop(name, None)
            else:
                table[name] = value
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
        value = _value(record, name)
        if value is not None:
            table[name] = value
    table.add(tomlkit.nl())
    return table


def _value(record: KeyRecord, name: str) -> Value | None:
    """A field as it is written; None where that is what an absent one says."""
    value: Value | None = getattr(record, name)
    if isinstance(value, tuple):
        return None if not value and name in _ABSENT_IS_NONE else list(value)
    return None if value in ("", 0) else value
