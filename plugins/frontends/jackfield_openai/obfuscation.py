"""Chunks whose length does not tell the length of their text: whoever sees encrypted packets could count letters."""

from __future__ import annotations

import secrets
from typing import Final

STEP: Final = 64
"""Chunks are filled up to a multiple of so many bytes: that of a word as of a letter."""

_END: Final = b"}\n\n"
_FIELD: Final = b',"obfuscation":"'


def obfuscated(event: bytes) -> bytes:
    """*event*, one chunk of an answer, with random letters in ``obfuscation``, as OpenAI's chunks have them."""
    head = event.removesuffix(_END) + _FIELD
    missing = -(len(head) + 1 + len(_END)) % STEP
    return head + secrets.token_hex(missing // 2 + 1)[:missing].encode() + b'"' + _END
