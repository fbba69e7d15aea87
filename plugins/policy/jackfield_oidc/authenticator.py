"""The authenticator of tokens that OpenID Connect issuers sign."""

from __future__ import annotations

import time
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import CredentialExpired, CredentialRevoked, Unauthenticated
from jackfield.ports.identity import Principal, fingerprint
from jackfield_oidc.claims import Marks, marks, principal
from jackfield_oidc.config import IssuerOptions
from jackfield_oidc.issuer_keys import IssuerKeys
from jackfield_oidc.key_source import source
from jackfield_oidc.revocation_file import RevocationFile
from jackfield_oidc.revocations import NOTHING, RevocationList, decoded
from jackfield_oidc.token import parse, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.ports.identity import Credential
    from jackfield.ports.policy_store import Documents
    from jackfield_oidc.config import OidcConfig
    from jackfield_oidc.token import Token

DOCUMENTS: Final = "revocation"
"""Kind of the policy store's documents that are heeded."""


class _Issuer(NamedTuple):
    name: str
    options: IssuerOptions
    keys: IssuerKeys


class _Verified(NamedTuple):
    """A token that was good."""

    principal: Principal
    marks: Marks
    issuer: _Issuer
    losses: int
    """Of the issuer's keys, when it was verified."""


class OidcAuthenticator:
    """Knows the callers of some issuers by their tokens. Event loop thread.

    Parameters:
        name: Of the authenticator.
        config: Whose tokens are good.
        path: Where files are.
        clock: Unix seconds.

    Raises:
        ManifestError: A file or URL of *config* cannot be used.
    """

    def __init__(
        self,
        name: str,
        config: OidcConfig,
        path: Callable[[str], Path],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._leeway_s = config.leeway_s
        self._clock = clock
        self._issuers = {
            options.url: _Issuer(
                each, options, IssuerKeys(each, source(options, path), config.refresh_s, config.stale_s)
            )
            for each, options in config.issuers.items()
        }
        self._file = RevocationFile(path(config.revocations) if config.revocations else None)
        self._documents: RevocationList = NOTHING
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._verified_max = config.cache_entries

    async def authenticate(self, credential: Credential) -> Principal | None:
        text = credential.value.reveal()
        digest = sha256(text.encode(errors="surrogatepass")).digest()
        found = self._verified.get(digest)
        if found is None or found.losses != found.issuer.keys.losses:
            verified = await self._verify(text)
            if verified is None:
                return None
            found = verified
            self._remember(digest, found)
        else:
            await found.issuer.keys.ready()
            self._verified.move_to_end(digest)
        await self._check(found)
        return found.principal

    async def review(self, principal: Principal) -> Principal:
        """See ``Reviewer``: by its id, as there is no token any more."""
        name, _, subject = principal.id.partition(":")
        if not subject or name not in {each.name for each in self._issuers.values()}:
            raise Unauthenticated("nobody vouches for the caller any more: its issuer is not listed")
        await self._file.look()
        if any(each.has_caller(name, subject, self._clock()) for each in (self._file.list, self._documents)):
            raise CredentialRevoked("the caller's tokens were revoked")
        return principal

    @property
    def troubles(self) -> Sequence[str]:
        """See ``Condition``."""
        keys = [each.keys.trouble for each in self._issuers.values()]
        return [each for each in (*keys, self._file.fault) if each]

    @property
    def document_kind(self) -> str:
        """See ``Governed``."""
        return DOCUMENTS

    def governed(self, documents: Documents) -> None:
        """See ``Governed``; this object changes none."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        decoded(documents)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        self._documents = decoded(documents)

    async def close(self) -> None:
        """See ``ClosingAuthenticator``."""
        for each in self._issuers.values():
            await each.keys.close()

    async def _verify(self, text: str) -> _Verified | None:
        """Who bears the token; None where it is none of these issuers'."""
        token = parse(text)
        issuer = self._issuers.get(token.issuer) if token is not None else None
        if token is None or issuer is None:
            return None
        losses = issuer.keys.losses
        await self._check_signature(token, issuer)
        own = fingerprint(text)
        try:
            found = marks(token.claims, issuer.name, issuer.options, self._clock(), self._leeway_s)
            return _Verified(principal(token.claims, found, issuer.options, own), found, issuer, losses)
        except Unauthenticated as error:
            error.fingerprint = own  # whose it is, is known: the signature is good
            raise

    @staticmethod
    async def _check_signature(token: Token, issuer: _Issuer) -> None:
        signature = signature_of(token)
        if signature.algorithm not in issuer.options.algorithms:
            raise Unauthenticated("the token is not signed in a way that is accepted (alg)")
        candidates = await issuer.keys.candidates(signature)
        if not candidates:
            raise Unauthenticated("the token is signed with a key that its issuer does not have (kid)")
        if not any(each.made(signature) for each in candidates):
            raise Unauthenticated("the token's signature is wrong")

    async def _check(self, found: _Verified) -> None:
        """Whether what was good still is."""
        own = found.principal.fingerprint
        if found.marks.expires + self._leeway_s <= self._clock():
            raise CredentialExpired("the token has expired", fingerprint=own)
        await self._file.look()
        if self._file.list.has(found.marks) or self._documents.has(found.marks):
            raise CredentialRevoked("the token was revoked", fingerprint=own)

    def _remember(self, digest: bytes, found: _Verified) -> None:
        self._verified[digest] = found
        self._verified.move_to_end(digest)
        if len(self._verified) > self._verified_max:
            self._verified.popitem(last=False)
