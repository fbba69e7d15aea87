"""What a GGUF file holds, read without its weights."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from jackfield_llama import library as llama
from jackfield_llama.guard import AssertionFailed
from jackfield_llama.model import describe, open_model, quantisation, refused
from jackfield_llama.runtime import RUNTIME


class FileReport(NamedTuple):
    """One model file."""

    file: str
    """Base name."""
    title: str
    architecture: str
    quantisation: str
    parameters: int
    size_bytes: int
    """Of all tensors."""
    context_train: int
    vocabulary: int
    chat_template: bool


def inspect_file(path: str) -> FileReport:
    """Read the metadata and the vocabulary of the file at *path*.

    Raises:
        ModelLoadError: It is no GGUF file, or a damaged one.
    """
    RUNTIME.start()
    try:
        return RUNTIME.guard.run_guarded(lambda _report: _read(path), _unseen)
    except AssertionFailed as error:
        raise refused(PurePath(path).name, f"llama.cpp gave up on it ({error})") from error


def _read(path: str) -> FileReport:
    params = llama.model_default_params()
    params.vocab_only = True
    model = open_model(path, params, _unseen)
    try:
        info = describe(model, path)
        return FileReport(
            file=PurePath(path).name,
            title=info.title,
            architecture=info.architecture,
            quantisation=quantisation(model),
            parameters=info.parameters,
            size_bytes=info.size_bytes,
            context_train=info.context_train,
            vocabulary=info.vocabulary,
            chat_template=llama.model_chat_template(model) is not None,
        )
    finally:
        llama.model_free(model)


def _unseen(_fraction: float) -> None:
    """Nobody watches the progress of something this short."""
