"""Options of ``[config.openai]``."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

KEEPALIVE_MIN_S: Final = 0.05
"""More comments than this would be traffic of their own."""

KEEPALIVE_MAX_S: Final = 3600.0
"""Beyond an hour every proxy has long closed the connection."""

RESUME_MAX_S: Final = 3600.0
"""A client that has been away for an hour asks again."""

BATCH_LINES_MAX: Final = 256

RESUME_STREAMS_MAX: Final = 65_536
RESUME_BYTES_MIN: Final = 65_536
RESUME_BYTES_MAX: Final = 1 << 30


class OpenAIConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests in OpenAI's dialect are read and answered."""

    unknown_fields: Literal["strict", "warn", "ignore"] = "strict"
    """What becomes of a field that nobody knows or that cannot be honoured. ``strict`` refuses the request (400).
    ``warn`` leaves out unknown fields and such that only tune, and lists them in the header ``x-jackfield-ignored``;
    ``ignore`` leaves them out and lists nothing. Fields that change what the answer is (``modalities``, ``audio``, …)
    are refused all the same."""
    keepalive_s: float = 15.0
    """Seconds of silence after which a stream gets an SSE comment, so that proxies keep it open. A request that waits
    for its first token as long begins its stream with one; an error after that is an event, not a status."""

    batch_lines: int = 4
    """Most lines of one batch that are computed at once. The batches of several tenants share all of these places but
    one each, so that none keeps others waiting."""
    resume_s: float = 0.0
    """Seconds for which a stream whose client has gone goes on, and for which its events are kept, so that the client
    can take it up again at ``GET /v1/streams/{id}``. 0 ends it at once."""
    resume_streams: int = 64
    """Most streams that are kept at a time; more are streamed without a way to take them up again."""
    resume_bytes: int = 4194304
    """Most bytes of events that are kept of one stream; the oldest give way."""

    def __post_init__(self) -> None:
        if not 1 <= self.batch_lines <= BATCH_LINES_MAX:
            raise ValueError(f"batch_lines must be between 1 and {BATCH_LINES_MAX}")
        if not 0 <= self.resume_s <= RESUME_MAX_S:
            raise ValueError(f"resume_s must be between 0 and {RESUME_MAX_S:g}")
        if not 1 <= self.resume_streams <= RESUME_STREAMS_MAX:
            raise ValueError(f"resume_streams must be between 1 and {RESUME_STREAMS_MAX}")
        if not RESUME_BYTES_MIN <= self.resume_bytes <= RESUME_BYTES_MAX:
            raise ValueError(f"resume_bytes must be between {RESUME_BYTES_MIN} and {RESUME_BYTES_MAX}")
        if not KEEPALIVE_MIN_S <= self.keepalive_s <= KEEPALIVE_MAX_S:
            raise ValueError(f"keepalive_s must be between {KEEPALIVE_MIN_S:g} and {KEEPALIVE_MAX_S:g}")
