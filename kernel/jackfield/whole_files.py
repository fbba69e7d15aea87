"""Files that are whole or not there: secrets, keys, archives, and what a process remembers over its end.

Content is written under another name in the same folder, and put in its place in one step. Whoever is killed, or finds
the disk full, leaves the old file or the new one, and never half of one; readers see the same.

* Mode: 0600 from the first moment, whatever the umask says, also where the old file had another mode.
* Disk: with ``durable`` the content is flushed before it is put in its place, and the folder after it, so that a power
  cut too leaves the old file or the new one. Without, it may leave an empty one: for what costs little to lose.
* Links: one that stands at the path is itself replaced, and never followed. Resolve the path first where what it points
  to is meant.
* Leftovers: a writer that is killed leaves its scratch file. ``sole`` says that nobody else writes that file now, as
  under a lock: the scratch file has one name then, and what an earlier writer has left there is removed.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace_file(path: Path, content: bytes, *, sole: bool = False, durable: bool = True) -> None:
    """Put *content* in the place of *path*, whatever was there. Blocks; any thread.

    Parameters:
        path: In a folder that this user may write to.
        content: All of it.
        sole: Whether nobody else writes that file at the same time; see above.
        durable: Whether it must survive a power cut.

    Raises:
        OSError: It cannot be written, and nothing has changed; or, with ``durable`` and from the folder's flush, it is
            there and might not survive a power cut.
    """
    _put(path, content, lambda scratch: scratch.replace(path), sole=sole, durable=durable)


def create_file(path: Path, content: bytes) -> None:
    """Make *path*, which is not there yet, with *content*; it survives a power cut. Blocks; any thread.

    Raises:
        FileExistsError: It is there, and stays as it is.
        OSError: As ``replace_file``.
    """

    def link(scratch: Path) -> None:
        path.hardlink_to(scratch)
        scratch.unlink()

    _put(path, content, link, sole=False, durable=True)


def _put(path: Path, content: bytes, place: Callable[[Path], object], *, sole: bool, durable: bool) -> None:
    descriptor, scratch = _scratch(path, sole=sole)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        place(scratch)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise
    if durable:
        _flush_folder(path.parent)


def _scratch(path: Path, *, sole: bool) -> tuple[int, Path]:
    if not sole:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        return descriptor, Path(name)
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.unlink(missing_ok=True)
    return os.open(scratch, _FLAGS, 0o600), scratch


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
