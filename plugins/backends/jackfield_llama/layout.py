"""The name of what saved states fit: model file, layout of keys and values, version of the library."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jackfield_llama.config import QUANTISED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield_llama.config import LlamaConfig
    from jackfield_llama.contexts import Wish

HEAD_BYTES: Final = 8 << 20
"""Read from the beginning of a file: metadata, vocabulary and the descriptions of tensors take up to that much."""

_TILE_ROWS: Final = 64

SAMPLES: Final = 64
"""Places in a file, evenly apart, from which tensors are read."""

SAMPLE_BYTES: Final = 32 << 10

_PART: Final = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
"""How the files of a split model end."""

_FLASH_ON: Final = "Flash Attention enabled"
"""What llama.cpp says where ``auto`` ends in flash attention."""


def state_layout(wish: Wish, streams: int, said: Sequence[str]) -> str:
    """A name that is the same where a saved state can be restored.

    Parameters:
        wish: Model file and options.
        streams: Sequences that have cells of their own, if they have.
        said: What llama.cpp logged when it made the context: whether there is flash attention, which decides how values
            are laid out.
    """
    config = wish.config
    parts = (
        file_fingerprint(wish.spec.path),
        importlib.metadata.version("llama-cpp-python"),
        config.kv_type,
        "flash" if has_flash_attention(config, said) else "plain",
        f"streams={streams}" if config.deterministic else "unified",
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def has_flash_attention(config: LlamaConfig, said: Sequence[str]) -> bool:
    """Whether a context computes attention in one go; *said* is what llama.cpp logged when it made the context."""
    if config.deterministic:
        return False
    if config.flash_attention == "auto":
        return any(_FLASH_ON in line for line in said)
    return config.flash_attention


def tile_rows(config: LlamaConfig, said: Sequence[str]) -> int:
    """Rows from which a call reads the cells of all its sequences for each of them; 0 if it never does.

    In calls of 64 rows and more ggml's flash attention works in tiles of 64 rows by 64 cells, and leaves out only tiles
    that none of the rows may see (``use_tiled`` in ggml/src/ggml-cpu/ops.cpp, ``GGML_FA_TILE_Q`` in common.h): 64
    answers with 130 tokens each took 131 ms at once and 49 ms in two calls (30 M model, 2 threads). It has no tiles for
    quantised keys and values.
    """
    return _TILE_ROWS if has_flash_attention(config, said) and config.kv_type not in QUANTISED else 0


def file_fingerprint(path: str) -> str:
    """SHA-256 over sizes, beginnings and samples of the model's files, in hexadecimal.

    Reads 10 MiB a file: 15 ms. A change of a few weights between the samples, in a file of the same size, goes unseen.
    """
    digest = hashlib.sha256()
    for part in _parts(Path(path)):
        with part.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(size.to_bytes(8, "little"))
            for start, length in _samples(size):
                digest.update(os.pread(file.fileno(), length, start))
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    """The file, or all files of the split model that it begins."""
    found = _PART.search(path.name)
    if found is None:
        return [path]
    name, count = path.name[: found.start()], found[1]
    return [path.with_name(f"{name}-{number:05}-of-{count}.gguf") for number in range(1, int(count) + 1)]


def _samples(size: int) -> Iterator[tuple[int, int]]:
    """Where to read, and how much."""
    yield 0, HEAD_BYTES
    for number in range(1, SAMPLES + 1):
        yield max(0, size * number // SAMPLES - SAMPLE_BYTES), SAMPLE_BYTES
