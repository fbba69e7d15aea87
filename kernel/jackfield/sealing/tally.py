"""A sum over all documents that are there, so that none can be exchanged for an older one, removed or added unseen.

Each document counts as HMAC-SHA256 of its kind, name and version; the sum is taken modulo 2^256 and sealed with the
store's version. This is MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental multiset hash
functions and their application to memory integrity checking", ASIACRYPT 2003: a change adds and takes away only what it
touches.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.ports.policy_store import DocumentName

SUM_BYTES: Final = 32
_MODULUS: Final = 1 << (8 * SUM_BYTES)
_encode: Final = msgspec.msgpack.Encoder().encode


class Tally:
    """The documents of one store at one version. One thread at a time.

    Parameters:
        key: For HMAC-SHA256.
    """

    __slots__ = ("_counted", "_key", "_sum")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._sum = 0
        self._counted: dict[DocumentName, int] = {}

    @property
    def total(self) -> bytes:
        """The sum."""
        return self._sum.to_bytes(SUM_BYTES, "big")

    def __len__(self) -> int:
        return len(self._counted)

    def count(self, documents: Iterable[tuple[DocumentName, int]]) -> None:
        """These are at these versions now."""
        for name, version in documents:
            counted = self._value(name, version)
            self._sum = (self._sum + counted - self._counted.get(name, 0)) % _MODULUS
            self._counted[name] = counted

    def after(self, names: Iterable[DocumentName], version: int) -> bytes:
        """What the sum will be once all of *names*, each once, are at *version*."""
        total = self._sum
        for name in names:
            total += self._value(name, version) - self._counted.get(name, 0)
        return (total % _MODULUS).to_bytes(SUM_BYTES, "big")

    def _value(self, name: DocumentName, version: int) -> int:
        data = _encode((name.kind, name.name, version))
        return int.from_bytes(hmac.digest(self._key, data, "sha256"), "big")
