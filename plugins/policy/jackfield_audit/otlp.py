"""An OpenTelemetry collector as a channel: logs as JSON over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp, https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

import jackfield
from jackfield.outbound.client import Outbound
from jackfield.outbound.options import OutboundOptions
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield_audit.config import OtlpConfig
    from jackfield_audit.remote import Parcel

_INFO: Final = 9
_WARN: Final = 13
_WARNED: Final = frozenset({"denied", "refused", "blocked", "failed"})
_RETRIABLE: Final = frozenset({429, 502, 503, 504})
"""OTLP/HTTP, "Failures": other errors are not to be tried again."""


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
        )
        if answer.status in _RETRIABLE:
            raise NotTaken(str(answer.status))
        return len(parcels) if answer.status >= HTTPStatus.MULTIPLE_CHOICES else 0

    def reload(self) -> None:
        """See ``Channel``."""
        if self._token is not None:
            self._credentials = {"Authorization": Secret(f"Bearer {self._token().reveal()}")}

    async def close(self) -> None:
        await self._outbound.close()


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
