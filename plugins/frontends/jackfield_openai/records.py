"""What records of all kinds have: an id, and whose they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jackfield.ports.records import ID_MAX

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.ports.identity import Principal

_ID_BYTES: Final = 24


def new_id(prefix: str) -> str:
    """An id that nobody can guess, with OpenAI's *prefix* for its kind."""
    return prefix + os.urandom(_ID_BYTES).hex()


def is_id(text: str) -> bool:
    """Whether *text*, which a client sent, may be a record's id: stores need not take any other."""
    return 0 < len(text) <= ID_MAX and text.isascii() and text.isprintable()


def identity_of(principal: Principal | None) -> tuple[str, str] | None:
    """Who *principal* is, whatever it may; None for everybody where no authenticator is enabled."""
    return None if principal is None else (principal.authenticator, principal.id)


def tenant_of(context: RequestContext) -> str:
    """Whose records the caller of *context* sees."""
    return context.principal.tenant if context.principal is not None else ""
