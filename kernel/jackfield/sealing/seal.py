"""Authenticated encryption of single values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.sealing.derivation import missing

if TYPE_CHECKING:
    from jackfield.sealing.derivation import Keys

NONCE_BYTES: Final = 12
"""Drawn at random for each value: SP 800-38D (section 8.3) allows 2^32 values under one key, and a key rotates."""

OVERHEAD: Final = NONCE_BYTES + 16
"""Bytes that a sealed value has more: nonce and tag."""


class BrokenSeal(Exception):
    """It was sealed with another key, as something else, or somebody has changed it."""


class Seal:
    """Seals and opens values with one key. Immutable, and safe to use from any thread.

    Parameters:
        keys: As ``derive`` makes them.

    Raises:
        PluginError: The package ``cryptography`` is missing.
    """

    __slots__ = ("_cipher",)

    def __init__(self, keys: Keys) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise missing() from error
        self._cipher = AESGCM(keys.sealing)

    def seal(self, value: bytes, *about: str | int | bytes) -> bytes:
        """*value*, sealed as what *about* says: nonce, ciphertext, tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, _encode(about))

    def open(self, sealed: bytes, *about: str | int | bytes) -> bytes:
        """The value that was sealed as what *about* says.

        Raises:
            BrokenSeal: It was not.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _encode(about))
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal from error


_encode: Final = msgspec.msgpack.Encoder().encode
"""Of a tuple it has one form, from which the tuple can be told."""
