"""Where running servers can be found: one folder of the user, with a socket for each server in it.

The folder is ``$JACKFIELD_RUNTIME_DIR`` where that is set, else ``$XDG_RUNTIME_DIR/jackfield``, else
``/tmp/jackfield-UID``. It must belong to the user alone (mode 0700), so nobody else can put a socket there or connect
to one.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUFFIX: Final = ".sock"

_PATH_MAX: Final = 100
"""``sun_path`` has 108 bytes (``unix(7)``); a longer path is named through its folder's descriptor."""


class UnsafeFolder(Exception):
    """The folder is not the user's alone, or cannot be made; the message says what is wrong with it."""


def folders(environ: Mapping[str, str] = os.environ, *, temporary: Path = Path("/tmp")) -> list[Path]:  # noqa: S108  checked before use
    """The places where a server of this user may have put its socket, first choice first."""
    own = environ.get("JACKFIELD_RUNTIME_DIR", "")
    if own.startswith("/"):
        return [Path(own)]
    shared = environ.get("XDG_RUNTIME_DIR", "")
    first = [Path(shared) / "jackfield"] if shared.startswith("/") and Path(shared).is_dir() else []
    return [*first, temporary / f"jackfield-{os.geteuid()}"]


def prepare(folder: Path) -> None:
    """Make *folder* if it is not there.

    Raises:
        UnsafeFolder: It belongs to somebody else, others may enter it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UnsafeFolder(f"cannot be made: {error.strerror}") from error
    check(folder)


def check(folder: Path) -> None:
    """Raise ``UnsafeFolder`` unless *folder* is a real folder of this user that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError as error:
        raise UnsafeFolder(f"cannot be looked at: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeFolder("is not a folder")
    if found.st_uid != os.geteuid():
        raise UnsafeFolder("belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UnsafeFolder("may be entered by others; its mode must be 0700")


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for the socket at *path* that fits a socket address, usable inside the ``with`` block."""
    if len(os.fsencode(path)) <= _PATH_MAX:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
