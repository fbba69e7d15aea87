"""What a GGUF file holds, read without its weights."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from jackfield_llama import library as llama
from jackfield_llama.guard import AssertionFailed
from jackfield_llama.model import describe, open_model, refused
from jackfield_llama.runtime import RUNTIME

if TYPE_CHECKING:
    from jackfield.ports.backend import ModelInfo


def inspect_file(path: str) -> ModelInfo:
    """Read the metadata and the vocabulary of the file at *path*.

    Raises:
        ModelLoadError: It is no GGUF file, or a damaged one.
    """
    RUNTIME.start()
    try:
        return RUNTIME.guard.run_guarded(lambda _report: _read(path), _unseen)
    except AssertionFailed as error:
        raise refused(PurePath(path).name, f"llama.cpp gave up on it ({error})") from error


def _read(path: str) -> ModelInfo:
    params = llama.model_default_params()
    params.vocab_only = True
    model = open_model(path, params, _unseen)
    try:
        return describe(model, path)
    finally:
        llama.model_free(model)


def _unseen(_fraction: float) -> None:
    """Nobody watches the progress of something this short."""
