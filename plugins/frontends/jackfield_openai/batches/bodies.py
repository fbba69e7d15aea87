"""The body of ``POST /v1/batches``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from jackfield_openai.metadata import Metadata


class ExpiresAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``output_expires_after``: OpenAI's limits."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=2592000)]


class BatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its fields; all are honoured."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None
