"""The store: which files there are, in order of their use, and how much room they take."""

from __future__ import annotations

import errno
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from jackfield import state_file
from jackfield.errors import ManifestError
from jackfield.ports.kv_store import StoreUsage
from jackfield.state_file import Damaged
from jackfield_kv_disk.folder import SUFFIX, TEMPORARY, FolderTaken, FolderUnusable, Found, ModelFolder, reason
from jackfield_kv_disk.limit import auto_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Literal

    from jackfield.ports.kv_store import StateKey

ENTRIES_MAX: Final = 10_000
"""Most files: a start reads the beginning of each."""

SCAN_S: Final = 3.0
"""How long a start may look into files; those used longest ago that it has not come to by then are removed."""

RETRY_S: Final = 5.0
"""Between two tries to get a folder that could not be had; less than between two calls of ``refresh``."""

_TAKEN: Final = "another worker uses its folder"

_NO_FILE: Final = (FileNotFoundError, NotADirectoryError)
"""What the system says where somebody has removed the file, or its folder."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where there is no room on the disk."""


class DiskStore:
    """A ``KVStore`` that outlives its process.

    Parameters:
        base: Folder of all models.
        model: The model's name.
        limit: Most bytes that its files take on disk; auto: by what is free there.
        option: Key path of the option that names *base*, for messages.
        clock: Monotonic seconds.
    """

    blocking = True

    def __init__(
        self,
        base: Path,
        model: str,
        limit: int | Literal["auto"],
        *,
        option: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base
        self._model = model
        self._wanted = limit
        self._limit = 0 if limit == "auto" else limit
        self._option = option
        self._clock = clock
        self._layout = ""
        self._folder: ModelFolder | None = None
        self._retry_at = 0.0
        self._sizes: dict[str, int] = {}
        """Length of each file, the least recently used first."""
        self._stuck: dict[str, int] = {}
        """The same of files that were given up and could not be removed."""
        self._used = 0
        self._last_ns = 0
        self._found: list[StateKey] = []
        """What was in a folder that was taken later than at the start, and that nobody was told of."""
        self._dropped = 0
        self._troubles: Counter[str] = Counter()
        self._trouble = ""
        """Why there is no folder."""
        self._unwritten = ""
        """Why the last state could not be written."""
        self._unread = ""
        """Why the last state could not be read."""

    def open(self, layout: str) -> Iterable[StateKey]:
        """Take the folder and look what is in it; where another worker has it, the store begins without one.

        Raises:
            ManifestError: The folder cannot be used.
        """
        self._layout = layout
        try:
            return self._take()
        except FolderUnusable as error:
            raise ManifestError(f"{self._option}: the folder {error}", param=self._option) from error

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Write *state*; the least recently used make room, within the bound and on a disk that others have filled."""
        data = state.cast("B")
        try:
            return self._write(key, data)
        except _NO_FILE:
            self._lose_folder()
        except OSError as error:
            if error.errno not in _FULL or not self._give_back(state_file.size_of(key, self._layout, len(data))):
                self._fail_to_write(error)
                return False
        return self._try_again(key, data)

    def get(self, key: StateKey) -> memoryview | None:
        """Read the state and check it."""
        name = self._name(key)
        if self._folder is None or name not in self._sizes:
            return None
        try:
            state = state_file.read(self._folder.path / name, key, self._layout, self._sizes[name], self._now_ns())
        except (Damaged, *_NO_FILE) as error:
            self._lose(self._folder, name, "corrupt" if isinstance(error, Damaged) else "missing")
            return None
        except (OSError, MemoryError) as error:
            self._unread = f"a state cannot be read: {reason(error) if isinstance(error, OSError) else 'no memory'}"
            self._lose(self._folder, name, "read_failed")
            return None
        self._unread = ""
        self._sizes[name] = self._sizes.pop(name)  # behind all others: used last
        return state

    def drop(self, key: StateKey) -> None:
        """Remove its file."""
        name = self._name(key)
        if self._folder is not None and name in self._sizes:
            self._remove(self._folder, name)

    def clear(self) -> None:
        """Remove all files."""
        if self._folder is not None:
            for name in list(self._sizes):
                self._remove(self._folder, name)

    def refresh(self) -> Iterable[StateKey]:
        """Take a folder that could not be had, if it can now; what was in it."""
        self._present()
        found, self._found = self._found, []
        return found

    def usage(self) -> StoreUsage:
        """How full it is, and what is wrong with it."""
        return StoreUsage(
            entries=len(self._sizes),
            used_bytes=self._used,
            limit_bytes=self._limit,
            dropped=self._dropped,
            error=self._trouble or self._unwritten or self._unread,
            troubles=dict(self._troubles),
        )

    def close(self) -> None:
        """Let others have the folder. Its files are complete already."""
        if self._folder is not None:
            self._folder.release()
            self._folder = None

    # --- the folder --------------------------------------------------------------------------------------------------

    def _take(self) -> list[StateKey]:
        """Take the folder; the keys of what is in it, the least recently used first."""
        self._retry_at = self._clock() + RETRY_S
        try:
            folder = ModelFolder(self._base, self._model, self._layout)
        except FolderTaken:
            self._trouble = _TAKEN
            self._troubles["folder_taken"] += 1
            return []
        try:
            keys = self._scan(folder)
        except OSError as error:
            folder.release()
            raise FolderUnusable(f"cannot be read: {reason(error)}") from error
        self._folder = folder
        self._trouble = ""
        return keys

    def _scan(self, folder: ModelFolder) -> list[StateKey]:
        folder.remove_other_layouts()
        now_ns = time.time_ns()
        # a time in the future would never come to be the oldest one
        files = sorted(folder.files(), key=lambda found: min(found.used_ns, now_ns))
        self._sizes = {found.name: found.size for found in files}
        self._used = sum(folder.room(found.size) for found in files)
        if self._wanted == "auto":
            self._limit = auto_limit(folder.free_bytes() + self._used)
        self._last_ns = now_ns
        while self._sizes and (self._used > self._limit or len(self._sizes) > ENTRIES_MAX):
            self._remove(folder, next(iter(self._sizes)))
        return self._keys(folder, [found for found in files if found.name in self._sizes])

    def _keys(self, folder: ModelFolder, files: list[Found]) -> list[StateKey]:
        """Whose states *files* are; those that nobody can tell of are removed."""
        deadline = self._clock() + SCAN_S
        keys = []
        for found in reversed(files):
            if self._clock() > deadline:
                self._troubles["scan_too_long"] += 1
                self._remove(folder, found.name)
                continue
            try:
                key = state_file.read_key(folder.path / found.name, self._layout, found.size)
            except OSError:
                self._lose(folder, found.name, "read_failed")
                continue
            except Damaged:
                key = None
            if key is None or self._name(key) != found.name:
                self._lose(folder, found.name, "corrupt")
            else:
                keys.append(key)
        return keys[::-1]

    def _lose_folder(self) -> None:
        self._dropped += len(self._sizes)
        self._troubles["folder_lost"] += 1
        self._found.clear()
        self._sizes.clear()
        self._stuck.clear()
        self._used = 0
        self._retry_at = 0.0
        self.close()

    def _present(self) -> ModelFolder | None:
        """The folder; one that could not be had is tried for again now and then."""
        if self._folder is None and self._clock() >= self._retry_at:
            try:
                self._found += self._take()
            except FolderUnusable as error:
                self._trouble = f"its folder {error}"
                self._troubles["folder_unusable"] += 1
        return self._folder

    # --- files -------------------------------------------------------------------------------------------------------

    def _write(self, key: StateKey, data: memoryview) -> bool:
        folder = self._present()
        if folder is None:
            return False
        name = self._name(key)
        if name in self._sizes:
            self._remove(folder, name)
        size = state_file.size_of(key, self._layout, len(data))
        if not self._make_room(folder, folder.room(size)):
            return False
        path = folder.path / name
        state_file.write(path.with_suffix(TEMPORARY), path, key, self._layout, data, self._now_ns())
        self._used += folder.room(size) - folder.room(self._stuck.pop(name, 0))
        self._sizes[name] = size
        self._unwritten = ""
        return True

    def _try_again(self, key: StateKey, data: memoryview) -> bool:
        try:
            return self._write(key, data)
        except OSError as error:
            self._fail_to_write(error)
            return False

    def _fail_to_write(self, error: OSError) -> None:
        self._unwritten = f"a state cannot be written: {reason(error)}"
        self._troubles["disk_full" if error.errno in _FULL else "write_failed"] += 1
        self._dropped += 1

    def _make_room(self, folder: ModelFolder, room: int) -> bool:
        """Whether *room* bytes are free now, at the cost of what was used longest ago."""
        if room > self._limit:
            return False
        while self._sizes and (self._used + room > self._limit or len(self._sizes) >= ENTRIES_MAX):
            self._remove(folder, next(iter(self._sizes)))
        return self._used + room <= self._limit

    def _give_back(self, size: int) -> bool:
        """Leave the disk the room of a file of *size* bytes; False if there is not that much to leave."""
        folder = self._folder
        if folder is None or sum(map(folder.room, self._sizes.values())) < folder.room(size):
            return False
        left = self._used - folder.room(size)
        while self._sizes and self._used > left:
            self._remove(folder, next(iter(self._sizes)))
        return True

    def _lose(self, folder: ModelFolder, name: str, why: str) -> None:
        self._troubles[why] += 1
        self._dropped += 1
        self._remove(folder, name)

    def _remove(self, folder: ModelFolder, name: str) -> None:
        """Forget a file. One that cannot be removed goes on taking room."""
        size = self._sizes.pop(name)
        try:
            (folder.path / name).unlink(missing_ok=True)
        except OSError as error:
            self._unwritten = f"a state cannot be removed: {reason(error)}"
            self._troubles["remove_failed"] += 1
            self._stuck[name] = size
        else:
            self._used -= folder.room(size)

    def _name(self, key: StateKey) -> str:
        return state_file.name_of(key, self._layout) + SUFFIX

    def _now_ns(self) -> int:
        """Now; later than ever before, also where the clock was put back."""
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        return self._last_ns
