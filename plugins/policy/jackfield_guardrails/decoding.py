"""What is encoded in a text: base64, hexadecimal, rot13, and Unicode's invisible tags."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECES_MAX: Final = 64
"""Encoded pieces of one text that are looked at, the longest first."""

PIECE_MAX: Final = 20_000
"""Characters of one piece."""

PRINTABLE_MIN: Final = 0.95
"""Share of printable characters from which decoded bytes are text."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){16,}")
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]{4,}")
_ROT13_MARKS: Final = re.compile(
    r"\b(?:vtaber|vafgehpgvbaf?|flfgrz|cebzcg|qvfertneq|cerivbhf|wnvyoernx|naljurer|ehyrf)\b", re.IGNORECASE
)


def decoded(text: str) -> Iterator[str]:
    """Readable texts that are encoded in *text*."""
    found = [("base64", each) for each in _BASE64.findall(text)] + [("hex", each) for each in _HEX.findall(text)]
    for kind, piece in sorted(found, key=lambda each: -len(each[1]))[:PIECES_MAX]:
        inner = _base64(piece[:PIECE_MAX]) if kind == "base64" else _hex(piece[:PIECE_MAX])
        if inner:
            yield inner
    for tags in _TAGS.findall(text)[:PIECES_MAX]:
        yield "".join(chr(ord(tag) - 0xE0000) for tag in tags)
    if _ROT13_MARKS.search(text):
        yield codecs.decode(text, "rot13")


def _base64(piece: str) -> str:
    plain = piece.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _readable(base64.b64decode(plain[: len(plain) // 4 * 4]))
    except (binascii.Error, ValueError):
        return ""


def _hex(piece: str) -> str:
    digits = re.sub("[ :]", "", piece)
    return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _readable(data: bytes) -> str:
    text = data.decode(errors="ignore")
    good = sum(character.isprintable() or character.isspace() for character in text)
    return text if text and good >= PRINTABLE_MIN * len(data.decode(errors="replace")) else ""
