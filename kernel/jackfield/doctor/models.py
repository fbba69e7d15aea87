"""Checks of models: is the file there, can it be read, does it fit."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from jackfield.cli.servers import find
from jackfield.cli.tables import size
from jackfield.errors import JackfieldError
from jackfield.lifecycle import WorkerState
from jackfield.machine import Machine
from jackfield.model_source import model_spec
from jackfield.ports.check import CheckResult
from jackfield.trial.rehearsal import backend_of

if TYPE_CHECKING:
    from jackfield.plugins import Kernel


def model(kernel: Kernel, name: str) -> CheckResult:
    """Whether the model *name* could be served now."""
    spec = model_spec(kernel.manifest, name)
    file = PurePath(spec.path).name
    key = f"models.{name}.source"
    if not Path(spec.path).exists():
        return CheckResult(
            level="error", message=f"there is no file {file}", fix=f"correct {key}, or put the file there"
        )
    if not os.access(spec.path, os.R_OK):
        return CheckResult(level="error", message=f"{file} may not be read", fix="chmod it for the user of the server")
    info = backend_of(kernel, name).inspect(spec)
    text = f"{file}: {info.description}"
    if info.memory is None:
        return CheckResult(level="ok", message=text)
    text += f", {size(info.memory.total)} of memory"
    free = Machine().available_memory()
    if free is not None and info.memory.total > free and not _loaded(name):
        fix = f"lower models.{name}.context or max_sequences, take a smaller quantisation, or free memory"
        return CheckResult(level="error", message=f"{text}, but only {size(free)} are free", fix=fix)
    return CheckResult(level="ok", message=text)


def _loaded(name: str) -> bool:
    """Whether a server of this user has it loaded, so that its memory is taken already."""
    for operator in find():
        with operator:
            try:
                children = operator.state().children
            except JackfieldError:
                continue
        if any(each.model == name and each.state == WorkerState.READY for each in children):
            return True
    return False
