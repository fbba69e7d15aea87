"""``static-tokens``: callers with tokens whose SHA-256 digests stand in ``plugins.toml``."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import msgspec

from jackfield import hookimpl
from jackfield.ports.identity import Credential, Principal, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.identity import AuthenticatorFactory

JACKFIELD_API = (0, 1)

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class StaticTokensConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.static-tokens]``."""

    digests: dict[str, str] = {}
    """Who may call: name → SHA-256 of the token, in hexadecimal."""
    scopes: tuple[str, ...] = ("generate", "models:read")
    """What they may do."""

    def __post_init__(self) -> None:
        for name, digest in self.digests.items():
            if not _DIGEST.match(digest):
                raise ValueError(f"digests.{name} must be 64 hexadecimal digits")


class StaticTokens:
    """Compares with every digest, so that an answer takes equally long for all."""

    def __init__(self, config: StaticTokensConfig) -> None:
        self._scopes = frozenset(config.scopes)
        self._digests = {name: digest.encode() for name, digest in config.digests.items()}

    async def authenticate(self, credential: Credential) -> Principal | None:
        """The one whose digest it is."""
        token = credential.value.reveal()
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest().encode()
        known = [name for name, stored in self._digests.items() if hmac.compare_digest(stored, digest)]
        if not known:
            return None
        return Principal(id=known[0], name=known[0], fingerprint=fingerprint(token), scopes=self._scopes)


@hookimpl
def jackfield_config() -> type[StaticTokensConfig]:
    """Its options."""
    return StaticTokensConfig


@hookimpl
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """One authenticator, under the instance's name."""
    config = instance.config(StaticTokensConfig)
    return {instance.name: lambda: StaticTokens(config)}
