"""Options of ``[config.oidc]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from jackfield.outbound.options import OutboundOptions
from jackfield.ports.identity import SCOPE, USUAL_SCOPES

Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"]

Claim: TypeAlias = str | tuple[str, ...]
"""A claim's name, or the names that lead to one in nested objects; empty: none."""

LEEWAY_MAX_S: Final = 300.0

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_LIMITS_S: Final = {"refresh_s": (1.0, 86_400.0), "stale_s": (1.0, 604_800.0)}


class ClaimOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which claims say what of a caller: `"email"`, or `["realm_access", "roles"]` for nested ones. Empty: none."""

    name: Claim = "sub"
    """What people and logs call it."""
    owner: Claim = ""
    """Who answers for it."""
    team: Claim = ""
    """Whose limits and budgets it shares."""
    tenant: Claim = ""
    """With whom it shares records and cached prefixes. Callers of two issuers that name one tenant are one tenant."""
    roles: Claim = ""
    """A list of texts, or one text with spaces between them; so are the next two."""
    scopes: Claim = ""
    """Those of its values that begin with `scope_prefix`."""
    tags: Claim = ""
    """Words for policies."""


class IssuerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens are good, and what they bring."""

    url: str
    """The issuer, exactly as `iss` in its tokens has it."""
    audiences: tuple[str, ...]
    """A token must be made out to one of them."""
    algorithms: tuple[Algorithm, ...] = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA")
    """Signatures that are accepted."""
    nbf_required: bool = True
    """Whether tokens must say since when they are good. Where they do say so, it is checked in any case."""
    jwks_url: str = ""
    """Where its keys are; empty: its discovery document says so."""
    jwks_file: str = ""
    """File with its keys, instead of fetching them; read again every `refresh_s`."""
    bearer_file: str = ""
    """File with a token to fetch them with, read anew each time; sent to the host of `jwks_url`, or of the issuer."""
    claims: ClaimOptions = ClaimOptions()
    """Which claims say what of a caller."""
    scopes: tuple[str, ...] = USUAL_SCOPES
    """Scopes that all its tokens bring."""
    scope_prefix: str = "jackfield:"
    """What those values of the scopes' claim begin with that are meant for this server; what follows is the scope."""
    roles: tuple[str, ...] = ()
    """Roles that all its tokens bring."""
    models: tuple[str, ...] | None = None
    """Names or aliases of the models that all its tokens may use. Empty leaves that to roles."""
    role_names: Mapping[str, str] = {}
    """Roles for values of the roles' claim; others bring nothing then. Empty: the values are the roles."""
    outbound: OutboundOptions = OutboundOptions()
    """How its keys are fetched."""

    def __post_init__(self) -> None:
        if not self.url or not self.audiences or not all(self.audiences):
            raise ValueError("url and audiences must not be empty")
        if not self.algorithms:
            raise ValueError("algorithms must not be empty")
        for scope in self.scopes:
            if not SCOPE.match(scope):
                raise ValueError(f"scopes: {scope!r} is no scope")
        if self.jwks_file and (self.jwks_url or self.bearer_file):
            raise ValueError("jwks_file stands alone: without jwks_url and bearer_file")


class OidcConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens are good."""

    issuers: Mapping[str, IssuerOptions] = {}
    """Issuers by a name of your choice, which is part of their callers' ids: `corp:alice`. There must be one."""
    leeway_s: float = 30.0
    """Seconds that clocks may differ by; at most 300."""
    refresh_s: float = 300.0
    """Seconds after which an issuer's keys are fetched again."""
    stale_s: float = 3600.0
    """Seconds that keys are used for after they were fetched, while the issuer cannot be asked; then its tokens are
    answered with 503."""
    revocations: str = ""
    """File that lists what is revoked; empty: none. Documents `revocation` of the policy store are heeded besides."""
    cache_entries: int = 4096
    """Tokens whose verification is remembered until they expire."""

    def __post_init__(self) -> None:
        for name in self.issuers:
            if not _NAME.match(name):
                raise ValueError(f"issuers: {name!r} is no name; use a-z, 0-9, dots, dashes and underscores")
        if len({each.url for each in self.issuers.values()}) != len(self.issuers):
            raise ValueError("issuers: two of them have the same url")
        if not 0 <= self.leeway_s <= LEEWAY_MAX_S:
            raise ValueError(f"leeway_s must be between 0 and {LEEWAY_MAX_S:g}")
        for field, (least, most) in _LIMITS_S.items():
            if not least <= getattr(self, field) <= most:
                raise ValueError(f"{field} must be between {least:g} and {most:g}")
        if self.stale_s < self.refresh_s:
            raise ValueError("stale_s must be at least refresh_s")
        if self.cache_entries < 1:
            raise ValueError("cache_entries must be at least 1")
