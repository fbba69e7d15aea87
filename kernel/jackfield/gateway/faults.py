"""Exceptions nobody expected: the client gets the request id, the log gets the traceback."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import structlog

from jackfield.errors import InternalError

if TYPE_CHECKING:
    from jackfield.context import RequestContext


def unexpected(error: Exception, context: RequestContext) -> InternalError:
    """Log *error* and return what the client may know of it."""
    structlog.get_logger("jackfield.gateway").error(
        "unexpected exception",
        request_id=context.request_id,
        route=context.route,
        error=type(error).__name__,
        traceback=traceback_of(error),
    )
    return InternalError(f"an internal error happened; the log has it under the request id {context.request_id}")


def traceback_of(error: BaseException) -> str:
    """Where *error* came from, as modules, lines and exception types.

    Messages of exceptions are left out because they quote the data at fault (a prompt, a key), and paths of files since
    they tell of the host.
    """
    lines = ["Traceback (most recent call last):"]
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "?")
        lines.append(f"  {module}, line {line}, in {frame.f_code.co_name}")
    lines.append(type(error).__qualname__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None:
        return "\n".join(lines)
    return f"{traceback_of(cause)}\n\nwhich led to:\n\n" + "\n".join(lines)
