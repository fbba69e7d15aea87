"""Files of slots: what a slot has computed, saved for later lives of the worker."""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import structlog

from jackfield import state_file
from jackfield.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    JackfieldError,
    NoRoomLeft,
    UnsupportedField,
    WorkerDied,
)
from jackfield.logs import traceback_of
from jackfield.ports.kv_store import StateKey
from jackfield.questions import SlotDone
from jackfield.worker.engine.prefix.scope import scope_of
from jackfield.worker.engine.prefix.slot_states import SlotState
from jackfield.worker.engine.sequence import Standing
from jackfield.worker.recomputing import Recomputing

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.questions import SaveSlot
    from jackfield.worker.engine.loop import EngineLoop
    from jackfield.worker.engine.prefix.scope import Sharing
    from jackfield.worker.engine.prefix.slot_states import SlotStates

log = structlog.get_logger("jackfield.worker")

Done = TypeVar("Done")

KIND: Final = "slot"
"""``StateKey.kind`` of what is in a file."""

FILES_MAX: Final = 100
"""Most files of one scope."""

ABANDONED_S: Final = 3600.0
"""Age in seconds at which a file that was being written is one of a worker that was killed."""

LOOP_S: Final = 60.0
"""How long the engine loop may take to come to the end of a step."""


class SlotFolder(NamedTuple):
    """Where slots are saved."""

    path: Path | None
    """With a folder for each scope; None refuses."""
    limit: int
    """Most bytes of one scope."""


NO_FOLDER: Final = SlotFolder(None, 0)


class SlotFiles:
    """Saves, restores and erases slots of one model. Called by a compiling thread: files take a while.

    Parameters:
        folder: Where the files are.
        layout: Names model file, KV layout and library: what was saved in another one is useless.
        sharing: Who shares prefixes; ``off`` refuses.
        loop: Has the slots.
    """

    def __init__(self, folder: SlotFolder, layout: str, sharing: Sharing, loop: EngineLoop) -> None:
        self._folder = folder
        self._layout = layout
        self._sharing: Sharing = sharing
        self._loop = loop
        self._saving = threading.Lock()
        """Two that save at a time would each find room for itself."""

    def act(self, question: SaveSlot, tenant: str) -> SlotDone:
        """Do what *tenant* asks.

        Raises:
            UnsupportedField: Slots of this model cannot be saved.
            InvalidRequest: There is no such slot, nothing to save, or the file cannot be used.
            NoRoomLeft: *tenant* has saved as much as it may, or the disk is full.
            Overloaded: There is no room on the device.
        """
        began = time.perf_counter()
        scope = scope_of(self._sharing, tenant, "")
        root = self._folder.path
        if root is None or scope is None or not self._loop.cache.works:
            raise UnsupportedField(
                "slots of this model are not saved; that needs slot_folder and prefix_cache", param="action"
            )
        folder = root / scope.hex()[:32]
        if question.action == "erase":
            tokens, size = self._in_loop(lambda states: states.erase(question.slot, scope)), 0
        elif question.action == "save":
            tokens, size = self._save(folder, question, Standing(tenant=tenant, scope=scope, slot=question.slot))
        else:
            tokens, size = self._restore(folder / question.file, question.slot, scope)
        return SlotDone(tokens, size, time.perf_counter() - began)

    def _save(self, folder: Path, question: SaveSlot, standing: Standing) -> tuple[int, int]:
        scope = standing.scope or b""
        state = self._state(question.slot, scope, standing)
        key = StateKey(scope=scope, tokens=state.tokens, start=0, kind=KIND)
        size = state_file.size_of(key, self._layout, len(state.data))
        try:
            with self._saving:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._require_room(folder, question.file, size)
                temporary = folder / f".{secrets.token_hex(16)}"
                state_file.write(temporary, folder / question.file, key, self._layout, state.data, time.time_ns())
        except OSError as error:
            log.warning("a slot could not be saved", reason=_reason(error))
            kind = NoRoomLeft if error.errno in _FULL else InternalError
            raise kind(f"the slot could not be saved: {_reason(error)}") from error
        return key.end, size

    def _state(self, slot: int, scope: bytes, standing: Standing) -> SlotState:
        """What *slot* has computed; computed again where it has left the device."""
        state = self._in_loop(lambda states: states.take(slot, scope))
        if isinstance(state, SlotState):
            return state
        again = Recomputing(self._loop, state.tokens, standing)
        try:
            return again.state.result(LOOP_S)
        except TimeoutError:
            again.cancelled = True
            self._loop.wake()
            raise DeadlineExceeded("the slot has left the device, and computing it again takes too long") from None

    def _require_room(self, folder: Path, name: str, size: int) -> None:
        """Raise ``NoRoomLeft`` where a file *name* of *size* bytes would be too much for one scope's *folder*."""
        others = [each for each in _files(folder) if each.name != name]
        if len(others) >= FILES_MAX:
            raise NoRoomLeft(f"{FILES_MAX} slots are saved; save over one of them", param="filename")
        left = self._folder.limit - sum(each.size for each in others)
        if size > left:
            raise NoRoomLeft(
                f"the slot takes {size} bytes, and of the {self._folder.limit} that you may save {max(left, 0)} are"
                " left; save over a larger one",
                param="filename",
            )

    def _restore(self, path: Path, slot: int, scope: bytes) -> tuple[int, int]:
        try:
            size = path.stat(follow_symlinks=False).st_size
            key = state_file.read_key(path, self._layout, size)
            if key.scope != scope or key.kind != KIND:
                raise _no_file()
            data = state_file.read(path, key, self._layout, size, time.time_ns())
        except (OSError, state_file.Damaged) as error:
            raise _no_file() from error
        self._in_loop(lambda states: states.put(slot, scope, SlotState(key.tokens, data)))
        return key.end, size

    def _in_loop(self, work: Callable[[SlotStates], Done]) -> Done:
        """What *work* gives, done by the loop between two steps."""
        future: Future[Done] = Future()

        def run(states: SlotStates) -> None:
            try:
                future.set_result(work(states))
            except JackfieldError as error:
                future.set_exception(error)
            except Exception as error:  # noqa: BLE001 - a defect must cost one question, not the loop
                log.critical("a slot could not be moved", traceback=traceback_of(error))
                future.set_exception(InternalError("the slot could not be moved"))

        self._loop.with_slots(run)
        try:
            return future.result(LOOP_S)
        except TimeoutError:
            raise WorkerDied("the model is being stopped or restarted; try again") from None


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _File(NamedTuple):
    name: str
    size: int


def _files(folder: Path) -> list[_File]:
    """What is in *folder*, without what killed workers have left, which goes."""
    found: list[_File] = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if entry.name.startswith(".") and time.time() - status.st_mtime > ABANDONED_S:
                Path(entry.path).unlink()
            else:
                found.append(_File(entry.name, status.st_size))
    return found


def _no_file() -> InvalidRequest:
    return InvalidRequest("there is no saved slot of that name that fits this model", param="filename")


def _reason(error: OSError) -> str:
    """What the system says, without the path."""
    return os.strerror(error.errno) if error.errno is not None else type(error).__name__
