"""The file of one state.

::

    offset  bytes
    0       8      magic
    8       4      version
    12      4      h: length of the header
    16      8      p: length of the state
    24      h      header: layout and key, as msgpack
    24+h    32     SHA-256 of everything before: what a file is can be trusted without reading all of it
    56+h    p      the state
    56+h+p  32     SHA-256 of everything before

Numbers are little-endian. A file is written under another name and renamed when it is complete, so a killed worker
leaves the old file or the new one. Nothing is flushed to the disk: where the machine itself goes down, the latest files
may be lost or torn, which the digests tell, and a lost state costs a computation.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.ports.kv_store import StateKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION: Final = 1

HEADER_MAX: Final = 16 << 20
"""Longest header in bytes: four million tokens."""

_MAGIC: Final = b"JFKVSTAT"
_START: Final = struct.Struct("<8sIIQ")
_DIGEST_BYTES: Final = 32
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""``O_NONBLOCK``: what is no file must not hold up the worker."""

_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""``O_TRUNC``: what an earlier fault left under that name does not matter."""

_PEEK_BYTES: Final = 8192
"""First read of a file whose header is wanted: most have less than two thousand tokens."""


class Damaged(Exception):
    """The file is not what was written."""


class _Header(msgspec.Struct, frozen=True, array_like=True):
    layout: str
    scope: bytes
    tokens: bytes
    start: int
    kind: str


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Header).decode


def name_of(key: StateKey, layout: str) -> str:
    """The name of the file of *key*, without suffix: 32 hexadecimal digits."""
    return hashlib.sha256(_header(key, layout)).hexdigest()[:32]


def size_of(key: StateKey, layout: str, state_bytes: int) -> int:
    """How long the file of a state of *state_bytes* is."""
    return _START.size + len(_header(key, layout)) + state_bytes + 2 * _DIGEST_BYTES


def write(path: Path, final: Path, key: StateKey, layout: str, state: memoryview, used_ns: int) -> None:
    """Write *state* to *path*, then call it *final*, whatever was there.

    Parameters:
        path: A name that nobody else uses.
        final: In the same folder.
        key: What it is the state of.
        layout: In which layout.
        state: Bytes, contiguous.
        used_ns: Its time of use, nanoseconds since 1970.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    descriptor = os.open(path, _WRITE_FLAGS, 0o600)
    try:
        try:
            for part in _parts(key, layout, state):
                _write_all(descriptor, part)
            os.utime(descriptor, ns=(used_ns, used_ns))
        finally:
            os.close(descriptor)
        path.rename(final)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def read_key(path: Path, layout: str, size: int) -> StateKey:
    """Whose state the file at *path* is, which is *size* bytes long.

    Raises:
        Damaged: It is no such file, or not one of *layout*.
        OSError: It cannot be read.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        head = os.read(descriptor, _PEEK_BYTES)
        length = _head_length(head, size)
        while len(head) < length:
            more = os.read(descriptor, length - len(head))
            if not more:
                raise Damaged
            head += more
    finally:
        os.close(descriptor)
    return _key(head[:length], layout)


def read(path: Path, key: StateKey, layout: str, size: int, used_ns: int) -> memoryview:
    """The state of *key* from the file at *path*, which is *size* bytes long and has been used at *used_ns* then.

    Raises:
        Damaged: The file is not the one that was written.
        OSError: It cannot be read.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        start = _START.size + len(_header(key, layout)) + _DIGEST_BYTES
        if os.fstat(descriptor).st_size != size or size < start + _DIGEST_BYTES:
            raise Damaged
        whole = memoryview(bytearray(size))
        _read_all(descriptor, whole)
        if hashlib.sha256(whole[:-_DIGEST_BYTES]).digest() != whole[-_DIGEST_BYTES:]:
            raise Damaged
        if bytes(whole[:start]) != _head(key, layout, size - start - _DIGEST_BYTES):
            raise Damaged
        with suppress(OSError):  # a file that cannot be marked as used is still good
            os.utime(descriptor, ns=(used_ns, used_ns))
    finally:
        os.close(descriptor)
    return whole[start:-_DIGEST_BYTES].toreadonly()


def _header(key: StateKey, layout: str) -> bytes:
    return _encode(_Header(layout, key.scope, key.tokens, key.start, key.kind))


def _head(key: StateKey, layout: str, state_bytes: int) -> bytes:
    header = _header(key, layout)
    head = _START.pack(_MAGIC, VERSION, len(header), state_bytes) + header
    return head + hashlib.sha256(head).digest()


def _parts(key: StateKey, layout: str, state: memoryview) -> Iterator[memoryview]:
    head = _head(key, layout, len(state))
    digest = hashlib.sha256(head)
    yield memoryview(head)
    yield state
    digest.update(state)
    yield memoryview(digest.digest())


def _head_length(beginning: bytes, size: int) -> int:
    """How long the part before the state is, by the file's *beginning*, with all digests but the last."""
    if len(beginning) < _START.size:
        raise Damaged
    magic, version, header_bytes, state_bytes = _START.unpack_from(beginning)
    length: int = _START.size + header_bytes + _DIGEST_BYTES
    if (magic, version) != (_MAGIC, VERSION) or header_bytes > HEADER_MAX:
        raise Damaged
    if size != length + state_bytes + _DIGEST_BYTES:
        raise Damaged
    return length


def _key(head: bytes, layout: str) -> StateKey:
    if hashlib.sha256(head[:-_DIGEST_BYTES]).digest() != head[-_DIGEST_BYTES:]:
        raise Damaged
    try:
        header = _decode(head[_START.size : -_DIGEST_BYTES])
    except msgspec.MsgspecError as error:
        raise Damaged from error
    if header.layout != layout:
        raise Damaged
    return StateKey(scope=header.scope, tokens=header.tokens, start=header.start, kind=header.kind)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _read_all(descriptor: int, into: memoryview) -> None:
    while into:
        count = os.readv(descriptor, [into])
        if not count:
            raise Damaged
        into = into[count:]
