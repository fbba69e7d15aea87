"""A strict, incremental parser of server-sent events. No I/O here.

The grammar is that of the HTML standard, section 9.2.6 "Interpreting an event stream": lines end in LF, CR or CRLF, a
blank line ends an event, a line that starts with a colon is a comment. Browsers forgive more than we do: what a correct
server never sends (an unknown field, bytes that are not UTF-8, an event cut off by the end of the stream) is an error
here, because a parser that forgives hides the defects that tests look for. Only unknown fields may be let pass, for
clients of servers that are not ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_MAX: Final = 16 * 1024 * 1024
"""Most bytes of one event; a stream that never ends its event must not fill memory."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_FIELDS: Final = ("data", "event", "id", "retry")


class SseError(ValueError):
    """The stream is not a well-formed event stream; the message says what was found."""


class SseEvent(msgspec.Struct, frozen=True):
    """One event."""

    data: str
    """Its ``data`` lines, joined by LF."""
    event: str = ""
    """Its type; empty where the stream named none."""


class SseComment(msgspec.Struct, frozen=True):
    """A comment line, which servers send to keep a silent connection open."""

    text: str


SseItem: TypeAlias = SseEvent | SseComment


class SseParser:
    """Cuts a byte stream into events and comments; the same items for any chunking.

    Parameters:
        strict: Whether an unknown field is an error; else it is left out, as the standard wants.

    Used by one thread. After ``SseError`` the parser must not be fed again.
    """

    __slots__ = ("_after_cr", "_data", "_event", "_line", "_named", "_size", "_strict")

    def __init__(self, *, strict: bool = True) -> None:
        self._strict = strict
        self._line = bytearray()
        self._after_cr = False
        self._data: list[str] = []
        self._event = ""
        self._named = False
        self._size = 0

    def feed(self, data: bytes) -> Iterator[SseItem]:
        """Take *data* in and yield what is complete now, in order; to be read to its end.

        Raises:
            SseError: What came is not a well-formed event stream; whatever came before has been yielded.
        """
        if not data:
            return
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        *ended, rest = _LINE_END.split(data)
        for line in ended:
            self._take(line)
            item = self._end_line()
            if item is not None:
                yield item
        self._take(rest)

    def close(self) -> None:
        """Say that the stream has ended.

        Raises:
            SseError: It ended inside an event.
        """
        if self._line or self._data or self._named:
            raise SseError("the stream ended inside an event")

    def _take(self, part: bytes) -> None:
        self._line += part
        self._size += len(part)
        if self._size > EVENT_MAX:
            raise SseError(f"an event of more than {EVENT_MAX} bytes")

    def _end_line(self) -> SseItem | None:
        try:
            line = self._line.decode()
        except UnicodeDecodeError as error:
            raise SseError(f"a line is not UTF-8: {error.reason}") from error
        self._line.clear()
        if not line:
            return self._end_event()
        if line.startswith(":"):
            return SseComment(line[1:].removeprefix(" "))
        self._field(line)
        return None

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name not in _FIELDS:
            if self._strict:
                raise SseError(f"unknown field {name[:40]!r}")
            return
        self._named = True
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value

    def _end_event(self) -> SseEvent | None:
        if self._named and not self._data:
            raise SseError("an event without data")
        event = SseEvent("\n".join(self._data), self._event) if self._data else None
        self._data, self._event, self._named, self._size = [], "", False, 0
        return event
