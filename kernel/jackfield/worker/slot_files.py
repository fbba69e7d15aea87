"""Files of slots: what a slot has computed, saved for later lives of the worker."""

from __future__ import annotations

import os
import secrets
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from jackfield import state_file
from jackfield.errors import InternalError, InvalidRequest, JackfieldError, UnsupportedField, WorkerDied
from jackfield.logs import traceback_of
from jackfield.ports.kv_store import StateKey
from jackfield.questions import SlotDone
from jackfield.worker.engine.prefix.scope import scope_of
from jackfield.worker.engine.prefix.slot_states import SlotState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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

LOOP_S: Final = 60.0
"""How long the engine loop may take to come to the end of a step."""


class SlotFiles:
    """Saves, restores and erases slots of one model. Called by a compiling thread: files take a while.

    Parameters:
        folder: Where the files are, in a folder for each scope; None refuses.
        layout: Names model file, KV layout and library: what was saved in another one is useless.
        sharing: Who shares prefixes; ``off`` refuses.
        loop: Has the slots.
    """

    def __init__(self, folder: Path | None, layout: str, sharing: Sharing, loop: EngineLoop) -> None:
        self._folder = folder
        self._layout = layout
        self._sharing: Sharing = sharing
        self._loop = loop

    def act(self, question: SaveSlot, tenant: str) -> SlotDone:
        """Do what *tenant* asks.

        Raises:
            UnsupportedField: Slots of this model cannot be saved.
            InvalidRequest: There is nothing to save, restore or erase, or the file cannot be used.
            Overloaded: There is no room on the device.
        """
        began = time.perf_counter()
        scope = scope_of(self._sharing, tenant, "")
        if self._folder is None or scope is None or not self._loop.cache.works:
            raise UnsupportedField(
                "slots of this model are not saved; that needs slot_folder and prefix_cache", param="action"
            )
        folder = self._folder / scope.hex()[:32]
        if question.action == "erase":
            tokens, size = self._in_loop(lambda states: states.erase(question.slot, scope)), 0
        elif question.action == "save":
            tokens, size = self._save(folder, question, scope)
        else:
            tokens, size = self._restore(folder / question.file, scope)
        return SlotDone(tokens, size, time.perf_counter() - began)

    def _save(self, folder: Path, question: SaveSlot, scope: bytes) -> tuple[int, int]:
        state = self._in_loop(lambda states: states.take(question.slot, scope))
        key = StateKey(scope=scope, tokens=state.tokens, start=0, kind=KIND)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            others = [entry.name for entry in os.scandir(folder) if entry.name != question.file]
            if len(others) >= FILES_MAX:
                raise InvalidRequest(f"{FILES_MAX} slots are saved; save over one of them", param="filename")
            temporary = folder / f".{secrets.token_hex(16)}"
            state_file.write(temporary, folder / question.file, key, self._layout, state.data, time.time_ns())
        except OSError as error:
            raise InternalError(f"the slot could not be saved: {_reason(error)}") from error
        return key.end, state_file.size_of(key, self._layout, len(state.data))

    def _restore(self, path: Path, scope: bytes) -> tuple[int, int]:
        try:
            size = path.stat(follow_symlinks=False).st_size
            key = state_file.read_key(path, self._layout, size)
            if key.scope != scope or key.kind != KIND:
                raise _no_file()
            data = state_file.read(path, key, self._layout, size, time.time_ns())
        except (OSError, state_file.Damaged) as error:
            raise _no_file() from error
        self._in_loop(lambda states: states.put(scope, SlotState(key.tokens, data)))
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


def _no_file() -> InvalidRequest:
    return InvalidRequest("there is no saved slot of that name that fits this model", param="filename")


def _reason(error: OSError) -> str:
    """What the system says, without the path."""
    return os.strerror(error.errno) if error.errno is not None else type(error).__name__
