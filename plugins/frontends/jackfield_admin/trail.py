"""Who has changed what: one line in the log for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from jackfield.errors import CredentialMissing, PolicyDenied

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.ports.identity import Principal


def note(context: RequestContext, action: str, **what: object) -> None:
    """Log that the caller changes something; a warning, so that it is there where nothing less is logged.

    Parameters:
        context: Of the request that asks for it.
        action: What is done: ``key created``.
        what: To what; no secret.
    """
    caller = principal(context)
    structlog.get_logger("jackfield.admin").warning(
        "administration",
        action=action,
        request_id=context.request_id,
        principal=caller.name,
        authenticator=caller.authenticator,
        key=caller.fingerprint,
        **what,
    )


def principal(context: RequestContext) -> Principal:
    """Who calls. The kernel lets nobody unknown through; nothing here is done for one either."""
    if context.principal is None:
        raise CredentialMissing("this route needs an authenticated caller")
    return context.principal


def of_whole_server(context: RequestContext) -> Principal:
    """Who calls, who may do what concerns all models.

    Raises:
        PolicyDenied: The caller may use some models only.
    """
    caller = principal(context)
    if caller.models is not None:
        raise PolicyDenied("this key is limited to models, and what this route does concerns the whole server")
    return caller
