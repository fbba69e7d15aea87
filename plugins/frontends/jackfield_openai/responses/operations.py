"""What the routes of ``/v1/responses`` take and answer, for the server's OpenAPI document."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from jackfield.frontends.exchange import IGNORED
from jackfield.ports.frontend import Operation, Parameter
from jackfield_openai.headers import LIMITS, WORK
from jackfield_openai.responses import fields
from jackfield_openai.responses.bodies import ResponseBody
from jackfield_openai.responses.shapes import Response, ResponseEvent
from jackfield_openai.shapes import ErrorBody, ListPage, Table


class FunctionTool(msgspec.Struct, kw_only=True):
    """A function that may be called."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: Table | None = None
    """A JSON Schema."""
    strict: bool | None = None


class DeletedResponse(msgspec.Struct, kw_only=True):
    """A response that is gone."""

    id: str
    object: Literal["response"]
    deleted: bool


class ItemList(ListPage, kw_only=True):
    """One page of items."""

    data: list[Table]


class InputTokens(msgspec.Struct, kw_only=True):
    """How long an input is."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class ResponseRequest(ResponseBody, frozen=True, kw_only=True):
    """What is to be answered, and how."""

    input: str | list[Table]
    """A text, or items: messages, calls, their outputs, thoughts, references."""
    tools: list[FunctionTool] | None = None
    tool_choice: str | Table | None = None


_INCLUDE: Final = Parameter(name="include", description="What is wanted of it besides; it has what it was made with")
_EXAMPLE: Final = {"model": "demo", "input": "Hello", "max_output_tokens": 16}
_ID: Final = Parameter(name="id", where="path", required=True, description="Of the response")

CREATE: Final = Operation(
    summary="Answer, and remember the conversation",
    body=ResponseRequest,
    example=_EXAMPLE,
    answer=Response,
    headers=(IGNORED, *WORK),
    events=ResponseEvent,
    error=ErrorBody,
    honoured=tuple(sorted(fields.HONOURED)),
    task="generate",
    needs=("chat",),
    fields_need={
        "background": "records",
        "parallel_tool_calls": "tools",
        "previous_response_id": "records",
        "reasoning": "reasoning",
        "store": "records",
        "tool_choice": "tools",
        "tools": "tools",
    },
)
COUNT: Final = Operation(
    summary="How many tokens an input has",
    body=ResponseRequest,
    example=_EXAMPLE,
    answer=InputTokens,
    headers=(IGNORED, *LIMITS),
    error=ErrorBody,
)
RETRIEVE: Final = Operation(
    summary="A stored response, or its events",
    answer=Response,
    events=ResponseEvent,
    error=ErrorBody,
    parameters=(
        _ID,
        Parameter(name="stream", kind=bool, description="Whether its events are wanted"),
        Parameter(name="starting_after", kind=int, description="Number of the last event that the client has"),
        _INCLUDE,
    ),
)
DELETE: Final = Operation(
    summary="Forget a stored response", answer=DeletedResponse, error=ErrorBody, parameters=(_ID,)
)
CANCEL: Final = Operation(
    summary="End a response that runs in the background", answer=Response, error=ErrorBody, parameters=(_ID,)
)
PAGE: Final = (
    Parameter(name="limit", kind=int, description="At most so many"),
    Parameter(name="after", description="Id that the page before ended with"),
    Parameter(name="order", kind=Literal["asc", "desc"], description="Oldest or newest first"),
)
ITEMS: Final = Operation(
    summary="What a response was asked", answer=ItemList, error=ErrorBody, parameters=(_ID, *PAGE, _INCLUDE)
)
