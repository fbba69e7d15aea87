"""Exceptions nobody expected: the client gets the request id, the log gets the traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from jackfield.errors import InternalError
from jackfield.logs import traceback_of

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
