"""Opening a model file, and what the model says about itself."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, ModelLoadError
from jackfield.ports.backend import ModelInfo
from jackfield.sampling import SamplingParams
from jackfield_llama import library as llama
from jackfield_llama.logs import printable
from jackfield_llama.model_file import check_model_file
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.tokenizer import infill_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SAMPLING_KEYS: Final = {
    "temp": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "penalty_last_n": "repeat_last_n",
    "penalty_repeat": "repeat_penalty",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
"""Keys after ``general.sampling.`` (``common_init_sampler_from_model`` in llama.cpp), and what we call them."""

PROGRESS_STEP: Final = 0.01
"""llama.cpp reports after every tensor; a hundred reports say enough."""

DIGITS: Final = 6
"""Decimals of a float32 that was meant: 0.9 and not 0.8999999761581421."""


def open_model(path: str, params: llama.ModelParams, report: Callable[[float], None]) -> llama.Model:
    """Load the file at *path*; the caller frees the model. Runs guarded.

    Raises:
        ModelLoadError: The file is not there, or llama.cpp refuses it.
    """
    name = PurePath(path).name
    check_model_file(path)
    RUNTIME.logs.clear()
    reported = -1.0

    def progress(fraction: float, _user_data: object) -> bool:
        nonlocal reported
        if fraction - reported >= PROGRESS_STEP or (fraction >= 1 and reported < 1):
            reported = fraction
            report(fraction)
        return True

    kept = llama.set_progress(params, progress)
    model = llama.model_load_from_file(path.encode(errors="surrogateescape"), params)
    del kept
    if model is None:
        raise refused(name, RUNTIME.logs.reason(path))
    return model


def refused(name: str, reason: str) -> ModelLoadError:
    """The error for a file that llama.cpp does not load."""
    said = f": {reason}" if reason else ""
    return ModelLoadError(
        f"{name} cannot be loaded{said}; if the file is complete, it may need a newer llama-cpp-python"
    )


def describe(model: llama.Model, path: str) -> ModelInfo:
    """What *model*, loaded from *path*, says about itself. A number that the file does not give is 0."""
    architecture = printable(llama.model_metadata(model, "general.architecture") or "unknown")
    parameters = llama.model_n_params(model)

    def number(name: str) -> int:
        value = llama.model_metadata(model, f"{architecture}.{name}") or ""
        return int(value) if value.isdecimal() else 0

    return ModelInfo(
        architecture=architecture,
        title=printable(llama.model_metadata(model, "general.name") or PurePath(path).name),
        description=f"{architecture} {short_count(parameters)} {quantisation(model)}",
        parameters=parameters,
        size_bytes=llama.model_size(model),
        context_train=number("context_length"),
        vocabulary=llama.vocab_n_tokens(llama.model_get_vocab(model)),
        quantisation=quantisation(model),
        n_experts=number("expert_count"),
        n_experts_used=number("expert_used_count"),
        has_chat_template=llama.model_chat_template(model) is not None,
        can_infill=infill_tokens(llama.model_get_vocab(model)) is not None,
        embedding_size=llama.model_n_embd(model),
        sampling=recommended(lambda key: llama.model_metadata(model, key)),
    )


def recommended(metadata: Callable[[str], str | None]) -> Mapping[str, float]:
    """How the model's makers recommend to draw; what is no legal value is left out.

    Parameters:
        metadata: What the model's file has under a key.
    """
    found: dict[str, float] = {}
    for key, name in SAMPLING_KEYS.items():
        text = metadata(f"general.sampling.{key}")
        if text is None:
            continue
        with suppress(ValueError, msgspec.ValidationError, InvalidRequest):
            whole = isinstance(getattr(SamplingParams(), name), int)
            value = int(text) if whole else round(float(text), DIGITS)
            msgspec.convert({name: value}, SamplingParams)
            found[name] = value
    return found


def quantisation(model: llama.Model) -> str:
    """How most weights are stored, as the file says in llama.cpp's words: ``Q8_0``."""
    kind = llama.model_metadata(model, "general.file_type") or ""
    name = llama.ftype_name(int(kind)) if kind.isdecimal() else None
    return "unknown" if name is None else name.decode("ascii", "replace")


def short_count(count: int) -> str:
    """*count* as people write it: 7.6B, 494M, 12K."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + letter
    return str(count)
