"""An OpenTelemetry collector as a channel: logs as JSON over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp, https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import msgspec
import structlog
from msgspec import Meta

import jackfield
from jackfield.outbound.client import Outbound
from jackfield.outbound.options import OutboundOptions
from jackfield.secret import Secret
from jackfield_audit.envelope import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield_audit.config import OtlpConfig
    from jackfield_audit.remote import Parcel

_INFO: Final = 9
_WARN: Final = 13
_WARNED: Final = frozenset({"denied", "refused", "blocked", "failed"})
_RETRIABLE: Final = frozenset({429, 502, 503, 504})
"""OTLP/HTTP, "Failures": other errors are not to be tried again."""

ANSWER_MAX: Final = 65_536
"""Most bytes of an answer: it is a number and a sentence. What answers with more is none, and is asked again."""

REPORT_INTERVAL_S: Final = 60.0
"""Between two log lines about records that were refused."""

_SENTENCE_MAX: Final = 200
"""Most characters of a collector's words in the log."""


class _PartialSuccess(msgspec.Struct, rename="camel"):
    rejected_log_records: int | Annotated[str, Meta(pattern="^[0-9]{1,19}$")] = 0
    """A text, as JSON has 64-bit numbers in Protobuf; many send a number."""
    error_message: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    """``ExportLogsServiceResponse``."""

    partial_success: _PartialSuccess | None = None


class NotTaken(Exception):
    """The collector does not take the records now."""


class OtlpChannel:
    """See ``jackfield_audit.remote.Channel``.

    Parameters:
        options: Where the collector is.
        token: Reads what is shown to it; None shows nothing.

    Raises:
        OutboundRefused: The endpoint cannot be asked under these options.
    """

    def __init__(self, options: OtlpConfig, token: Callable[[], Secret] | None) -> None:
        parts = urlsplit(options.endpoint)
        host = parts.hostname or ""
        rules = OutboundOptions(
            schemes=("https",) if parts.scheme == "https" else ("http",),
            hosts=(host,),
            private_hosts=(host,) if options.private else (),
            redirects=0,
        )
        self._outbound = Outbound(rules)
        self._outbound.check(options.endpoint)
        self._endpoint = options.endpoint
        self._token = token
        self._credentials: Mapping[str, Secret] = {}
        self._unsaid = 0
        """Refused records that the log does not know of."""
        self._silent_until = float("-inf")
        self._log = structlog.get_logger("jackfield.audit")
        self.reload()

    @property
    def name(self) -> str:
        return "the collector"

    async def send(self, parcels: Sequence[Parcel]) -> int:
        answer = await self._outbound.fetch(
            self._endpoint,
            method="POST",
            headers={"Content-Type": "application/json"},
            credentials=self._credentials,
            body=logs(parcels),
            limit_bytes=ANSWER_MAX,
        )
        if answer.status in _RETRIABLE:
            raise NotTaken(str(answer.status))
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            return self._refused(len(parcels), f"status {answer.status}")
        partial = _partial(answer.body)
        return self._refused(min(int(partial.rejected_log_records), len(parcels)), partial.error_message)

    def _refused(self, count: int, reason: str) -> int:
        """*count*, of which the log is told at most once a minute."""
        if count <= 0:
            return 0
        self._unsaid += count
        now = time.monotonic()
        if now >= self._silent_until:
            said = printable(reason[:_SENTENCE_MAX])
            self._log.error("the collector has refused records of the audit record", records=self._unsaid, reason=said)
            self._unsaid, self._silent_until = 0, now + REPORT_INTERVAL_S
        return count

    def reload(self) -> None:
        """See ``Channel``."""
        if self._token is not None:
            self._credentials = {"Authorization": Secret(f"Bearer {self._token().reveal()}")}

    async def close(self) -> None:
        await self._outbound.close()


def _partial(body: bytes) -> _PartialSuccess:
    """What a collector that answers with 2xx has not taken.

    An empty body is "all taken", and so is what cannot be read: it was taken, and to send it again would double it.
    """
    try:
        return msgspec.json.decode(body, type=_Answer).partial_success or _PartialSuccess()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _PartialSuccess()


def logs(parcels: Sequence[Parcel]) -> bytes:
    """An ``ExportLogsServiceRequest``."""
    scope = {"name": "jackfield.audit", "version": jackfield.__version__}
    resource = {"attributes": [_attribute("service.name", "jackfield")]}
    records = [_record(parcel) for parcel in parcels]
    return msgspec.json.encode(
        {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": records}]}]}
    )


def _record(parcel: Parcel) -> dict[str, object]:
    event = parcel.event
    warned = event.outcome in _WARNED
    return {
        "timeUnixNano": str(int(event.time * 1e9)),
        "severityNumber": _WARN if warned else _INFO,
        "severityText": "WARN" if warned else "INFO",
        "body": {"stringValue": parcel.body.decode()},
        "attributes": [
            _attribute("event.name", f"jackfield.{event.kind}"),
            _attribute("jackfield.action", event.action),
            _attribute("jackfield.outcome", event.outcome),
        ],
    }


def _attribute(name: str, value: str) -> dict[str, object]:
    return {"key": name, "value": {"stringValue": value}}
