"""What a token claims: whether it is good here and now, and who its bearer is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import CredentialExpired, Unauthenticated
from jackfield.ports.identity import SCOPE, Principal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield_oidc.config import Claim, IssuerOptions
    from jackfield_oidc.token import JsonValue

    Claims = Mapping[str, JsonValue]

SUBJECT_MAX: Final = 255
"""Longest `sub`, in ASCII characters (OpenID Connect Core 1.0, section 2)."""

TEXT_MAX: Final = 256
"""Longest text that is taken over from a claim, in characters."""

_TIME_MAX: Final = float(1 << 40)
"""Unix seconds that no clock will show."""


class Marks(NamedTuple):
    """What of a token revocations are about, and until when it is good."""

    issuer: str
    """Its name here."""
    subject: str
    token_id: str | None
    session: str | None
    issued: float | None
    """Unix seconds."""
    expires: float


def marks(claims: Claims, name: str, issuer: IssuerOptions, now: float, leeway_s: float) -> Marks:
    """Check the registered claims (RFC 7519, section 4.1) of a token whose signature is good.

    Parameters:
        claims: Of the token; its `iss` is the issuer's.
        name: Of the issuer.
        issuer: Says who it must be made out to.
        now: Unix seconds.
        leeway_s: By how much clocks may differ.

    Raises:
        CredentialExpired: Its time is over.
        Unauthenticated: It is not good here, or not yet, or a claim is missing or of the wrong kind.
    """
    _check_audience(claims, issuer.audiences)
    expires, begins, issued = _time(claims, "exp"), _time(claims, "nbf"), _time(claims, "iat")
    if expires is None or (begins is None and issuer.nbf_required):
        raise Unauthenticated(f"the token has no {'exp' if expires is None else 'nbf'}")
    if expires + leeway_s <= now:
        raise CredentialExpired("the token has expired")
    if max(begins or 0.0, issued or 0.0) > now + leeway_s:
        raise Unauthenticated("the token is not good yet; do the clocks agree?")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX or not _plain(subject):
        raise Unauthenticated("the token has no usable sub")
    token_id, session = _optional_text(claims, "jti"), _optional_text(claims, "sid")
    return Marks(name, subject, token_id, session, issued, expires)


def principal(claims: Claims, found: Marks, issuer: IssuerOptions, fingerprint: str) -> Principal:
    """Who bears a token with these *claims*.

    Raises:
        Unauthenticated: A claim that is mapped has another kind of value.
    """
    mapped = issuer.claims
    roles = _words(claims, mapped.roles)
    if issuer.role_names:
        roles = [issuer.role_names[each] for each in roles if each in issuer.role_names]
    return Principal(
        id=f"{found.issuer}:{found.subject}",
        name=_text(claims, mapped.name) or found.subject,
        fingerprint=fingerprint,
        owner=_text(claims, mapped.owner),
        team=_text(claims, mapped.team),
        tenant_name=_text(claims, mapped.tenant),
        roles=frozenset((*issuer.roles, *roles)),
        tags=frozenset(_words(claims, mapped.tags)),
        scopes=frozenset((*issuer.scopes, *_scopes(claims, issuer))),
        models=None if issuer.models is None else frozenset(issuer.models),
    )


def _scopes(claims: Claims, issuer: IssuerOptions) -> Sequence[str]:
    prefix = issuer.scope_prefix
    named = [each.removeprefix(prefix) for each in _words(claims, issuer.claims.scopes) if each.startswith(prefix)]
    return [each for each in named if SCOPE.match(each)]


def _check_audience(claims: Claims, audiences: Sequence[str]) -> None:
    audience = claims.get("aud")
    made_out_to = [audience] if isinstance(audience, str) else audience
    if not isinstance(made_out_to, list) or not all(isinstance(each, str) for each in made_out_to):
        raise Unauthenticated("the token has no usable aud")
    if not any(each in audiences for each in made_out_to):
        raise Unauthenticated("the token is made out to somebody else (aud)")


def _time(claims: Claims, name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _TIME_MAX:
        raise Unauthenticated(f"the token's {name} is no time")
    return float(value) if math.isfinite(value) else None


def _at(claims: Claims, claim: Claim) -> JsonValue:
    """What *claim* leads to; None where it leads nowhere."""
    value: JsonValue = claims
    for name in (claim,) if isinstance(claim, str) else claim:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(claims: Claims, claim: Claim) -> str:
    value = _at(claims, claim) if claim else None
    if value is None:
        return ""
    return _usable(value, claim)


def _words(claims: Claims, claim: Claim) -> Sequence[str]:
    value = _at(claims, claim) if claim else None
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(" ")
    if not isinstance(value, list):
        raise _unusable(claim)
    return [_usable(each, claim) for each in value if each]


def _usable(value: JsonValue, claim: Claim) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise _unusable(claim)
    return value


def _unusable(claim: Claim) -> Unauthenticated:
    name = claim if isinstance(claim, str) else ".".join(claim)
    return Unauthenticated(f"the token's {name} is not what it should be")


def _optional_text(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > TEXT_MAX):
        raise Unauthenticated(f"the token's {name} is no text, or too long")
    return value


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
