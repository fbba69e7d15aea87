"""The credential in a request's headers.

``Authorization: Bearer KEY`` (RFC 6750, section 2.1) and ``x-api-key: KEY`` (what Anthropic's clients send). Nothing
else of a request is looked at: keys in query strings end in logs and histories, and cookies would let web pages act
for their visitors.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

from jackfield.errors import CredentialMissing, Unauthenticated
from jackfield.ports.identity import CREDENTIAL_MAX, Credential
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDictProxy

_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")


def nothing_shown() -> None:
    """Of a connection without a certificate."""


def credential_of(headers: CIMultiDictProxy[str], shown: Callable[[], Credential | None] = nothing_shown) -> Credential:
    """The one credential that *headers* have; where they have none, what the connection has *shown*.

    Raises:
        CredentialMissing: There is none.
        Unauthenticated: There are several that differ, or what there is cannot be one. Messages never repeat it.
    """
    bearer = _bearer(_only(headers, "Authorization"))
    plain = _only(headers, "x-api-key")
    if bearer is None and plain is None:
        certificate = shown()
        if certificate is not None:
            return certificate
        raise CredentialMissing("this server needs an API key: send the header Authorization: Bearer KEY")
    for value in (bearer, plain):
        if value is not None:
            _check(value)
    if bearer is not None and plain is not None and not hmac.compare_digest(bearer, plain):
        raise Unauthenticated("the headers Authorization and x-api-key have different keys; send one of them")
    if bearer is not None:
        return Credential("bearer", Secret(bearer))
    return Credential("x-api-key", Secret(plain or ""))


def _only(headers: CIMultiDictProxy[str], name: str) -> str | None:
    values = headers.getall(name, ())
    if len(values) > 1:
        raise Unauthenticated(f"the header {name} must be there once")
    return values[0].strip(" \t") if values else None


def _bearer(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("the header Authorization must be: Bearer KEY")
    return token.strip(" \t")


def _check(value: str) -> None:
    if not value:
        raise CredentialMissing("the API key is empty: send the header Authorization: Bearer KEY")
    if len(value) > CREDENTIAL_MAX:
        raise Unauthenticated(f"the API key is longer than {CREDENTIAL_MAX} characters")
    if not _PRINTABLE.fullmatch(value):
        raise Unauthenticated("the API key has characters that no key has: only printable ASCII without spaces is used")
