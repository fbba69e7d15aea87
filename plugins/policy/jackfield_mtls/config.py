"""Options of ``[config.mtls]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from jackfield.ports.identity import SCOPE, USUAL_SCOPES
from jackfield.types import PRIORITY_MAX

PATTERN_MAX: Final = 512
"""Longest pattern, in characters."""

KINDS: Final = ("DNS", "URI", "email")
"""Alternative names that rules can tell apart."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")


class RuleOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which certificates are meant, and what they bring.

    In patterns `*` stands for any characters within one part of a name: one value of a distinguished name, one label of
    a `DNS:` name, one segment of a `URI:`, one side of an `email:`. All patterns of a rule must fit.
    """

    subject: str = ""
    """Pattern of the distinguished name as RFC 4514 writes it: `CN=*,OU=robots,O=Example`. Empty: any."""
    common_name: str = ""
    """Pattern of the common name. Empty: any."""
    names: tuple[str, ...] = ()
    """Patterns of alternative names, one of which must fit: `DNS:*.example.org`, `URI:spiffe://example.org/ns/*/sa/*`,
    `email:*@example.org`. Empty: any."""
    issuer: str = ""
    """Pattern of the distinguished name of the authority. Empty: any that `kernel.tls.client_ca` has."""
    anybody: bool = False
    """Must be true where a rule has no pattern: it fits each certificate."""
    id: Literal["subject", "common_name", "name"] = "subject"
    """What stays the same when a certificate is renewed, and is the caller's id after the rule's name and a colon:
    `robots:CN=mail,OU=robots`. `name` is the alternative name that has fitted."""
    name: str = ""
    """What people and logs call the caller. Empty: its common name, or else its id."""
    owner: str = ""
    """Who answers for it."""
    team: str = ""
    """Whose limits and budgets it shares."""
    tenant: str = ""
    """With whom it shares records and cached prefixes."""
    roles: tuple[str, ...] = ()
    """Roles that it has."""
    scopes: tuple[str, ...] = USUAL_SCOPES
    """Scopes that it has."""
    models: tuple[str, ...] | None = None
    """Names or aliases of the models it may use. Empty leaves that to roles."""
    tags: tuple[str, ...] = ()
    """Words for policies."""
    priority: int = 0
    """The most urgent priority that it may ask for, -100 to 100; lower goes first."""

    def __post_init__(self) -> None:
        patterns = [each for each in (self.subject, self.common_name, *self.names, self.issuer) if each]
        if bool(patterns) == self.anybody:
            raise ValueError("a rule needs subject, common_name, names or issuer; or anybody = true, and none of them")
        if any(len(each) > PATTERN_MAX for each in patterns):
            raise ValueError(f"a pattern has at most {PATTERN_MAX} characters")
        for each in self.names:
            if each.partition(":")[0] not in KINDS or not each.partition(":")[2]:
                raise ValueError(f"names: {each!r} must begin with DNS:, URI: or email:")
        if self.id == "name" and not self.names:
            raise ValueError('names must not be empty where id is "name"')
        for scope in self.scopes:
            if not SCOPE.match(scope):
                raise ValueError(f"scopes: {scope!r} is no scope")
        if not -PRIORITY_MAX <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"priority must be between {-PRIORITY_MAX} and {PRIORITY_MAX}")


class MtlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose certificates are good. Which authorities sign them, `[kernel.tls]` says."""

    rules: Mapping[str, RuleOptions] = {}
    """Rules by a name of your choice, which is part of their callers' ids. The first one that fits counts. There must
    be one."""
    revocations: tuple[str, ...] = ()
    """Files that say which certificates are good no more: revocation lists of authorities (PEM or DER), or texts with
    one serial number in hexadecimal on each line. They are looked at four times a second."""

    def __post_init__(self) -> None:
        for name in self.rules:
            if not _NAME.match(name):
                raise ValueError(f"rules: {name!r} is no name; use a-z, 0-9, dots, dashes and underscores")
