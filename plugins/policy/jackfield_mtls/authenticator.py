"""The authenticator of clients' certificates."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from jackfield.errors import CredentialExpired, CredentialRevoked, Unauthenticated
from jackfield.ports.identity import ClientCertificate, Principal, fingerprint
from jackfield_mtls.revocations import Revocations
from jackfield_mtls.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.ports.identity import Credential
    from jackfield_mtls.config import RuleOptions

Entry = TypeVar("Entry")

KNOWN_MAX: Final = 4096
"""Certificates whose holder is remembered."""


class _Known(NamedTuple):
    shown: ClientCertificate
    principal: Principal


class CertificateAuthenticator:
    """Knows callers by the certificates of their connections. Event loop thread.

    Parameters:
        rules: Whose certificates are good, by the rules' names, in order.
        revocations: Files with what is revoked.
        clock: Unix seconds.

    Raises:
        ManifestError: A file cannot be used.
        PluginError: A file needs a package that is not there.
    """

    def __init__(
        self,
        rules: Mapping[str, RuleOptions],
        revocations: Sequence[Path],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = {each: Rule(each, options) for each, options in rules.items()}
        self._revocations = Revocations(revocations, clock)
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._last: OrderedDict[str, ClientCertificate] = OrderedDict()

    async def authenticate(self, credential: Credential) -> Principal | None:
        shown = credential.certificate
        if credential.kind != "certificate" or shown is None:
            return None
        digest = credential.value.reveal()
        known = self._known.get(digest)
        if known is None or known.shown != shown:
            found = self._found(shown, digest)
            if found is None:
                return None
            known = _Known(shown, found)
            _remember(self._known, digest, known)
        await self._check(known)
        _remember(self._last, known.principal.id, shown)
        return known.principal

    async def review(self, principal: Principal) -> Principal:
        """See ``Reviewer``: by its id; its certificate counts where it was shown since the server started."""
        rule, _, part = principal.id.partition(":")
        if not part or rule not in self._rules:
            raise Unauthenticated("nobody vouches for the caller any more: its rule is not there")
        await self._revocations.look()
        last = self._last.get(principal.id)
        if last is not None and self._revocations.has(last.serial):
            raise CredentialRevoked("the caller's certificate was revoked", fingerprint=principal.fingerprint)
        return self._rules[rule].again(principal)

    @property
    def troubles(self) -> Sequence[str]:
        """See ``Condition``."""
        return self._revocations.troubles

    def _found(self, shown: ClientCertificate, digest: str) -> Principal | None:
        for rule in self._rules.values():
            holder = rule.holder(shown)
            if holder is not None:
                return rule.principal(holder, fingerprint(digest))
        return None

    async def _check(self, known: _Known) -> None:
        """Whether what was good when the connection began still is."""
        own = known.principal.fingerprint
        if known.shown.expires <= self._clock():
            raise CredentialExpired("the client's certificate has expired", fingerprint=own)
        await self._revocations.look()
        if self._revocations.has(known.shown.serial):
            raise CredentialRevoked("the client's certificate was revoked", fingerprint=own)


def _remember(entries: OrderedDict[str, Entry], key: str, entry: Entry) -> None:
    entries[key] = entry
    entries.move_to_end(key)
    if len(entries) > KNOWN_MAX:
        entries.popitem(last=False)
