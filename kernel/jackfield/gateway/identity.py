"""Who calls, and whether the route is for them: the stage between a request's headers and its body.

With an authenticator every route of the API port is private, also those that do not exist: who is not known learns
nothing. What is public is served on the health port (``jackfield.gateway.health.PUBLIC_PATHS``).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from jackfield.errors import (
    AuthenticationThrottled,
    AuthenticatorFailed,
    CredentialMissing,
    InsufficientScope,
    JackfieldError,
    PluginError,
    Unauthenticated,
    http,
)
from jackfield.gateway.answering import answered
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.credentials import credential_of, nothing_shown
from jackfield.gateway.failures import Failures
from jackfield.gateway.granting import Granting
from jackfield.gateway.key_issuers import NamedKeyIssuer
from jackfield.gateway.summary import event_of
from jackfield.logs import traceback_of
from jackfield.ports.identity import ADMINISTRATION, DEADLINE_S, ClosingAuthenticator, Principal
from jackfield.ports.key_issuer import KeyIssuer
from jackfield.ports.reviewer import Reviewer
from jackfield.secret import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from multidict import CIMultiDictProxy

    from jackfield.context import RequestContext
    from jackfield.ports.audit import Detail
    from jackfield.ports.identity import Authenticator, AuthenticatorFactory, Credential
    from jackfield.ports.roles import RoleBookFactory

LOG_INTERVAL_S: Final = 60.0
"""A broken authenticator fails at every request; one line a minute says so."""


class Identity:
    """All enabled authenticators and role books, in manifest order. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.authenticators`` gives them.
        books: Role books by name, as ``Kernel.roles`` gives them.
        auditing: Told of credentials that were refused.

    Raises:
        PluginError: A factory failed, or made what cannot authenticate; the message names it.
    """

    def __init__(
        self,
        factories: Mapping[str, AuthenticatorFactory],
        books: Mapping[str, RoleBookFactory] | None = None,
        auditing: Auditing | None = None,
    ) -> None:
        self._authenticators = [(name, _made(name, factory)) for name, factory in factories.items()]
        self._granting = Granting(books or {})
        self._auditing = auditing or Auditing({})
        self._failures = Failures()
        self._silent_until: dict[str, float] = {}
        self._log = structlog.get_logger("jackfield.gateway")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the authenticators, in the order they are asked; empty where anybody may call."""
        return tuple(name for name, _ in self._authenticators)

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What plugins have supplied, with their names."""
        return [*self._authenticators, *self._granting.objects]

    @property
    def key_issuers(self) -> Mapping[str, KeyIssuer]:
        """Those of them whose keys can be changed, by name, in the order they are asked."""
        return {name: NamedKeyIssuer(name, each) for name, each in self._authenticators if isinstance(each, KeyIssuer)}

    async def close(self) -> None:
        """Close those authenticators that have something to give back."""
        for name, each in self._authenticators:
            if not isinstance(each, ClosingAuthenticator):
                continue
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await each.close()
            except Exception as error:  # noqa: BLE001 -- foreign code; the others are closed all the same
                self._report(name, error)

    async def admit(
        self,
        headers: CIMultiDictProxy[str],
        context: RequestContext,
        scope: str | None,
        shown: Callable[[], Credential | None] = nothing_shown,
    ) -> None:
        """Find out who calls and whether they may; ``context.principal`` is set then.

        Parameters:
            headers: Of the request.
            context: ``client`` is the address that failures are counted for.
            scope: Of the route; None where there is no such route.
            shown: Gives the certificate of the connection's client, where there is one.

        Raises:
            Unauthenticated: Nobody, or nobody who is known.
            AuthenticationThrottled: The same, once too often from this address.
            InsufficientScope: The caller is known and lacks *scope*.
            AuthenticatorFailed: An authenticator, or a book of roles, broke or was too slow.
            AuditFailed: A refusal cannot be recorded, and must be.
        """
        if not self._authenticators:
            if scope in ADMINISTRATION:
                raise CredentialMissing("this route needs an authenticated caller, and no authenticator is enabled")
            return
        try:
            principal = await self._principal(credential_of(headers, shown))
        except Unauthenticated as error:
            context.fingerprint = error.fingerprint
            await self._refuse(context, error)
            raise
        context.principal = principal
        context.fingerprint = principal.fingerprint
        if scope is not None and not principal.may(scope):
            lacking = InsufficientScope(f"this key lacks the scope {scope!r} that the route needs")
            await self._record(context, lacking, scope=scope)
            raise lacking

    async def review(self, principal: Principal | None) -> Principal | None:
        """What a caller may by now whose request is over; see ``Gateway.review``."""
        if principal is None:
            if self._authenticators:
                raise CredentialMissing("whoever asked for this had no API key, and now one is needed")
            return None
        for name, authenticator in self._authenticators:
            if name == principal.authenticator:
                return await self._reviewed(name, authenticator, principal)
        raise Unauthenticated("nobody can say any more who asked for this: the authenticator is not enabled")

    async def _reviewed(self, name: str, authenticator: Authenticator, principal: Principal) -> Principal:
        if not isinstance(authenticator, Reviewer):
            return principal
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await authenticator.review(principal)
            if found.id != principal.id:
                raise PluginError("review() returned another principal")
            return self._granting.granted(msgspec.structs.replace(found, authenticator=name))
        except (Unauthenticated, AuthenticatorFailed):
            raise
        except Exception as error:
            self._report(name, error)
            raise AuthenticatorFailed("who asked for this cannot be checked now") from error

    async def _refuse(self, context: RequestContext, error: Unauthenticated) -> None:
        """Count *error* for its address, and have it recorded: of a flood its begin, and how much of it there was."""
        failure = self._failures.note(context.client)
        if failure.wait_s is None:
            await self._record(context, error, throttled_before=failure.throttled)
            return
        throttled = AuthenticationThrottled(
            "too many requests without a valid API key came from your address; a valid one is always served",
            retry_after=failure.wait_s,
        )
        if failure.throttled == 1:
            await self._record(context, throttled)
        raise throttled

    async def _record(self, context: RequestContext, error: JackfieldError, **details: Detail) -> None:
        if self._auditing.enabled:
            code = http(error).code
            event = event_of(
                context, "auth", "authenticate", "denied", resource=context.route, reason=code, details=details
            )
            await self._auditing.record(event)

    async def _principal(self, credential: Credential) -> Principal:
        for name, authenticator in self._authenticators:
            principal = await self._ask(name, authenticator, credential)
            if principal is not None:
                return self._granting.granted(principal)
        raise Unauthenticated("the API key is not valid")

    async def _ask(self, name: str, authenticator: Authenticator, credential: Credential) -> Principal | None:
        try:
            principal = await answered(authenticator.authenticate(credential), DEADLINE_S)
            if principal is None:
                return None
            if not isinstance(principal, Principal):
                raise PluginError(f"authenticate() returned {type(principal).__name__}, not a Principal")
            return msgspec.structs.replace(principal, authenticator=name)
        except Unauthenticated as error:
            error.message = error.message.replace(credential.value.reveal(), HIDDEN)
            raise
        except AuthenticatorFailed:
            raise  # it has said why in the log
        except Exception as error:
            self._report(name, error)
            raise AuthenticatorFailed("who calls cannot be checked now; try again in a moment") from error

    def _report(self, name: str, error: Exception) -> None:
        now = time.monotonic()
        if now < self._silent_until.get(name, 0.0):
            return
        self._silent_until[name] = now + LOG_INTERVAL_S
        reason = f"no answer within {DEADLINE_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__
        self._log.error("authenticator failed", plugin=name, reason=reason, traceback=traceback_of(error))


def _made(name: str, factory: AuthenticatorFactory) -> Authenticator:
    try:
        authenticator = factory()
    except JackfieldError:
        raise
    except Exception as error:
        raise PluginError(f"authenticator {name}: its factory raised {type(error).__name__}: {error}") from error
    if not asyncio.iscoroutinefunction(getattr(authenticator, "authenticate", None)):
        kind = type(authenticator).__name__
        raise PluginError(f"authenticator {name}: its factory made {kind}, which has no async authenticate()")
    return authenticator
