"""Options of ``[config.audit]``."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from jackfield.secret import SecretReference

FIELDS: Final = frozenset({"name", "principal", "team", "client", "fingerprint", "resource", "reason", "details"})
"""Fields of a record that may be redacted."""

_HOST: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})\Z")
PORT_MAX: Final = 65535


class SyslogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records go to a syslog server too, as RFC 5424 has it."""

    address: str = "unix:/dev/log"
    """``unix:PATH``, ``udp:HOST:PORT`` or ``tcp:HOST:PORT``."""
    facility: int = 13
    """Facility code; 13 is "log audit"."""
    queue: int = 10_000
    """Most records that wait for the server; what comes then is lost, and counted."""

    def __post_init__(self) -> None:
        kind, _, where = self.address.partition(":")
        if kind not in ("unix", "udp", "tcp") or not where:
            raise ValueError("address must be unix:PATH, udp:HOST:PORT or tcp:HOST:PORT")
        if kind != "unix":
            found = _HOST.match(where)
            if found is None or not 1 <= int(found["port"]) <= PORT_MAX:
                raise ValueError("address must be unix:PATH, udp:HOST:PORT or tcp:HOST:PORT")
        if not 0 <= self.facility <= 23:  # noqa: PLR2004 -- RFC 5424, section 6.2.1
            raise ValueError("facility must be 0 to 23")
        if self.queue < 1:
            raise ValueError("queue must be at least 1")


class OtlpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records go to an OpenTelemetry collector too, as logs over HTTP (JSON)."""

    endpoint: str
    """Of the collector, with its path: ``https://collector.example/v1/logs``."""
    token: SecretReference | None = None
    """Sent as ``Authorization: Bearer …``."""
    private: bool = False
    """Whether *endpoint* may be a private or loopback address."""
    queue: int = 10_000
    """Most records that wait for the collector; what comes then is lost, and counted."""
    batch: int = 200
    """Most records of one request."""

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("https://", "http://")):
            raise ValueError("endpoint must begin with https:// or http://")
        if self.queue < 1 or self.batch < 1:
            raise ValueError("queue and batch must be at least 1")


class AuditConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the record is, how safe, and what of a request it shows."""

    folder: str = "audit"
    """Folder of the record's files; relative paths start at the folder of ``plugins.toml``. It is made, for this user
    alone, where it is missing."""
    key: SecretReference = "file:audit.key"
    """Key of the chain: at least 32 characters. ``jackfield audit init`` makes one."""
    mode: Literal["strict", "durable", "batched"] = "strict"
    """``strict``: a record is with the operating system before the last byte of the answer it is about, so it survives
    kill -9. ``durable``: it is on the disk, so it survives a power cut. ``batched``: it is written within ``batch_ms``;
    what came meanwhile is lost where the process is killed."""
    batch_ms: int = 100
    """How long ``batched`` collects, in milliseconds."""
    texts: Literal["none", "hash", "full"] = "hash"
    """What is recorded of prompts and answers, as guardrails left them: nothing, a keyed hash that tells whether two
    texts are the same, or the text."""
    text_max: int = 16_384
    """Most characters of one text; more is cut, and said to be."""
    redact: tuple[str, ...] = ()
    """Fields whose values are recorded as keyed hashes: ``name``, ``principal``, ``team``, ``client``, ``fingerprint``,
    ``resource``, ``reason``, ``details``."""
    rotate_bytes: int = 64 * 1024 * 1024
    """A file that would be larger ends, and the next begins."""
    rotate_daily: bool = True
    """Whether each day (UTC) begins a file."""
    retain_days: int = 365
    """Files whose last record is older are removed; 0 keeps all."""
    retain_bytes: int = 0
    """The oldest files are removed where all are larger together; 0 keeps all."""
    on_full: Literal["block", "drop"] = "block"
    """What happens where nothing can be written, as on a full disk: requests fail with 503, or records are lost,
    counted (``jackfield_audit_lost_total``) and their number recorded once there is room again."""
    queue: int = 10_000
    """Most records that wait to be written; what comes then is treated as ``on_full`` says."""
    syslog: SyslogConfig | None = None
    """A syslog server that gets every record too."""
    otlp: OtlpConfig | None = None
    """A collector that gets every record too."""

    def __post_init__(self) -> None:
        if not self.folder:
            raise ValueError("folder must not be empty")
        unknown = [name for name in self.redact if name not in FIELDS]
        if unknown:
            raise ValueError(f"redact must be of {', '.join(sorted(FIELDS))}, not {unknown[0]}")
        bounds = (
            ("batch_ms", 1, 60_000),
            ("text_max", 1, 1 << 20),
            ("rotate_bytes", 4096, 1 << 40),
            ("retain_days", 0, 36_500),
            ("retain_bytes", 0, 1 << 50),
            ("queue", 1, 1_000_000),
        )
        for name, least, most in bounds:
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be {least} to {most}")
