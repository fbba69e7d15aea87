"""Embeddings in Ollama's shapes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.pooled import Pooled

FLOAT_BYTES: Final = 4

SLICE_BYTES: Final = 32 << 10
"""How much of the vectors one slice holds: less than a millisecond's work."""

_encode = msgspec.json.Encoder().encode


def embedding_slices(pooled: Pooled | None, model: str, took_ns: int) -> Iterator[bytes]:
    """The answer of ``/api/embed``, in slices that are encoded as they are asked for.

    Parameters:
        pooled: The vectors, in the order of the inputs; None where there were none.
        model: The model's own name.
        took_ns: Since the request came in, in nanoseconds.
    """
    parts = [b'{"model":%b,"embeddings":[' % _encode(model)]
    held = 0
    for index, row in enumerate(pooled.rows if pooled else ()):
        if held >= SLICE_BYTES:
            yield b"".join(parts)
            parts, held = [], 0
        parts.append((b"," if index else b"") + _encode(vector(row)))
        held += len(row)
    tokens = pooled.prompt_tokens if pooled else 0
    parts.append(b'],"total_duration":%d,"load_duration":0,"prompt_eval_count":%d}' % (took_ns, tokens))
    yield b"".join(parts)


def vector(row: bytes) -> tuple[float, ...]:
    """A row of ``Pooled`` as numbers."""
    return struct.unpack(f"<{len(row) // FLOAT_BYTES}f", row)
