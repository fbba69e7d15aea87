r"""An event as a line of the record: bounded, in ASCII, with hashes in the place of what is not to be shown.

Everything that is not printable ASCII is written as ``\uXXXX``: control characters, characters that change the
direction of writing, and those that look like others do nothing to whoever looks at the file, and no value can end
its line.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.audit import AuditEvent, AuditText, Detail
    from jackfield_audit.chain import ChainKey
    from jackfield_audit.config import AuditConfig

VERSION: Final = 1
"""Of the envelope. It grows by new fields; what changes the meaning of one makes it 2."""

VALUE_MAX: Final = 1024
"""Most characters of a value; more is cut."""

DETAILS_MAX: Final = 64
"""Most details of an event."""

BODY_MAX: Final = 2_000_000
"""Most bytes of a body, less than half of ``chain.LINE_MAX``; where there would be more, texts are hashes, and details
are left out."""

TEXTS_MAX: Final = 1024
"""Most texts of such an event."""

_DELETE: Final = b"\x7f"
"""The one control character that JSON lets stand."""

_NAMED: Final = (
    "request_id",
    "decision_id",
    "principal",
    "name",
    "fingerprint",
    "team",
    "client",
    "resource",
    "reason",
)
"""Fields of an event that are texts from outside, in the order of the line."""

_encode: Final = msgspec.json.Encoder().encode
"""Takes a tenth of the time of ``json.dumps``, and writes UTF-8."""

_BITS_MAX: Final = 63
"""Of an integer: readers in other languages have no more."""

_PLAIN: Final = re.compile(r"[ -~]*\Z")


class Envelopes:
    """Makes bodies of events. Any thread.

    Parameters:
        key: For what is hashed.
        config: What is shown.
    """

    def __init__(self, key: ChainKey, config: AuditConfig) -> None:
        self._key = key
        self._texts = config.texts
        self._text_max = config.text_max
        self._redacted = frozenset(config.redact)

    def body(self, seq: int, event: AuditEvent) -> bytes:
        """The record number *seq*, without its MAC; empty values are left out."""
        fields: dict[str, object] = {
            "v": VERSION,
            "seq": seq,
            "time": timestamp(event.time),
            "kind": event.kind,
            "action": _cut(event.action),
            "outcome": event.outcome,
        }
        for name in _NAMED:
            value = getattr(event, name)
            if value:
                fields[name] = self._shown(name, value)
        if event.details:
            # what the record says of itself must be readable: keys and numbers that verifying needs
            redacted = "details" in self._redacted and event.kind != "audit"
            fields["details"] = self._details(event.details, redacted=redacted)
        if event.texts and self._texts != "none":
            fields["texts"] = [self._text(text) for text in event.texts]
        line = written(fields)
        if len(line) > BODY_MAX:
            # a line that nobody can read would end the record for all that follow
            texts = [self._hashed(text) for text in event.texts[-TEXTS_MAX:]] if "texts" in fields else []
            line = written(fields | {"details": {"cut": True}, "texts": texts})
        return line

    def _shown(self, name: str, value: str) -> str:
        if name in self._redacted:
            return f"hash:{self._key.mark(name, value)}"
        return _cut(value)

    def _details(self, details: Mapping[str, Detail], *, redacted: bool) -> dict[str, object]:
        shown: dict[str, object] = {}
        for name, value in list(details.items())[:DETAILS_MAX]:
            if redacted and not isinstance(value, bool | int | float):
                shown[_cut(name)] = f"hash:{self._key.mark('details', repr(value))}"
            elif isinstance(value, str):
                shown[_cut(name)] = _cut(value)
            elif isinstance(value, tuple):
                shown[_cut(name)] = [_cut(each) for each in value[:DETAILS_MAX]]
            else:
                shown[_cut(name)] = _number(value)
        return shown

    def _text(self, text: AuditText) -> dict[str, object]:
        if self._texts == "hash":
            return self._hashed(text)
        cut = whole(text.text[: self._text_max])
        entry: dict[str, object] = {"role": text.role, "characters": len(text.text), "text": cut}
        return entry | ({"cut": True} if len(text.text) > self._text_max else {})

    def _hashed(self, text: AuditText) -> dict[str, object]:
        return {"role": text.role, "characters": len(text.text), "hash": self._key.mark("text", text.text)}


def written(fields: Mapping[str, object]) -> bytes:
    """*fields* as JSON in printable ASCII, on one line."""
    text = _encode(fields)
    if not text.isascii():
        text = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
    return text.replace(_DELETE, b"\\u007f")


def timestamp(seconds: float) -> str:
    """Unix *seconds* as RFC 3339 has it, in UTC, with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _number(value: float | None) -> float | str | None:
    """*value*, if JSON has a word for it and a reader would take it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _BITS_MAX:
        return f"{value.bit_length()} bits"
    return value


def _cut(text: str) -> str:
    return whole(text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…")


def whole(text: str) -> str:
    """*text*, with half characters written out: JSON could carry them, and its readers refuse them."""
    if text.isascii():
        return text
    return text.encode(errors="backslashreplace").decode()


def printable(text: str) -> str:
    """*text* for a terminal: what is not printable ASCII or a plain letter of another script is escaped."""
    if _PLAIN.match(text):
        return text
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)
