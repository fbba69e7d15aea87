"""What can be said about a model file before llama.cpp touches it.

Opening a FIFO or a device would hang, and llama.cpp's words for a folder or a text file help nobody. Truncation
inside the tensors is left to llama.cpp, which compares every tensor's extent with the size of the file before it maps
anything.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import Final

from jackfield.errors import ModelLoadError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
"""GGUF versions that llama.cpp reads (``gguf.cpp``: version 1 was withdrawn in 2023)."""

_HEADER: Final = struct.Struct("<4sIQQ")
"""Magic, version, number of tensors, number of metadata pairs (GGUF specification)."""
_TENSOR_BYTES_MIN: Final = 32
"""Smallest description of a tensor: empty name (8), dimensions (4), one dimension (8), type (4), offset (8)."""
_PAIR_BYTES_MIN: Final = 13
"""Smallest metadata pair: empty key (8), type (4), one byte of value (1)."""


def check_model_file(path: str) -> None:
    """Raise ``ModelLoadError`` unless *path* is a readable regular file that begins as a GGUF file must.

    Follows symbolic links. Reads 24 bytes, never blocks.
    """
    name = Path(path).name
    try:
        _require_regular(Path(path).stat(), name)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _require_regular(status, name)
            head = file.read(_HEADER.size)
    except FileNotFoundError as error:
        raise ModelLoadError(f"there is no model file {name}; check the model's source") from error
    except PermissionError as error:
        raise ModelLoadError(f"{name} may not be read by this user; check its permissions and its folder's") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelLoadError(f"{name} cannot be opened: {reason}") from error
    _check_header(head, status.st_size, name)


def _require_regular(status: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ModelLoadError(f"{name} is a folder; llama.cpp wants one GGUF file (the first one of a split model)")
    if not stat.S_ISREG(status.st_mode):
        raise ModelLoadError(f"{name} is not a regular file; llama.cpp wants a GGUF file")


def _check_header(head: bytes, size: int, name: str) -> None:
    if not head:
        raise ModelLoadError(f"{name} is empty; fetch it again")
    if not head.startswith(MAGIC):
        raise ModelLoadError(
            f"{name} is not a GGUF file; other formats must be converted first (convert_hf_to_gguf.py)"
        )
    if len(head) < _HEADER.size:
        raise ModelLoadError(f"{name} is truncated in its header; fetch it again")
    _, version, tensors, pairs = _HEADER.unpack(head)
    if version not in VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        kind = "big-endian GGUF" if swapped in VERSIONS else f"GGUF version {version}"
        raise ModelLoadError(f"{name} is {kind}, which llama.cpp does not read here; convert it to version 3")
    if tensors * _TENSOR_BYTES_MIN + pairs * _PAIR_BYTES_MIN > size:
        raise ModelLoadError(
            f"{name} is damaged or truncated: its header names more than the file can hold; fetch it again"
        )
