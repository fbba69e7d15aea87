"""Calls whose arguments stand as text between tags: ``<parameter=city>Oslo</parameter>``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import KEPT_MAX
from jackfield.parsing.parameter_types import ALL_TYPES, parameter_types, typed_json
from jackfield.parsing.reading import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.chat import Tool
    from jackfield.parsing.reading import GeneratorReader, Reading


class TaggedArguments:
    """The arguments of one call, which become a JSON object as they come.

    A reader that has begun a call makes one, reads each value with ``value``, and at last calls ``close``::

        arguments = TaggedArguments(self, tool)
        while (yield from self.expect("<parameter=", "</function>")) == "<parameter=":
            key = yield from self.word(">")
            yield from arguments.value(key, "</parameter>")
            yield from self.space()
        arguments.close()

    What a parameter's value is, its schema says: text that can only be a string is escaped and passed on as it comes;
    anything else is kept until it ends, and is JSON where it is JSON of a type that the parameter may have, or else a
    string.

    Parameters:
        reader: Reads the answer, and has begun the call.
        tool: What is called.

    Event loop thread of the gateway.
    """

    def __init__(self, reader: GeneratorReader, tool: Tool) -> None:
        self._reader = reader
        self._types = parameter_types(tool)
        self._written: set[str] = set()

    def value(self, key: str, *ends: str, typed: frozenset[str] | None = None) -> Reading[str]:
        r"""Read the value of *key* until one of *ends*, which is taken and given.

        A form with a line break around values has it taken before, and gives ``"\n</parameter>"`` besides
        ``"</parameter>"``.

        Parameters:
            key: The parameter.
            ends: Marks.
            typed: JSON types that the value may have, where the text itself says so; otherwise its schema does.

        Raises:
            Malformed: The parameter has a value already, the value does not end, or it is far too long.
        """
        if key in self._written:
            raise Malformed
        types = typed or self._types.get(key, ALL_TYPES)
        self._reader.argue(f"{', ' if self._written else '{'}{json.dumps(key, ensure_ascii=False)}: ")
        self._written.add(key)
        if types == {"string"}:
            return (yield from self._string(ends))
        text, end = yield from self._kept(ends)
        self._reader.argue(typed_json(text, types))
        return end

    def close(self) -> None:
        """There are no more."""
        self._reader.argue("}" if self._written else "{}")

    def _string(self, ends: Sequence[str]) -> Reading[str]:
        self._reader.argue('"')
        end = yield from self._until(ends, lambda text: self._reader.argue(escaped(text)))
        self._reader.argue('"')
        return end

    def _kept(self, ends: Sequence[str]) -> Reading[tuple[str, str]]:
        parts: list[str] = []
        size = 0

        def keep(text: str) -> None:
            nonlocal size
            size += len(text)
            if size > KEPT_MAX:
                raise Malformed
            parts.append(text)

        end = yield from self._until(ends, keep)
        return "".join(parts), end

    def _until(self, ends: Sequence[str], pass_on: Callable[[str], None]) -> Reading[str]:
        end = yield from self._reader.until(ends, pass_on)
        if end is None:
            raise Malformed
        return end


def escaped(text: str) -> str:
    """*text* as a part of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
