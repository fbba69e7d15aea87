"""The files of a record: their names, their order, their last lines, and the head that says how far they went.

``audit-000000000001-20260131.jsonl`` begins with record 1, on that day. ``audit.head`` says which record was the last
one that was surely there, under a MAC: without it nobody could tell that the end of the last file is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import ManifestError
from jackfield.whole_files import replace_file
from jackfield_audit.chain import LINE_MAX, START, ChainKey, taken_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD: Final = "audit.head"
LOCK_S: Final = 0.8
"""How long a gateway that starts waits for one that ends."""

_LOOK_S: Final = 0.02
_DAY_S: Final = 86_400
_NAME: Final = re.compile(r"audit-(?P<first>\d{12,18})-(?P<day>\d{8})\.jsonl\Z")
_HEAD_MAX: Final = 4096


class RecordFile(NamedTuple):
    """One of the files."""

    path: Path
    first: int
    """Number of its first record."""


class Place(NamedTuple):
    """How far a record goes."""

    seq: int
    """Number of its last record; 0 where there is none."""
    mac: bytes


class Tail(NamedTuple):
    """The end of a file."""

    place: Place
    torn_bytes: int
    """Of a line that was begun and not ended."""


class _Numbered(msgspec.Struct):
    seq: int


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    seq: int
    mac: str
    proof: str


def record_files(folder: Path) -> Sequence[RecordFile]:
    """All files of the record in *folder*, oldest first.

    Raises:
        ManifestError: The folder cannot be read.
    """
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        raise ManifestError(f"{folder.name}: the audit record cannot be read: {error.strerror}") from error
    found = [(match, path) for path in paths if (match := _NAME.match(path.name))]
    return sorted((RecordFile(path, int(match["first"])) for match, path in found), key=lambda each: each.first)


def new_name(first: int, now: float) -> str:
    """Of a file that begins with the record *first* at *now*, Unix seconds."""
    return f"audit-{first:012d}-{day_of(now)}.jsonl"


def day_of(seconds: float) -> str:
    """The day of Unix *seconds*, in UTC."""
    return _day(int(seconds // _DAY_S))


@lru_cache(maxsize=2)
def _day(number: int) -> str:
    """Asked at each write, and the same all day."""
    return datetime.fromtimestamp(number * _DAY_S, UTC).strftime("%Y%m%d")


def make_folder(folder: Path) -> int:
    """Make *folder* for this user alone, if it is not there, and keep all other writers out: a descriptor to keep.

    Raises:
        ManifestError: It cannot be made, others may write to it, or another process writes its record.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ManifestError(f"folder: {folder.name} cannot be used: {error.strerror}", param="folder") from error
    status = os.fstat(descriptor)
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o022:
        os.close(descriptor)
        raise ManifestError(f"folder: others may write to {folder.name}; run: chmod 700 {folder.name}", param="folder")
    deadline = time.monotonic() + LOCK_S
    while not _locked(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise ManifestError(f"folder: another process writes the audit record in {folder.name}", param="folder")
        time.sleep(_LOOK_S)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_file(path: Path) -> int:
    """A descriptor to append to *path*, which nobody else can read. Raises ``OSError``."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def tail_of(path: Path, first: int) -> Tail:
    """Where the record goes in the file at *path*, which begins with record *first*.

    Raises:
        ManifestError: Its last whole line is none of a record.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, size - LINE_MAX))
        data = stream.read(LINE_MAX)
    whole = data.rfind(b"\n") + 1
    torn = len(data) - whole
    if not whole:
        return Tail(Place(first - 1, b""), torn)
    line = data[data.rfind(b"\n", 0, whole - 1) + 1 : whole - 1]
    sealed = taken_apart(line)
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        if sealed is not None:
            return Tail(Place(msgspec.json.decode(line, type=_Numbered).seq, sealed.mac), torn)
    raise ManifestError(f"{path.name}: its last line is no record; run: jackfield audit verify")


def read_head(folder: Path, key: ChainKey) -> Place | None:
    """How far the record went, as the head says; None where there is none, or another key has signed it."""
    try:
        data = (folder / HEAD).read_bytes()[:_HEAD_MAX]
        head = msgspec.json.decode(data, type=_Head)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Place(head.seq, head.mac.encode()) if head.proof == _proof(key, head.seq, head.mac) else None


def write_head(folder: Path, key: ChainKey, place: Place, *, durable: bool = False) -> None:
    """Say that the record goes as far as *place*; the old head or the new one is there, never half of one.

    Parameters:
        folder: Of the record.
        key: Of the chain.
        place: The end.
        durable: Whether that holds after a power cut too.

    Raises:
        OSError: It cannot be written.
    """
    mac = place.mac.decode() or START.decode()
    text = json.dumps({"seq": place.seq, "mac": mac, "proof": _proof(key, place.seq, mac)})
    replace_file(folder / HEAD, text.encode(), sole=True, durable=durable)


def _proof(key: ChainKey, seq: int, mac: str) -> str:
    return key.mark("head", f"{seq} {mac}")
