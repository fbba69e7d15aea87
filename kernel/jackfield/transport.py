"""``[kernel.tls]``: how connections to the API are protected. Plain data, as the rest of the manifest."""

from __future__ import annotations

from typing import Literal

import msgspec

HSTS_MAX_S = 63_072_000
"""Two years: the longest that browsers' preload lists ask for (https://hstspreload.org)."""


class TLSConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encrypted connections to the API; the health port stays as it is, on this machine.

    The files are looked at every second, and at SIGHUP: another certificate holds for new connections, and those that
    are open stay open.
    """

    certificate: str
    """PEM file with the server's certificate and the chain to its authority; relative paths start at the folder of
    ``plugins.toml``."""
    key: str = ""
    """PEM file with its private key, which nobody else may read; empty where the certificate's file has it."""
    minimum: Literal["1.2", "1.3"] = "1.2"
    """Oldest version of TLS that clients may use."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Whether clients are asked for a certificate, and whether one without is refused. Who the holder is, an
    authenticator such as ``mtls`` says."""
    client_ca: str = ""
    """PEM file with the authorities that sign clients' certificates."""
    hsts_s: int = 31_536_000
    """How long browsers are told to use nothing but TLS (``Strict-Transport-Security``), in seconds; 0 tells them
    nothing."""

    def __post_init__(self) -> None:
        if not self.certificate:
            raise ValueError("certificate must name a file")
        if self.client_certificates != "none" and not self.client_ca:
            raise ValueError("client_ca must name the authorities that sign clients' certificates")
        if self.client_ca and self.client_certificates == "none":
            raise ValueError('client_certificates must be "optional" or "required" where client_ca is set')
        if not 0 <= self.hsts_s <= HSTS_MAX_S:
            raise ValueError(f"hsts_s must be 0 to {HSTS_MAX_S}")
