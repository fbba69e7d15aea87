"""What the routes of ``/v1/files`` and ``/v1/batches`` take and answer, for the server's OpenAPI document."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from jackfield.ports.frontend import Operation, Parameter
from jackfield_openai.batches.bodies import BatchBody
from jackfield_openai.batches.files import File
from jackfield_openai.batches.records import Batch
from jackfield_openai.responses.operations import PAGE
from jackfield_openai.shapes import ErrorBody, ListPage


class Upload(msgspec.Struct, kw_only=True):
    """The form of an upload."""

    file: bytes
    purpose: Literal["batch", "user_data"]


class DeletedFile(msgspec.Struct, kw_only=True):
    """A file that is gone."""

    id: str
    object: Literal["file"]
    deleted: bool


class FileList(ListPage, kw_only=True):
    """One page of files."""

    data: list[File]


class BatchList(ListPage, kw_only=True):
    """One page of batches."""

    data: list[Batch]


_FILE: Final = Parameter(name="id", where="path", required=True, description="Of the file")
_BATCH: Final = Parameter(name="id", where="path", required=True, description="Of the batch")

UPLOAD: Final = Operation(
    summary="Keep a file", body=Upload, body_content="multipart/form-data", answer=File, error=ErrorBody
)
LIST_FILES: Final = Operation(
    summary="List files",
    answer=FileList,
    error=ErrorBody,
    parameters=(*PAGE, Parameter(name="purpose", description="Only those of this purpose")),
)
SHOW_FILE: Final = Operation(summary="What is known of a file", answer=File, error=ErrorBody, parameters=(_FILE,))
CONTENT: Final = Operation(
    summary="The bytes of a file",
    answer_content="application/octet-stream",
    headers=(Parameter(name="Content-Disposition", where="header", description="It is to be kept, not shown"),),
    error=ErrorBody,
    parameters=(_FILE,),
)
DELETE_FILE: Final = Operation(summary="Forget a file", answer=DeletedFile, error=ErrorBody, parameters=(_FILE,))
CREATE: Final = Operation(
    summary="Compute the requests in a file when nobody else wants the model",
    body=BatchBody,
    example={"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
    answer=Batch,
    error=ErrorBody,
    honoured=tuple(sorted(BatchBody.__struct_fields__)),
)
LIST_BATCHES: Final = Operation(summary="List batches", answer=BatchList, error=ErrorBody, parameters=PAGE[:2])
SHOW_BATCH: Final = Operation(summary="How far a batch is", answer=Batch, error=ErrorBody, parameters=(_BATCH,))
CANCEL: Final = Operation(summary="End a batch", answer=Batch, error=ErrorBody, parameters=(_BATCH,))
