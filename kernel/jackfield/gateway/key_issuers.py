"""Key issuers as frontends see them: with deadlines, and named where they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from jackfield.errors import AuthenticatorFailed, JackfieldError
from jackfield.gateway.answering import answered
from jackfield.logs import traceback_of
from jackfield.ports.key_issuer import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from jackfield.ports.key_issuer import IssuedKey, Judge, KeyChange, KeyGrant, KeyIssuer, NewKey

Result = TypeVar("Result")


class NamedKeyIssuer:
    """A key issuer that fails with ``JackfieldError`` and nothing else. Event loop thread.

    Parameters:
        name: The authenticator's.
        issuer: The plugin's own.
    """

    def __init__(self, name: str, issuer: KeyIssuer) -> None:
        self._name = name
        self._issuer = issuer

    async def issued(self) -> Sequence[IssuedKey]:
        """See ``KeyIssuer``."""
        return await self._bounded(self._issuer.issued)

    async def issue(self, grant: KeyGrant) -> NewKey:
        """See ``KeyIssuer``."""
        return await self._bounded(lambda: self._issuer.issue(grant))

    async def change(self, which: str, change: KeyChange, judge: Judge) -> Sequence[IssuedKey]:
        """See ``KeyIssuer``."""
        return await self._bounded(lambda: self._issuer.change(which, change, judge))

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        """See ``KeyIssuer``."""
        return await self._bounded(lambda: self._issuer.revoke(which, judge))

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        """See ``KeyIssuer``."""
        return await self._bounded(lambda: self._issuer.rotate(which, judge, grace_s=grace_s, expires=expires))

    async def _bounded(self, call: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await answered(call(), DEADLINE_S)
        except JackfieldError:
            raise
        except Exception as error:
            reason = f"no answer within {DEADLINE_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__
            structlog.get_logger("jackfield.gateway").error(
                "key issuer failed", plugin=self._name, reason=reason, traceback=traceback_of(error)
            )
            raise AuthenticatorFailed("keys cannot be read or changed now; the server's log says why") from error
