"""What each route about policy documents takes and answers, for the server's OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from jackfield.errors import Conflict, NotEnabled, RecordNotFound
from jackfield.ports.frontend import Operation, Parameter
from jackfield_admin.document_records import DocumentChanges, DocumentList, DocumentWritten
from jackfield_admin.operations import ErrorBody

ETAG: Final = Parameter(name="etag", where="header", description="For If-Match.")
_MATCH: Final = Parameter(
    name="If-Match", where="header", description="Change it only if it still has this etag; * if it is there at all."
)
_NONE: Final = Parameter(name="If-None-Match", where="header", description="*: write it only if it is not there.")
_KIND: Final = Parameter(
    name="kind", where="path", description="Who goes by it: limit, role, …; not key.", required=True
)
_NAME: Final = Parameter(name="name", where="path", description="May have slashes.", required=True)
_OFF: Final = NotEnabled(
    "no enabled plugin keeps policies in a store; enable one that does, such as store, and restart"
)
_MISSING: Final = RecordNotFound("there is no document limit team-a")

CHANGED: Final = Conflict("the document is not what If-Match says it is: look again", param="If-Match")
CHANGED.status = HTTPStatus.PRECONDITION_FAILED  # RFC 9110, 13.1.1

LIST: Final = Operation(
    summary="All policy documents, without their contents",
    answer=DocumentList,
    error=ErrorBody,
    refusals=(_OFF,),
    headers=(ETAG,),
)
LIST_KIND: Final = Operation(
    summary="The policy documents of one kind, without their contents",
    answer=DocumentList,
    error=ErrorBody,
    refusals=(_OFF,),
    headers=(ETAG,),
    parameters=(_KIND,),
)
SHOW: Final = Operation(
    summary="A policy document, as it was written",
    answer=Any,
    error=ErrorBody,
    refusals=(_OFF, _MISSING),
    headers=(ETAG,),
    parameters=(_KIND, _NAME),
)
WRITE: Final = Operation(
    summary="Write a policy document; it is in force when this is answered",
    body=Any,
    example={"tokens": 100_000},
    answer=DocumentWritten,
    error=ErrorBody,
    refusals=(_OFF, CHANGED),
    headers=(ETAG,),
    parameters=(_KIND, _NAME, _MATCH, _NONE),
)
DELETE: Final = Operation(
    summary="Delete a policy document",
    answer=DocumentWritten,
    error=ErrorBody,
    refusals=(_OFF, _MISSING, CHANGED),
    parameters=(_KIND, _NAME, _MATCH),
)
CHANGE: Final = Operation(
    summary="Write and delete policy documents in one step",
    body=DocumentChanges,
    example={
        "changes": [
            {"kind": "limit", "name": "team-a", "content": {"tokens": 100_000}},
            {"kind": "limit", "name": "team-b", "content": None},
        ]
    },
    answer=DocumentWritten,
    error=ErrorBody,
    refusals=(_OFF, CHANGED),
    headers=(ETAG,),
    parameters=(_MATCH,),
    honoured=("changes",),
)
