"""Embeddings in OpenAI's shape (``CreateEmbeddingResponse`` of its API description 2.3.0)."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.pooled import Pooled

FLOAT_BYTES: Final = 4

SLICE_BYTES: Final = 32 << 10
"""How much of the vectors one slice holds: less than a millisecond's work."""

_encode = msgspec.json.Encoder().encode


def embedding_slices(pooled: Pooled, model: str, *, base64: bool) -> Iterator[bytes]:
    """The answer, in slices that are encoded as they are asked for.

    Parameters:
        pooled: The vectors, in the order of the inputs.
        model: The model's own name.
        base64: Vectors as base64 of their little-endian float32; otherwise as numbers, which are exactly these.
    """
    parts = [b'{"object":"list","data":[']
    held = 0
    for index, row in enumerate(pooled.rows):
        if held >= SLICE_BYTES:
            yield b"".join(parts)
            parts, held = [], 0
        vector = b'"' + b64encode(row) + b'"' if base64 else _encode(_floats(row))
        comma = b"," if index else b""
        parts.append(b'%b{"object":"embedding","index":%d,"embedding":%b}' % (comma, index, vector))
        held += len(row)
    usage = {"prompt_tokens": pooled.prompt_tokens, "total_tokens": pooled.prompt_tokens}
    parts.append(b'],"model":%b,"usage":%b}' % (_encode(model), _encode(usage)))
    yield b"".join(parts)


def _floats(row: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(row) // FLOAT_BYTES}f", row)
