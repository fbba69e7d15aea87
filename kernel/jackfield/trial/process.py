"""The process of a trial: does its task and says what came of it. Main thread only."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jackfield.child_process import belong_to_supervisor
from jackfield.error_record import ErrorRecord
from jackfield.errors import JackfieldError, PluginError
from jackfield.manifest import Manifest
from jackfield.plugin_calls import Called, PluginCalls, Watch
from jackfield.trial.messages import (
    Began,
    Ended,
    Failed,
    Inspect,
    Inspected,
    Rehearse,
    Rehearsed,
    RunChecks,
    words,
)
from jackfield.trial.messages import read_task as _read_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.trial.messages import Task, Word

HANG_S: Final = 15.0
"""After which one call of a plugin counts as hung: before the command line loses its patience with the whole trial."""


def run(task: bytes, results_fd: int) -> int:
    """Do *task*.

    Parameters:
        task: A ``Task``, encoded.
        results_fd: Inherited pipe for ``Word``s.

    Returns:
        The exit code: 0, whatever came of it.
    """
    belong_to_supervisor()
    codec = words()

    def say(word: Word) -> None:
        frame = codec.encode(word)
        while frame:
            frame = frame[os.write(results_fd, frame) :]

    try:
        for word in _done(_read_task(task), say):
            say(word)
    except JackfieldError as error:
        say(Failed(ErrorRecord.of(error)))
    except Exception as error:  # noqa: BLE001  plugins' code
        say(Failed(ErrorRecord.of(PluginError(f"{type(error).__name__}: {error}"))))
    return 0


def _done(task: Task, say: Callable[[Word], None]) -> Iterator[Word]:
    from jackfield.trial.rehearsal import inspected, rehearsed

    match task:
        case Rehearse(manifest=manifest):
            with _watched(Manifest.restore(manifest), say) as calls:
                yield Rehearsed(rehearsed(Manifest.restore(manifest), calls))
        case Inspect(manifest=manifest, model=model):
            with _watched(Manifest.restore(manifest), say) as calls:
                yield Inspected(inspected(Manifest.restore(manifest), model, calls))
        case RunChecks(manifest=manifest):
            with _watched(Manifest.restore(manifest), say) as calls:
                _run_checks(task, say, calls)


@contextmanager
def _watched(manifest: Manifest, say: Callable[[Word], None]) -> Iterator[PluginCalls]:
    """Calls of plugins, each said before it is made; one that hangs ends the process with its name."""

    def give_up(error: PluginError) -> None:
        say(Failed(ErrorRecord.of(error)))
        os._exit(0)

    calls = PluginCalls(lambda call: say(Called(call.plugin, call.what)))
    with Watch(calls, min(manifest.kernel.plugin_timeout_s, HANG_S), give_up):
        yield calls


def _run_checks(task: RunChecks, say: Callable[[Word], None], calls: PluginCalls) -> None:
    from jackfield.doctor.checks import checks

    for name, check in checks(Manifest.restore(task.manifest), task.group, calls):
        if name not in task.skip:
            say(Began(name))
            say(Ended(name, check()))
