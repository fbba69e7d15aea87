"""Rules: whose a certificate is. Event loop thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jackfield.ports.identity import Principal
from jackfield_mtls.patterns import alternative, common, distinguished

if TYPE_CHECKING:
    from jackfield.ports.identity import ClientCertificate
    from jackfield_mtls.config import RuleOptions


class Holder(NamedTuple):
    """Whoever has a certificate."""

    part: str
    """The part of it that stays over renewals."""
    common_name: str


class Rule:
    """One rule.

    Parameters:
        name: Its name.
        options: Which certificates are meant, and what they bring.
    """

    def __init__(self, name: str, options: RuleOptions) -> None:
        self._name = name
        self._options = options
        self._subject = distinguished(options.subject) if options.subject else None
        self._common_name = common(options.common_name) if options.common_name else None
        self._names = [alternative(each) for each in options.names]
        self._issuer = distinguished(options.issuer) if options.issuer else None

    def holder(self, shown: ClientCertificate) -> Holder | None:
        """Who holds *shown*; None where the rule is not about it."""
        pairs = ((self._subject, shown.subject), (self._common_name, shown.common_name), (self._issuer, shown.issuer))
        if not all(pattern is None or pattern.fits(value) for pattern, value in pairs):
            return None
        name = next((each for each in shown.names if any(pattern.fits(each) for pattern in self._names)), "")
        if self._names and not name:
            return None
        parts = {"subject": shown.subject, "common_name": shown.common_name, "name": name}
        part = parts[self._options.id]
        # a name that cannot be read cannot be told from others in a log either
        return Holder(part, shown.common_name) if part and part.isprintable() else None

    def principal(self, holder: Holder, fingerprint: str) -> Principal:
        """Who that is, by the certificate with this *fingerprint*."""
        options = self._options
        own = f"{self._name}:{holder.part}"
        usual = holder.common_name if holder.common_name.isprintable() else ""
        return self._granted(own, options.name or usual or own, fingerprint)

    def again(self, principal: Principal) -> Principal:
        """The same, with what the rule brings by now."""
        return self._granted(principal.id, self._options.name or principal.name, principal.fingerprint)

    def _granted(self, own: str, name: str, fingerprint: str) -> Principal:
        options = self._options
        return Principal(
            id=own,
            name=name,
            fingerprint=fingerprint,
            owner=options.owner,
            team=options.team,
            tenant_name=options.tenant,
            roles=frozenset(options.roles),
            tags=frozenset(options.tags),
            scopes=frozenset(options.scopes),
            models=None if options.models is None else frozenset(options.models),
            priority=options.priority,
        )
