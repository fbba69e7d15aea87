"""How much memory a context takes, without taking it: llama.cpp's own dry run, read from what it says.

A model opened with ``no_alloc`` has no weights, and a context of it reserves everything but the memory. llama.cpp then
logs the size of each buffer, to 0.01 MiB, as it does for a real one. That counts what no formula of ours could: layers
with sliding windows, recurrent states, hybrids of both, compressed keys, and the buffers of whatever graph it builds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield_llama import library as llama
from jackfield_llama.runtime import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MIB: Final = 1 << 20

_MEMORY: Final = re.compile(r"^llama_(?:kv_cache|memory)\w*: size = +([0-9.]+) MiB")
"""``llama_kv_cache: size =  24.00 MiB (…``: keys and values, or recurrent states; one line for each part."""

_COMPUTE: Final = re.compile(r"(?:compute|output) buffer size = +([0-9.]+) MiB")
"""``sched_reserve:  CPU compute buffer size = 300.25 MiB``: activations; ``output``: logits."""

MEASURED_MAX: Final = 1 << 20
"""Most tokens of a context that is measured: llama.cpp's own books take 60 bytes a cell even then. Beyond, both kinds
of buffers grow evenly, and are extended from two sizes."""


class Buffers(NamedTuple):
    """Memory of a context, in bytes."""

    kv: int
    compute: int

    @property
    def total(self) -> int:
        """Both."""
        return self.kv + self.compute


def measure(make: Callable[[int], llama.Context], tokens: int) -> Buffers:
    """What a context of *tokens* takes. Runs guarded.

    Parameters:
        make: Makes a context of so many tokens of a model that was opened with ``no_alloc``.
        tokens: How many.
    """
    if tokens <= MEASURED_MAX:
        return _measured(make, tokens)
    half, whole = _measured(make, MEASURED_MAX // 2), _measured(make, MEASURED_MAX)
    steps = (tokens - MEASURED_MAX) / (MEASURED_MAX // 2)
    return Buffers(*(int(large + steps * (large - small)) for small, large in zip(half, whole, strict=True)))


def _measured(make: Callable[[int], llama.Context], tokens: int) -> Buffers:
    with RUNTIME.logs.listening() as lines:
        llama.context_free(make(tokens))
    return read_buffers(lines)


def read_buffers(lines: Iterable[str]) -> Buffers:
    """What llama.cpp says in *lines* about the memory of a context it made."""
    kv = compute = 0.0
    for line in lines:
        if found := _MEMORY.search(line):
            kv += float(found[1])
        elif found := _COMPUTE.search(line):
            compute += float(found[1])
    return Buffers(int(kv * MIB), int(compute * MIB))
