"""Options of ``[config.opa]``."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from jackfield.secret import SecretReference  # msgspec reads the annotation at run time

_DECISION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+\Z")

_SERVER_ONLY: Final = ("url", "ca", "token")


class OpaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Rego is evaluated, and what is asked there."""

    mode: Literal["embedded", "server"] = "embedded"
    """`embedded`: in processes of this server, without OPA. `server`: by an OPA that runs elsewhere."""
    decision: str = "jackfield.decision"
    """Package and rule of the decision: an object with `allow`, `reasons` and `obligations`, or just true or false."""
    fail: Literal["closed", "open"] = "closed"
    """What becomes of a request that cannot be decided because nobody answers: `closed` refuses it with 503, `open`
    allows it, and logs every one."""
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=900)] = 400
    """How long one evaluation may take."""
    policies: str = "policies/rego"
    """Embedded: folder, or bundle (`.tar.gz`), with the policies; followed while the server runs. Relative paths start
    at the folder of `plugins.toml`."""
    store: bool = False
    """Embedded: documents of the policy store (kind `rego`) replace `policies` as soon as there are some."""
    processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Embedded: how many evaluate at the same time."""
    url: str = ""
    """Server: address of OPA, such as `http://127.0.0.1:8181`, `https://opa.internal` or `unix:/run/opa.sock`."""
    ca: str = ""
    """Server: file with the certificates (PEM) that may have signed that of OPA; otherwise the system's."""
    token: SecretReference | None = None
    """Server: bearer token, such as `file:/etc/jackfield/opa.token`."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 32
    """Server: most connections at once."""
    cache_ttl_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 1000
    """Server: how long a decision is used again for the same question in the same minute; 0 asks each time."""
    cache_entries: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Server: most decisions that are kept."""

    def __post_init__(self) -> None:
        if not _DECISION.match(self.decision):
            raise ValueError("decision must be a package and a rule, such as jackfield.decision")
        if self.mode == "server":
            _check_url(self.url)
            if self.ca and not self.url.startswith("https:"):
                raise ValueError("ca is for an https url")
            if self.store:
                raise ValueError("store is for mode embedded: an OPA server has its policies from elsewhere")
            return
        for name in _SERVER_ONLY:
            if getattr(self, name):
                raise ValueError(f'{name} is for mode = "server"')
        if not self.policies:
            raise ValueError("policies must not be empty")


def _check_url(url: str) -> None:
    """Without TLS nobody but this host may hear or give answers."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"url cannot be used: {error}") from None
    if parts.scheme == "unix" and parts.path.startswith("/"):
        return
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("url must begin with http://, https:// or unix:/")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("url has a user, a query or a fragment; a token belongs into token")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("url must be https:// for another host: without TLS anybody on the way could allow anything")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
