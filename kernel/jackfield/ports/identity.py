"""Identity: who calls.

``jackfield_authenticators`` hands over factories of ``Authenticator``. The kernel takes the credential from a request,
asks the authenticators in the order of the manifest, and the first principal wins; it then checks the route's scope and
the principal's models. Everything runs on the gateway's event loop.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from jackfield.secret import Secret
from jackfield.types import PRIORITY_MAX

FINGERPRINT: Final = re.compile(r"[0-9a-z]{6}\Z")
"""What a fingerprint looks like: enough to tell one's own keys apart, far too little to find one."""

CREDENTIAL_MAX: Final = 8000
"""Longest credential in characters. Tokens with claims take thousands; aiohttp takes header lines up to 8,190 bytes."""

DEADLINE_S: Final = 2.0
"""How long one authenticator may take for one credential."""

ALL: Final = "*"
"""A scope that contains all others, and the scope of routes that name none."""

ADMIN: Final = "admin"
"""A scope that contains those of ``ADMINISTRATION``."""

MODELS_WRITE: Final = "models:write"
KEYS_READ: Final = "keys:read"
KEYS_WRITE: Final = "keys:write"
CONFIG_READ: Final = "config:read"
CONFIG_WRITE: Final = "config:write"
POLICY_READ: Final = "policy:read"
POLICY_WRITE: Final = "policy:write"
AUDIT_READ: Final = "audit:read"
"""Scopes of those who run a server; see ``SCOPES``."""

SLOTS: Final = "slots"
"""Scope of whatever writes states of models to the server's disk, or reads them from there."""

SCOPES: Final[Mapping[str, str]] = {
    "generate": "have text generated: chat, completions",
    "embed": "have embeddings computed",
    "rerank": "have texts ranked or classified",
    "moderate": "have texts judged by guardrails",
    "models:read": "list models and read what is known of them",
    SLOTS: "save, restore and erase what slots have computed",
    MODELS_WRITE: "restart workers, clear caches, take the server out of service",
    KEYS_READ: "list keys",
    KEYS_WRITE: "make, change, block and revoke keys",
    CONFIG_READ: "read the server's settings and what it does",
    CONFIG_WRITE: "change the server's settings",
    POLICY_READ: "read policies, roles, limits and guardrails",
    POLICY_WRITE: "change them",
    AUDIT_READ: "read the audit record",
    ADMIN: "all that changes the server, or shows what others do",
}
"""The scopes of Jackfield's own routes, and what they allow. Frontends may use others."""

ADMINISTRATION: Final = frozenset(
    {
        MODELS_WRITE,
        KEYS_READ,
        KEYS_WRITE,
        CONFIG_READ,
        CONFIG_WRITE,
        POLICY_READ,
        POLICY_WRITE,
        AUDIT_READ,
        ADMIN,
    }
)
"""Scopes whose routes need a principal also where no authenticator is enabled."""

USUAL_SCOPES: Final = tuple(scope for scope in SCOPES if scope not in ADMINISTRATION | {SLOTS})
"""Of a key that nobody has named any for."""

SCOPE: Final = re.compile(r"\*\Z|[a-z][a-z0-9_.-]*(:[a-z][a-z0-9_.-]*)?\Z")
"""What a scope looks like: ``generate``, ``models:read``, ``*``."""


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of a TLS connection's client, signed by an authority that ``kernel.tls`` trusts."""

    subject: str
    """Its distinguished name, as RFC 4514 writes it."""
    common_name: str = ""
    names: tuple[str, ...] = ()
    """Alternative names: ``DNS:…``, ``URI:…``, ``email:…``."""
    issuer: str = ""
    serial: str = ""
    """Hexadecimal."""
    expires: float
    """Unix seconds."""


class Credential(msgspec.Struct, frozen=True):
    """What a caller presented: printable ASCII, not empty, at most ``CREDENTIAL_MAX`` characters."""

    kind: Literal["bearer", "x-api-key", "certificate"]
    """The header it came in. Of a caller that sends neither the certificate of its connection, where there is one."""
    value: Secret
    """Of a certificate its SHA-256, in hexadecimal."""
    certificate: ClientCertificate | None = None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, as an authenticator says."""

    id: str
    """Stable over renewals of the credential; unique among the principals of one authenticator."""
    name: str
    """For people and logs; no secret."""
    fingerprint: str
    """Six characters that tell the credential from the caller's others; see ``fingerprint``."""
    owner: str = ""
    """Who answers for it: a person, a team."""
    user: str = ""
    """Who uses it; several credentials of one person have the same."""
    team: str = ""
    """Whose limits and budgets it shares."""
    tenant_name: str = ""
    """With whom it shares records, cached prefixes and its share of the server; empty is nobody."""
    roles: frozenset[str] = frozenset()
    """What role books know what to make of."""
    tags: frozenset[str] = frozenset()
    """Words for policies."""
    scopes: frozenset[str] = frozenset()
    """Which routes it may use; ``*`` is all."""
    models: frozenset[str] | None = None
    """Names or aliases of the models it may use; None is all."""
    priority: int = 0
    """The most urgent priority that its requests may ask for, and what they have if they ask for none and this is less
    urgent than 0; lower goes first; -100 to 100."""
    authenticator: str = ""
    """Name of the authenticator; set by the kernel."""

    def __post_init__(self) -> None:
        if not FINGERPRINT.match(self.fingerprint):
            raise ValueError("fingerprint must be six characters, 0-9 and a-z")
        if not self.id or not self.name:
            raise ValueError("id and name must not be empty")
        if self.id.startswith("/"):
            raise ValueError("id must not begin with a slash")
        if not -PRIORITY_MAX <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"priority must be between {-PRIORITY_MAX} and {PRIORITY_MAX}")

    def may(self, scope: str) -> bool:
        """Whether it may use routes of *scope*."""
        held = self.scopes
        return scope in held or ALL in held or (scope in ADMINISTRATION and ADMIN in held)

    def may_use(self, *names: str) -> bool:
        """Whether it may use the model that has these names."""
        return self.models is None or not self.models.isdisjoint(names)

    @property
    def tenant(self) -> str:
        """What workers and schedulers call it, as ``authenticator/id``; principals of two authenticators differ.

        Those of one ``tenant_name`` are one tenant, ``authenticator//tenant_name``: an id does not begin with a slash.
        """
        return f"{self.authenticator}//{self.tenant_name}" if self.tenant_name else f"{self.authenticator}/{self.id}"


class Authenticator(Protocol):
    """Tells who presents a credential."""

    async def authenticate(self, credential: Credential) -> Principal | None:
        """Judge *credential*.

        Called for every request that has one.

        Returns:
            The principal, or None if the credential is not one of this authenticator's: the next one is asked.

        Raises:
            Unauthenticated: It is one of this authenticator's and is refused: nobody else is asked.
                ``CredentialExpired``, ``CredentialRevoked`` and ``CredentialBlocked`` say why; a message never has the
                credential in it.

        Process and thread: gateway, event loop thread, which it must not block; calls may overlap. Deadline: 2 s
        (``DEADLINE_S``); then it is cancelled. Failure policy: closed; anything but the errors above, and a deadline
        missed, answers 503 and is logged by name.
        """
        ...


@runtime_checkable
class ClosingAuthenticator(Protocol):
    """What an ``Authenticator`` may have besides: something to give back when the gateway ends."""

    async def close(self) -> None:
        """Write what waits, and give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 2 s (``DEADLINE_S``).
        Failure policy: open; it is logged by name.
        """
        ...


AuthenticatorFactory: TypeAlias = Callable[[], Authenticator]
"""What ``jackfield_authenticators`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""


def fingerprint(credential: str) -> str:
    """Six characters for logs and listings: the beginning of the SHA-256 of *credential*, in hexadecimal.

    24 bits: two of 400 keys share one with a probability of 0.5 %, and nobody can find a random key by it.
    """
    return hashlib.sha256(credential.encode(errors="surrogatepass")).hexdigest()[:6]
