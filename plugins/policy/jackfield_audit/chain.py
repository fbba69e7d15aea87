"""The chain: each record's MAC covers the record and the MAC before it.

::

    line   = body[:-1] + ,"mac":"MAC"}            body is a JSON object in ASCII, on one line
    MAC    = HMAC-SHA256(key, MAC before + body)  64 hexadecimal digits; 64 zeros before the first record

Records have consecutive numbers (``seq``). Whoever changes, inserts, reorders or removes one must know the key, or
breaks the chain at that place. What no chain can tell by itself is that its *last* records are gone:
``jackfield_audit.head``.

HMAC: RFC 2104; the construction is that of forward-linked secure logs (Schneier and Kelsey, "Secure Audit Logs to
Support Computer Forensics", 1999), without its key evolution.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import ManifestError

if TYPE_CHECKING:
    from jackfield.secret import Secret

START: Final = b"0" * 64
"""The MAC before the first record."""

KEY_MIN: Final = 32
"""Fewest characters of a key."""

LINE_MAX: Final = 4 * 1024 * 1024
"""Longest line that is read, in bytes."""

_BLOCK_BYTES: Final = 64
"""Of SHA-256."""

_INNER: Final = bytes(each ^ 0x36 for each in range(256))
_OUTER: Final = bytes(each ^ 0x5C for each in range(256))
"""What RFC 2104 adds to the key."""

_SUFFIX: Final = re.compile(rb',"mac":"([0-9a-f]{64})"\}\Z')
_SUFFIX_BYTES: Final = len(b',"mac":""}') + 64


class Sealed(NamedTuple):
    """A line, taken apart."""

    body: bytes
    """The JSON object without its MAC."""
    mac: bytes


class ChainKey:
    """A key, ready for use. Any thread.

    Parameters:
        secret: Text of at least ``KEY_MIN`` characters.

    Raises:
        ManifestError: It is too short.

    Attributes:
        name: Eight characters that tell it from other keys, and nothing about it.
    """

    def __init__(self, secret: Secret) -> None:
        key = secret.reveal().encode()
        if len(key) < KEY_MIN:
            raise ManifestError(
                f"the key of the audit record is shorter than {KEY_MIN} characters; make one: jackfield audit init"
            )
        # the two halves of RFC 2104: going on from copies of them takes half the time of copies of an hmac
        key = hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key
        key = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(key.translate(_INNER))
        self._outer = hashlib.sha256(key.translate(_OUTER))
        self.name = self.mark("key", "")[:8]

    def mac(self, before: bytes, body: bytes) -> bytes:
        """The MAC of *body* after the record whose MAC is *before*, in hexadecimal digits."""
        return self._digest(before, body).encode()

    def mark(self, what: str, text: str) -> str:
        """A keyed hash of *text*, 32 hexadecimal digits: the same for the same text, and nobody can try texts out."""
        return self._digest(f"{what}\0".encode(), text.encode(errors="surrogatepass"))[:32]

    def _digest(self, *parts: bytes) -> str:
        """HMAC-SHA256 of *parts*, one after the other."""
        inner, outer = self._inner.copy(), self._outer.copy()
        for part in parts:
            inner.update(part)
        outer.update(inner.digest())
        return outer.hexdigest()


def seal(body: bytes, mac: bytes) -> bytes:
    """The line of *body*, with its end."""
    return b'%s,"mac":"%s"}\n' % (body[:-1], mac)


def taken_apart(line: bytes) -> Sealed | None:
    """*line*, without its end; None where it is no line of a record."""
    found = _SUFFIX.search(line[-_SUFFIX_BYTES:])
    if found is None or not line.startswith(b"{"):
        return None
    return Sealed(line[:-_SUFFIX_BYTES] + b"}", found[1])
