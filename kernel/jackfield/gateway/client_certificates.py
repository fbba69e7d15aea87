"""The certificate of a connection's client, as a credential."""

from __future__ import annotations

import hashlib
import re
import ssl
from typing import TYPE_CHECKING, Final, cast

from jackfield.ports.identity import ClientCertificate, Credential
from jackfield.secret import Secret

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

_SHORT: Final = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
"""RFC 4514, section 3."""

_SPECIAL: Final = re.compile(r'([,+"\\<>;=])')

Name = tuple[tuple[tuple[str, str], ...], ...]


def certificate_of(transport: asyncio.BaseTransport | None) -> Credential | None:
    """The credential of the client at the other end of *transport*, if it has shown a certificate.

    TLS has checked by then that an authority of ``kernel.tls.client_ca`` has signed it, that it is in force, and that
    the client has its key.
    """
    found = transport.get_extra_info("ssl_object") if transport is not None else None
    if found is None:
        return None
    secured = cast("ssl.SSLObject", found)  # uvloop's transports have one too
    shown = secured.getpeercert()
    whole = secured.getpeercert(binary_form=True)
    if not shown or whole is None:
        return None
    digest = hashlib.sha256(whole).hexdigest()
    return Credential("certificate", Secret(digest), described(cast("Mapping[str, object]", shown)))


def described(shown: Mapping[str, object]) -> ClientCertificate:
    """What ``SSLObject.getpeercert`` says, typed."""
    subject, issuer = cast("Name", shown.get("subject", ())), cast("Name", shown.get("issuer", ()))
    common = [value for part in subject for name, value in part if name == "commonName"]
    names = cast("tuple[tuple[str, str], ...]", shown.get("subjectAltName", ()))
    return ClientCertificate(
        subject=distinguished(subject),
        common_name=common[-1] if common else "",
        names=tuple(f"{kind}:{value}" for kind, value in names),
        issuer=distinguished(issuer),
        serial=str(shown.get("serialNumber", "")).lower(),
        expires=float(ssl.cert_time_to_seconds(str(shown["notAfter"]))),
    )


def distinguished(name: Name) -> str:
    """*name* as RFC 4514 writes it: the last part first."""
    parts = ["+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in part) for part in name]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    text = _SPECIAL.sub(r"\\\1", value).replace("\0", "\\00")
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if text.endswith(" ") and len(text) > 1 else text
