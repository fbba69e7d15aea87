"""What is encoded in a text: base64, hexadecimal, percent signs and escapes, rot13, and Unicode's invisible tags."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from jackfield_guardrails.patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECES_MAX: Final = 64
"""Encoded pieces of one text that are looked at, the longest first."""

PIECE_MAX: Final = 20_000
"""Characters of one piece."""

DEPTH_MAX: Final = 2
"""How often something may be encoded."""

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/_-]{20,}\r?\n?)+[A-Za-z0-9+/_-]*={0,2}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){16,}")
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]{4,}")
_ESCAPES: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))")
_LONG_ENTITY: Final = re.compile(r"&#[0-9]{10,};?")
"""No character's; Python makes no number of some thousand digits."""

_ENDS: Final = re.compile(r"\s+")

_ROT13: Final = (
    r"\b(?:vtaber|vafgehpgvbaf?|flfgrz|cebzcg|qvfertneq|cerivbhf|wnvyoernx|naljurer"
    r"|ehyrf|sbetrg|thvqryvarf|bireevqr)\b"
)
_PERCENT: Final = r"(?:%[0-9A-Fa-f]{2}[^%]{0,16}){3}"
_ENTITIES: Final = r"(?:&#x?[0-9A-Fa-f]{2,6};[^&]{0,8}){4}"
_ESCAPED: Final = r"(?:\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})[^\\]{0,8}){4}"

_MARKS: Final = {
    "bytes": Pattern(r"[A-Za-z0-9+/_-]{20}|(?:[0-9A-Fa-f]{2}[ :]?){16}"),
    "percent": Pattern(_PERCENT),
    "entities": Pattern(_ENTITIES),
    "escapes": Pattern(_ESCAPED),
    "rot13": Pattern(f"(?i:{_ROT13})"),
}
_ANY: Final = Pattern(
    f"[A-Za-z0-9+/_-]{{20}}|(?:[0-9A-Fa-f]{{2}}[ :]?){{16}}|{_PERCENT}|{_ENTITIES}|{_ESCAPED}|(?i:{_ROT13})"
)


def decoded(text: str, depth: int = 1) -> Iterator[str]:
    """Texts that are encoded in *text*, and what is encoded in those.

    Parameters:
        text: Of any kind.
        depth: How often it was encoded, and this once more.
    """
    data = text.encode(errors="replace")
    if not text.isascii():
        for tags in islice(_TAGS.findall(text), PIECES_MAX):
            yield "".join(chr(ord(tag) - 0xE0000) for tag in tags)
    if _ANY.search(data, 0) is None:
        return
    for inner in _inner(text, {name for name, pattern in _MARKS.items() if pattern.search(data, 0) is not None}):
        yield inner
        if depth < DEPTH_MAX:
            yield from decoded(inner, depth + 1)


def _inner(text: str, kinds: set[str]) -> Iterator[str]:
    if "bytes" in kinds:
        yield from _bytes(text)
    if "percent" in kinds:
        yield unquote(text, errors="replace")
    if "entities" in kinds:
        yield html.unescape(_LONG_ENTITY.sub("\ufffd", text))
    if "escapes" in kinds:
        yield _ESCAPES.sub(lambda found: chr(int(found[1] or found[2], 16)), text)
    if "rot13" in kinds:
        yield codecs.decode(text, "rot13")


def _bytes(text: str) -> Iterator[str]:
    found = [("base64", each) for each in _BASE64.findall(text)] + [("hex", each) for each in _HEX.findall(text)]
    for kind, piece in sorted(found, key=lambda each: -len(each[1]))[:PIECES_MAX]:
        inner = _base64(piece[:PIECE_MAX]) if kind == "base64" else _hex(piece[:PIECE_MAX])
        if inner:
            yield inner


def _base64(piece: str) -> str:
    given = _ENDS.sub("", piece).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _text(base64.b64decode(given + "=" * (-len(given) % 4)))
    except (binascii.Error, ValueError):
        return _text(base64.b64decode(given[: len(given) // 4 * 4]))


def _hex(piece: str) -> str:
    digits = re.sub("[ :]", "", piece)
    return _text(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _text(data: bytes) -> str:
    """What of *data* is text: of bytes that are none little is left, and no sign."""
    return data.decode(errors="ignore")
