"""How long a request may be and how many KV cells there are, from the operator's wish, the model and the memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import ManifestError, ModelLoadError
from jackfield.ports.backend import AUTO_CONTEXT_MAX, MemoryEstimate
from jackfield_llama.measuring import Buffers

if TYPE_CHECKING:
    from jackfield.ports.backend import ModelSpec

LOGGER: Final = logging.getLogger("jackfield.llama_cpp")

KV_SHARE: Final = 0.75
"""Part of the memory left beside weights and buffers that an automatic KV pool may take; the rest is for neighbours."""

CELLS_MAX: Final = 2**31 - 512
"""Positions and cells are 32-bit in llama.cpp, and it pads to 256."""

CELLS_PADDING: Final = 256
"""llama.cpp pads the cells of a context, and those of each sequence where they have their own, to this."""

CONTEXT_MIN: Final = 512
"""An automatic context is not made smaller than this to fit the memory."""


class Sizes(NamedTuple):
    """What the context is created with."""

    context: int
    """Longest request, in tokens."""
    kv_tokens: int
    """KV cells, at least ``context``."""


class Model(NamedTuple):
    """What sizes depend on."""

    trained: int
    """Context the model was trained for, in tokens; 0 where the file does not say."""
    room: int | None
    """Memory left beside the weights, in bytes; None if unknown."""
    measure: Callable[[int], Buffers]
    """What a context of so many tokens takes."""
    split: bool = False
    """Whether each sequence has cells of its own."""


def choose_sizes(spec: ModelSpec, model: Model) -> Sizes:
    """Resolve ``context`` and ``kv_tokens``.

    Raises:
        ManifestError: The pool is smaller than one request, or a number exceeds what llama.cpp can count.
    """
    context = choose_context(spec, model.trained)
    if model.split:
        return _split(spec, model, context)
    if spec.kv_tokens == "auto":
        _require_countable(spec, "context", context * spec.max_sequences)
        return Sizes(context, _pool_for_memory(spec, model, context))
    if spec.context == "auto":
        context = min(context, spec.kv_tokens)
    _require_countable(spec, "kv_tokens", spec.kv_tokens)
    if spec.kv_tokens < context:
        raise _bad(spec, "kv_tokens", f"must be at least the context of {context} tokens")
    return Sizes(context, spec.kv_tokens)


def choose_context(spec: ModelSpec, trained: int) -> int:
    """The longest request that *spec* wants, in tokens; *trained* as in ``Model``."""
    if spec.context == "auto":
        return min(trained or AUTO_CONTEXT_MAX, AUTO_CONTEXT_MAX)
    if trained and spec.context > trained:
        LOGGER.warning(
            "models.%s.context is %d, but the model was trained for %d: answers beyond that get worse",
            spec.name,
            spec.context,
            trained,
        )
    return spec.context


def require_fit(spec: ModelSpec, needed: MemoryEstimate, free: int) -> None:
    """Refuse what does not fit.

    Parameters:
        spec: What the operator asked for.
        needed: What it takes.
        free: Memory that can be taken, in bytes.

    Raises:
        ModelLoadError: It needs more; with the numbers, and what to lower.
    """
    if needed.total <= free:
        return
    keys = "context or max_sequences" if spec.kv_tokens == "auto" else "kv_tokens"
    lower = f"lower models.{spec.name}.{keys}" if needed.weights < free else "take a smaller model or quantisation"
    raise ModelLoadError(
        f"models.{spec.name} needs {_mib(needed.total)} (weights {_mib(needed.weights)}, KV pool {_mib(needed.kv)},"
        f" buffers {_mib(needed.compute)}) and {_mib(free)} are free; {lower},"
        " or set the option memory_check = false to try anyway"
    )


def _split(spec: ModelSpec, model: Model, context: int) -> Sizes:
    if spec.kv_tokens != "auto":
        raise _bad(spec, "kv_tokens", "must be left out with deterministic, where each sequence has its whole context")

    def cells() -> int:
        return spec.max_sequences * -(-context // CELLS_PADDING) * CELLS_PADDING

    _require_countable(spec, "context", cells())
    if spec.context == "auto" and model.room is not None:
        while context > CONTEXT_MIN and model.measure(cells()).total > model.room * KV_SHARE:
            context = max(CONTEXT_MIN, context // 2)
    return Sizes(context, cells())


def _pool_for_memory(spec: ModelSpec, model: Model, context: int) -> int:
    wish = spec.max_sequences * context
    if model.room is None or wish == context:
        return wish
    most, least = model.measure(wish), model.measure(context)
    room = (model.room - most.compute) * KV_SHARE
    if most.kv <= room or most.kv == least.kv:
        return wish
    cell_bytes = (most.kv - least.kv) / (wish - context)
    return max(context, min(wish, context + int((room - least.kv) / cell_bytes)))


def _require_countable(spec: ModelSpec, key: str, cells: int) -> None:
    if cells > CELLS_MAX:
        raise _bad(spec, key, f"must be at most {CELLS_MAX} tokens, for all sequences together")


def _bad(spec: ModelSpec, key: str, rule: str) -> ManifestError:
    path = f"models.{spec.name}.{key}"
    return ManifestError(f"{path} {rule}", param=path)


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
