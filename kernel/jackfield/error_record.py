"""A ``JackfieldError`` as a record that crosses between two of our processes."""

from __future__ import annotations

from typing import Final

import msgspec

from jackfield.errors import HTTP, BackendFault, ContextLengthExceeded, JackfieldError, http

_BY_CODE: Final = {spec.code: kind for kind, spec in HTTP.items()}


class ErrorRecord(msgspec.Struct, frozen=True, array_like=True):
    """A ``JackfieldError`` on its way between two processes."""

    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None
    sizes: tuple[int, int] | None = None
    """Of a ``ContextLengthExceeded``."""

    @classmethod
    def of(cls, error: JackfieldError) -> ErrorRecord:
        """Freeze *error* for the channel."""
        sizes = error.sizes if isinstance(error, ContextLengthExceeded) else None
        return cls(http(error).code, error.message, error.param, error.retry_after, sizes)

    def thaw(self) -> JackfieldError:
        """The error again; a code this process does not know becomes ``BackendFault``."""
        kind = _BY_CODE.get(self.code, BackendFault)
        error = kind(self.message, param=self.param, retry_after=self.retry_after)
        if isinstance(error, ContextLengthExceeded):
            error.sizes = self.sizes
        return error
