"""The body of ``POST /v1/batches``."""

from __future__ import annotations

import msgspec

from jackfield_openai.metadata import Metadata


class BatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its fields; all are honoured."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Metadata | None = None
