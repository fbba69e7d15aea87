"""What a key looks like: ``jf_``, 43 random characters, 6 characters that tell a typing error from a wrong key."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

PREFIX: Final = "jf_"
"""Makes keys easy to find in places where they must not be."""

ENTROPY_BYTES: Final = 32
"""256 bits: no salt and no slow hash is needed, since nobody can try them out."""

PREFIX_LENGTH: Final = 8
"""Characters of a key that are kept as they are: 30 of 256 bits, by which whoever holds it can find it."""

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY: Final = 43
"""Digits to base 62 of a number with 256 bits."""
_CHECK: Final = 6
"""Digits to base 62 of a CRC-32, as in GitHub's tokens."""
_SHAPE: Final = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_BODY}}})([0-9A-Za-z]{{{_CHECK}}})")


def new_key() -> str:
    """A fresh random key."""
    body = _base62(int.from_bytes(secrets.token_bytes(ENTROPY_BYTES), "big"), _BODY)
    return f"{PREFIX}{body}{_checksum(body)}"


def prefix_of(key: str) -> str:
    """The first characters of *key*, as they may be shown."""
    return key[:PREFIX_LENGTH]


def is_whole(text: str) -> bool:
    """Whether *text* has the shape and the checksum of a key; says nothing about who it belongs to."""
    match = _SHAPE.fullmatch(text)
    return match is not None and _checksum(match[1]) == match[2]


def digest_of(key: str) -> bytes:
    """The SHA-256 of *key*, 32 bytes: what the file keeps of it."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
