"""The server's certificate: read, watched, and taken up anew without closing any connection."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import ManifestError
from jackfield.private_files import exposure
from jackfield.watched_files import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.transport import TLSConfig
    from jackfield.watched_files import Signature

LOOK_S: Final = 1.0
"""How often the files are looked at."""

SOON_S: Final = 14 * 86_400.0
"""A certificate that ends so soon is warned of."""

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only, as Mozilla's intermediate profile has it
(https://wiki.mozilla.org/Security/Server_Side_TLS). Those of TLS 1.3 are all of that kind."""


class Certificates:
    """What new connections are protected with. Event loop thread, ``__init__`` apart.

    Parameters:
        config: ``[kernel.tls]``.
        path: Makes a path of the manifest absolute.

    Raises:
        ManifestError: The files cannot be used; ``param`` is the key at fault.

    Attributes:
        context: For connections that begin now.
    """

    def __init__(self, config: TLSConfig, path: Callable[[str], Path]) -> None:
        self._config = config
        self._certificate = path(config.certificate)
        self._key = path(config.key) if config.key else self._certificate
        self._client_ca = path(config.client_ca) if config.client_ca else None
        self._seen = self._signature()
        self._trouble = ""
        self._looking = threading.Lock()
        self.context = self._read()
        self._ends = _end_of(self._certificate)

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong at present, for ``/readyz``."""
        found = [self._trouble] if self._trouble else []
        if self._ends is not None and self._ends - time.time() < SOON_S:
            days = int((self._ends - time.time()) // 86_400)
            found.append(f"the certificate of kernel.tls {f'ends in {days} days' if days >= 0 else 'has ended'}")
        return found

    async def watch(self, changed: Callable[[ssl.SSLContext], None]) -> None:
        """Look at the files for ever, and have *changed* told of each other certificate."""
        while True:
            await asyncio.sleep(LOOK_S)
            context = await asyncio.to_thread(self.look)
            if context is not None:
                changed(context)

    def look(self, *, again: bool = False) -> ssl.SSLContext | None:
        """The context of another certificate, if there is one that can be used. Any thread.

        Parameters:
            again: Whether the files are read although they look as before.
        """
        with self._looking:
            signature = self._signature()
            if signature == self._seen and not again:
                return None
            self._seen = signature
            return self._taken_up()

    def _taken_up(self) -> ssl.SSLContext | None:
        log = structlog.get_logger("jackfield.gateway")
        try:
            self.context = self._read()
        except ManifestError as error:
            self._trouble = f"the certificate stays as it was: {error.message}"
            log.error("the certificate cannot be taken up", reason=error.message)  # noqa: TRY400 -- it says all
            return None
        self._trouble = ""
        self._ends = _end_of(self._certificate)
        log.info("another certificate is taken up")
        return self.context

    def _read(self) -> ssl.SSLContext:
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2 if config.minimum == "1.2" else ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        _guard(self._key)
        try:
            # a key with a passphrase would ask for it on the terminal
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as error:
            reason = _reason(error)
            raise ManifestError(
                f"kernel.tls: certificate and key cannot be used: {reason}", param="kernel.tls.certificate"
            ) from error
        if self._client_ca is not None:
            self._ask_clients(context, self._client_ca)
        return context

    def _ask_clients(self, context: ssl.SSLContext, authorities: Path) -> None:
        try:
            context.load_verify_locations(authorities)
        except (OSError, ValueError) as error:
            raise ManifestError(
                f"kernel.tls: client_ca cannot be used: {_reason(error)}", param="kernel.tls.client_ca"
            ) from error
        required = self._config.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL

    def _signature(self) -> Sequence[Signature | None]:
        paths = (self._certificate, self._key, self._client_ca)
        return [_looks(path) for path in paths if path is not None]


def _looks(path: Path) -> Signature | None:
    try:
        return signature_of(path.stat())
    except OSError:
        return None


def _guard(key: Path) -> None:
    """Refuse a private key that others can read. What cannot be looked at, cannot be read either, which says more."""
    try:
        status = key.stat()
    except OSError:
        return
    exposed = exposure(status, Path(key.name))
    if exposed:
        raise ManifestError(f"kernel.tls: the key {key.name}: {exposed}", param="kernel.tls.key")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM").replace("_", " ").lower()
    return getattr(error, "strerror", None) or "no PEM"


def _end_of(certificate: Path) -> float | None:
    """When the certificate ends, Unix seconds; None where nobody can tell: only ``cryptography`` reads certificates."""
    if find_spec("cryptography") is None:
        return None
    from cryptography import x509

    try:
        first, *_ = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError):
        return None
    return first.not_valid_after_utc.timestamp()
