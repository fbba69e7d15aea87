"""Reading and replacing a key file: nobody else's, readable for nobody else, never half written."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError, Overloaded
from jackfield.watched_files import settled, signature_of
from jackfield.whole_files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jackfield.watched_files import Signature

FILE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Ten thousand keys take about 4 MiB."""

LOCK_S: Final = 10.0
"""How long a command waits for another one that is writing; writing takes milliseconds."""

_LOCK_LOOK_S: Final = 0.02
_FOREIGN_BITS: Final = 0o177
"""Execute for the owner, and anything for group and others."""


def read(path: Path, shown: str) -> tuple[str, Signature | None]:
    """The text of a key file that only its owner, this user, can read; how it looks, unless it must be read again.

    Parameters:
        path: The file.
        shown: What messages call it.

    Raises:
        ManifestError: It is not there, not a plain file, somebody else's, or readable for others (with the command that
            helps), too large, or not UTF-8.
    """
    try:
        # a pipe in its place would block for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ManifestError(
            f"{shown}: there is no such key file; make a first key: jackfield keys create NAME"
        ) from error
    except OSError as error:
        raise ManifestError(f"{shown}: cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        _check(status, shown)
        signature = signature_of(status)
        seen = signature if settled(signature) else None
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ManifestError(f"{shown}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > FILE_BYTES_MAX:
        raise ManifestError(f"{shown}: larger than {FILE_BYTES_MAX} bytes; that is not a key file")
    try:
        return data.decode(), seen
    except UnicodeDecodeError as error:
        raise ManifestError(f"{shown}: not UTF-8") from error


@contextmanager
def locked(path: Path, shown: str) -> Iterator[None]:
    """Keep every other writer of *path* away.

    The lock is the file's own, which no other user can open, and before there is a file its folder's. It ends with the
    process, and leaves no file.

    Raises:
        ManifestError: Neither can be opened.
        Overloaded: Somebody else has been writing for ``LOCK_S``.
    """
    deadline = time.monotonic() + LOCK_S
    while True:
        descriptor = _open_for_lock(path, shown)
        try:
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise Overloaded(f"another command has been writing the key file for {LOCK_S:g} s; try again")
                time.sleep(_LOCK_LOOK_S)
            if _is_current(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)


def _open_for_lock(path: Path, shown: str) -> int:
    for name, flags in ((path, os.O_NONBLOCK), (path.parent, os.O_DIRECTORY)):
        try:
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC | flags)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ManifestError(f"{shown}: it or its folder cannot be used: {error.strerror}") from error
    raise ManifestError(f"{shown}: its folder cannot be used: {os.strerror(errno.ENOENT)}")


def _is_current(descriptor: int, path: Path) -> bool:
    """Whether the lock is still the right one: whoever held it before may have put another file there."""
    held = os.fstat(descriptor)
    try:
        return os.path.samestat(held, path.stat())
    except OSError:
        return stat.S_ISDIR(held.st_mode)


def replace(path: Path, text: str, shown: str) -> None:
    """Put *text* in the place of *path*, in one step: after a crash at any moment there is the old file or the new one.

    A link stays one: what it points to is replaced. Call while ``locked``.

    Raises:
        ManifestError: It cannot be written; nothing has changed, unless the disk failed at the very end.
    """
    try:
        replace_file(path.resolve(), text.encode(), sole=True)
    except OSError as error:
        raise ManifestError(f"{shown}: cannot be written: {error.strerror}") from error


def _check(status: os.stat_result, shown: str) -> None:
    quoted = shlex.quote(shown)
    if not stat.S_ISREG(status.st_mode):
        raise ManifestError(f"{shown}: not a plain file")
    if status.st_uid != os.geteuid():
        raise ManifestError(
            f"{shown}: belongs to another user (number {status.st_uid}), who could change the keys; run this as that"
            f" user, or: sudo chown {os.geteuid()} {quoted}"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & _FOREIGN_BITS:
        raise ManifestError(f"{shown}: others may use the file (mode {mode:04o}); run: chmod 600 {quoted}")


def _try_lock(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
