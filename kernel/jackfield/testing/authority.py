"""A certificate authority of a test's own: certificates for servers and clients, good ones and others."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HOUR: Final = dt.timedelta(hours=1)
_PEM: Final = serialization.Encoding.PEM


class Authority:
    """Signs certificates. Needs ``cryptography``.

    Parameters:
        folder: Where files go.
        name: Its common name.

    Attributes:
        file: PEM file with its own certificate, for whoever trusts it.
    """

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        own = (
            x509.CertificateBuilder(self._name, self._name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - _HOUR)
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(own.public_bytes(_PEM))

    def server(self, name: str = "server", *, days: float = 30.0) -> Path:
        """PEM file with a key and a certificate for loopback, for *days* from now on."""
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        return self._signed(name, [(NameOID.COMMON_NAME, name)], names, ExtendedKeyUsageOID.SERVER_AUTH, days)

    def client(
        self, name: str, *, unit: str = "", uris: Sequence[str] = (), days: float = 30.0, serial: int | None = None
    ) -> Path:
        """PEM file with a key and a client's certificate.

        Parameters:
            name: Its common name, and the file's.
            unit: Its organisational unit.
            uris: Alternative names.
            days: How long it is good from now on; less than 0 is over already.
            serial: Its number.
        """
        parts = [*([(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []), (NameOID.COMMON_NAME, name)]
        names = [x509.UniformResourceIdentifier(each) for each in uris]
        return self._signed(name, parts, names, ExtendedKeyUsageOID.CLIENT_AUTH, days, serial)

    def revocations(self, *serials: int) -> Path:
        """PEM file that says that the certificates with these numbers are good no more."""
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - _HOUR).next_update(now + dt.timedelta(days=1))
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _HOUR)
            builder = builder.add_revoked_certificate(revoked.build())
        file = self._folder / "revoked.pem"
        scratch = file.with_suffix(".new")
        scratch.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        return scratch.replace(file)

    def _signed(
        self,
        file: str,
        parts: Sequence[tuple[x509.ObjectIdentifier, str]],
        names: Sequence[x509.GeneralName],
        use: x509.ObjectIdentifier,
        days: float,
        serial: int | None = None,
    ) -> Path:
        now, key = dt.datetime.now(dt.UTC), ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
        end = now + dt.timedelta(days=days)
        builder = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self._name, public_key=key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(min(now, end) - _HOUR)
            .not_valid_after(end)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        target = self._folder / f"{file}.pem"
        scratch = target.with_suffix(".new")
        scratch.touch(0o600)
        scratch.write_bytes(signed + private)
        return scratch.replace(target)
