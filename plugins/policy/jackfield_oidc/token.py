"""Compact JWS (RFC 7515, section 7.1) of a JWT, taken apart without trusting any of it.

Stricter than the standards where leniency has cost others their security: no duplicate names, no base64url that could
be written in another way, no header parameter that brings a key or changes what is signed (RFC 8725).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, NoReturn, TypeAlias

from jackfield.errors import Unauthenticated
from jackfield.ports.identity import CREDENTIAL_MAX

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]

HEADER_MAX: Final = 1024
"""Longest header, in characters as they arrive."""

SIGNATURE_MAX: Final = 1366
"""The same of a signature: RSA with 8,192 bits."""

KID_MAX: Final = 256

_SHAPE: Final = re.compile(
    rf"([A-Za-z0-9_-]{{1,{HEADER_MAX}}})\.([A-Za-z0-9_-]{{1,{CREDENTIAL_MAX}}})\.([A-Za-z0-9_-]{{0,{SIGNATURE_MAX}}})\Z"
)

_REFUSED: Final = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "cty", "enc", "zip", "epk", "apu", "apv", "p2s", "p2c")
"""Parameters that bring or name a key, or say that there is more in it than claims. Others are ignored (RFC 7515)."""

_TYPES: Final = ("jwt", "at+jwt")
"""What a token may say it is: others, such as logout tokens, are signed with the same keys (RFC 8725, section 3.11)."""


class Token(NamedTuple):
    """A token that is well formed; nobody has checked anything else of it."""

    header: JsonObject
    claims: JsonObject
    issuer: str
    signed: bytes
    """What the signature is of."""
    signature: bytes


class Signature(NamedTuple):
    """How a token is signed, as it says itself."""

    algorithm: str
    kid: str | None
    signed: bytes
    value: bytes


def parse(text: str) -> Token | None:
    """The token in *text*; None for what is no JWT with an issuer, and so may be anybody's."""
    match = _SHAPE.match(text) if len(text) <= CREDENTIAL_MAX else None
    if match is None:
        return None
    header, claims, signature = _object(match[1]), _object(match[2]), _decoded(match[3])
    if header is None or claims is None or signature is None:
        return None
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        return None
    return Token(header, claims, issuer, text[: match.end(2)].encode(), signature)


def signature_of(token: Token) -> Signature:
    """How *token* says that it is signed.

    Raises:
        Unauthenticated: Its header has what must not be there.
    """
    header = token.header
    for name in _REFUSED:
        if name in header:
            raise Unauthenticated(f"the token's header has a {name}, which is not accepted")
    kind, kid, algorithm = header.get("typ", "JWT"), header.get("kid"), header.get("alg")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise Unauthenticated("the token says that it is something else (typ)")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX):
        raise Unauthenticated("the token names its key in a way that no issuer does (kid)")
    if not isinstance(algorithm, str):
        raise Unauthenticated("the token does not say how it is signed (alg)")
    return Signature(algorithm, kid, token.signed, token.signature)


def _object(segment: str) -> JsonObject | None:
    data = _decoded(segment)
    if data is None:
        return None
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(segment: str) -> bytes | None:
    """The bytes of base64url without padding; None where it is not written as RFC 4648 writes it."""
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (ValueError, binascii.Error):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=") == segment.encode() else None


def _unique(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
