"""Options of ``[config.ollama]``."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

KEEPALIVE_MIN_S: Final = 0.05
"""More signs of life than this would be traffic of their own."""

KEEPALIVE_MAX_S: Final = 3600.0
"""Beyond an hour every proxy has long closed the connection."""

_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")


class OllamaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests in Ollama's dialect are read and answered."""

    unknown_fields: Literal["strict", "warn", "ignore"] = "warn"
    """What becomes of a field that nobody knows or that cannot be honoured. ``strict`` refuses the request (400).
    ``warn`` leaves out unknown fields and such that only tune, and lists them in the header ``x-jackfield-ignored``;
    ``ignore`` leaves the same fields out without a word. Fields that change what the answer is are refused all the
    same."""
    keepalive_s: float = 15.0
    """Seconds of silence after which a stream gets a space, which readers of JSON skip, so that proxies keep it open. A
    request that waits for its first token as long begins its stream with one; an error after that is a line, not a
    status."""
    version: str = "0.13.0"
    """The version of Ollama whose API this is, for clients that ask whether it is new enough."""

    def __post_init__(self) -> None:
        if not KEEPALIVE_MIN_S <= self.keepalive_s <= KEEPALIVE_MAX_S:
            raise ValueError(f"keepalive_s must be between {KEEPALIVE_MIN_S:g} and {KEEPALIVE_MAX_S:g}")
        if not _VERSION.fullmatch(self.version):
            raise ValueError("version must be three numbers with points between them")
