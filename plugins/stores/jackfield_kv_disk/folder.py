"""One model's folder on disk: whose it is, who uses it, what is in it.

::

    PATH/                      mode 0700
        MODEL-DIGEST/          one for each model's name
            lock               held by the worker that uses the folder
            LAYOUT-DIGEST/     one for each format, model file and KV layout; only the present one is kept
                KEY-DIGEST.kv  a state
                KEY-DIGEST.tmp a state that is being written
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from jackfield.state_file import VERSION

SUFFIX: Final = ".kv"
TEMPORARY: Final = ".tmp"

_LOCK: Final = "lock"
_OURS: Final = re.compile(r"[0-9a-f]{32}\.(kv|tmp)")
_LAYOUT: Final = re.compile(r"[0-9a-f]{16}")
_PLAIN: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_SHOWN: Final = 40
"""Characters of a model's name that its folder's name shows."""


class FolderUnusable(Exception):
    """The folder cannot be used; the message says why, without naming it."""


class FolderTaken(Exception):
    """Another worker uses the folder."""


class Found(NamedTuple):
    """A file of a state."""

    name: str
    size: int
    used_ns: int
    """When it was used last, nanoseconds since 1970."""


class ModelFolder:
    """The folder of one model and layout, held until ``release``.

    Parameters:
        base: Folder of all models.
        model: The model's name.
        layout: What the states are states of.

    Raises:
        FolderUnusable: It cannot be made, is not this user's alone, or cannot be written to.
        FolderTaken: Another worker uses it.
    """

    def __init__(self, base: Path, model: str, layout: str) -> None:
        home = base / _folder_name(model)
        self.path = home / hashlib.sha256(f"{VERSION} {layout}".encode()).hexdigest()[:16]
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_private(base)
            home.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(home / _LOCK)
            try:
                self.path.mkdir(mode=0o700, exist_ok=True)
                self._block_bytes = max(1, os.statvfs(self.path).f_frsize)
            except BaseException:
                os.close(self._lock)
                raise
        except FileExistsError as error:
            raise FolderUnusable("is not a folder") from error
        except OSError as error:
            raise FolderUnusable(f"cannot be used: {reason(error)}") from error

    def release(self) -> None:
        """Let others use it."""
        os.close(self._lock)

    def files(self) -> list[Found]:
        """The states in it, in no order; what a killed worker was writing is removed. Raises ``OSError``."""
        found = []
        with os.scandir(self.path) as entries:
            for entry in filter(_is_ours, entries):
                if entry.name.endswith(TEMPORARY):
                    with suppress(OSError):
                        Path(entry.path).unlink()
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append(Found(entry.name, status.st_size, status.st_mtime_ns))
        return found

    def remove_other_layouts(self) -> None:
        """Remove states of other layouts; whatever is not ours stays where it is."""
        with suppress(OSError), os.scandir(self.path.parent) as entries:
            for entry in entries:
                if _LAYOUT.fullmatch(entry.name) and entry.name != self.path.name:
                    _remove_states(Path(entry.path))

    def room(self, size: int) -> int:
        """What a file of *size* bytes takes on that disk."""
        return -(-size // self._block_bytes) * self._block_bytes

    def free_bytes(self) -> int:
        """What this user may still write to that disk. Raises ``OSError``."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize


def default_folder() -> Path:
    """The folder where none is configured (XDG base directories)."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if cache.startswith("/"):
        return Path(cache, "jackfield", "kv")
    return Path("~/.cache/jackfield/kv").expanduser()


def reason(error: OSError) -> str:
    """What the system says, without the path."""
    return os.strerror(error.errno) if error.errno is not None else type(error).__name__


def check_private(folder: Path) -> None:
    """Raise ``FolderUnusable`` unless *folder* is a folder of this user that nobody else may enter."""
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise FolderUnusable("is not a folder")
    if found.st_uid != os.geteuid():
        raise FolderUnusable("belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise FolderUnusable("may be entered by others, who could read prompts off it; its mode must be 0700")


def _folder_name(model: str) -> str:
    """A name for the folder of *model*: names that differ in anything have different ones on any file system."""
    digest = hashlib.sha256(model.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{_PLAIN.sub('_', model)[:_SHOWN].lstrip('.-')}-{digest}"


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise FolderTaken from error
        raise
    return descriptor


def _remove_states(folder: Path) -> None:
    with suppress(OSError):
        with os.scandir(folder) as entries:
            for entry in filter(_is_ours, entries):
                Path(entry.path).unlink()
        folder.rmdir()


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return _OURS.fullmatch(entry.name) is not None
