"""Where a command takes the API key from: never the command line, which every user of the machine can read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jackfield.client.connection import KEY_VARIABLE, ApiError

if TYPE_CHECKING:
    from pathlib import Path

_KEY_MAX: Final = 8192
"""Characters of a key: tokens of an identity provider have some thousand; headers end at 8 KiB."""


def api_key(file: Path | None) -> str | None:
    """The key in *file*, or in the environment, or None.

    Raises:
        ApiError: What is there cannot be a key.
        OSError: *file* cannot be read.
    """
    if file is None:
        source, text = KEY_VARIABLE, os.environ.get(KEY_VARIABLE, "")
    else:
        with file.open(encoding="utf-8", errors="replace") as opened:
            source, text = str(file), opened.read(_KEY_MAX + 1)
    key = text.strip()
    if len(text) > _KEY_MAX or not (key.isascii() and (not key or key.isprintable())) or " " in key:
        raise ApiError(f"{source} holds no API key: a key is one line of printable ASCII characters")
    if file is not None and not key:
        raise ApiError(f"{source} is empty; it must hold the API key")
    return key or None
