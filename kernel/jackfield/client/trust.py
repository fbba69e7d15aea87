"""TLS as commands speak it: which authorities are trusted, and which certificate is shown."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from jackfield.client.connection import ApiError, Protection
from jackfield.private_files import exposure

if TYPE_CHECKING:
    from pathlib import Path

_OTHER_KEY: Final = "key values mismatch"
_KEY: Final = b"PRIVATE KEY"
_SEALED: Final = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
"""How PEM says that a key wants a passphrase, in each of its two forms."""


def protection(ca: Path | None, certificate: Path | None, key: Path | None) -> Protection | None:
    """How connections to https:// addresses are protected; None is the usual way.

    Parameters:
        ca: PEM file with the authorities that may have signed the server's certificate; None goes by the system's.
        certificate: PEM file with the certificate, and its chain, that is shown to a server that asks for one.
        key: PEM file with its key; None where the certificate's file has it.

    Raises:
        ApiError: A file cannot be used, or others may read the key.
    """
    if key is not None and certificate is None:
        raise ApiError("--cert-key needs --cert: the key alone says nothing of who calls")
    if ca is None and certificate is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise ApiError(f"--ca: {ca} has no certificate of an authority (PEM)") from error
    if certificate is not None:
        _show(context, certificate, key)
    return Protection(context, certificate)


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    guarded, option = (certificate, "--cert") if key is None else (key, "--cert-key")
    exposed = exposure(guarded.stat(), guarded)
    if exposed and _KEY in guarded.read_bytes():
        raise ApiError(f"{option}: {guarded} has a private key: {exposed}")
    try:
        # a key with a passphrase would ask for it on the terminal
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise ApiError(_fault(certificate, key, error)) from error


def _fault(certificate: Path, key: Path | None, error: OSError | ValueError) -> str:
    if not isinstance(error, ssl.SSLError):
        why = getattr(error, "strerror", None) or "no PEM"
        return f"--cert: {certificate}{f' and {key}' if key else ''} cannot be read: {why}"
    reason = (error.reason or "").replace("_", " ").lower()
    if reason == _OTHER_KEY:
        return f"--cert: {certificate} is the certificate of another key than {key or 'the one in it'}"
    if any(mark in (key or certificate).read_bytes() for mark in _SEALED):
        return (
            f"{'--cert-key' if key else '--cert'}: the key in {key or certificate} has a passphrase, and nobody could"
            " be asked for it; take it off: openssl pkey -in FILE -out NEW"
        )
    if key is None:
        return f"--cert: {certificate} must have a certificate and its key (PEM), or --cert-key says where the key is"
    return f"--cert: {certificate} must have a certificate, and {key} its key (PEM)"
