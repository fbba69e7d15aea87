"""One row of the table that maps errors to HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple


class ErrorSpec(NamedTuple):
    """How one error class looks over HTTP."""

    status: int
    """HTTP status code."""
    type: str
    """OpenAI's ``error.type``: the broad family clients switch on."""
    code: str
    """Stable machine-readable name; unique over the table, so it also names the class on the channel."""
    retriable: bool
    """Whether the same request may succeed later."""
    retry_after: float | None = None
    """Default delay before a retry, in seconds, where the raiser knows no better."""

    def at(self, status: int) -> ErrorSpec:
        """This row for an overload that is answered with *status*: OpenAI knows 429, Anthropic 529."""
        family = "rate_limit_error" if status == HTTPStatus.TOO_MANY_REQUESTS else "overloaded_error"
        return self._replace(status=status, type=family)
