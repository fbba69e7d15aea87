"""A syslog server as a channel: RFC 5424, over a Unix socket, UDP (RFC 5426) or TCP with octet counting (RFC 6587)."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from jackfield_audit.envelope import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.audit import AuditEvent
    from jackfield_audit.config import SyslogConfig
    from jackfield_audit.remote import Parcel

_NOTICE: Final = 5
_WARNING: Final = 4
_WARNED: Final = frozenset({"denied", "refused", "blocked", "failed"})
_HOST: Final = socket.gethostname().encode("ascii", "ignore").decode()[:255] or "-"


class SyslogChannel:
    """See ``jackfield_audit.remote.Channel``; a new connection is made after each failure.

    Parameters:
        options: Where the server is.
    """

    def __init__(self, options: SyslogConfig) -> None:
        self._facility = options.facility
        self._kind, _, where = options.address.partition(":")
        self._path = where
        host, _, port = where.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port) if self._kind != "unix" else 0
        self._datagrams: socket.socket | None = None
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def name(self) -> str:
        return f"syslog ({self._kind})"

    @property
    def ended(self) -> bool:
        """Whether the server has ended the connection."""
        return self._stream is not None and (self._stream[0].at_eof() or self._stream[1].is_closing())

    async def send(self, parcels: Sequence[Parcel]) -> int:
        refused = 0
        try:
            for parcel in parcels:
                refused += not await self._sent(message(self._facility, parcel.event, parcel.body))
        except BaseException:
            await self.close()
            raise
        return refused

    def reload(self) -> None:
        """There is no secret."""

    async def close(self) -> None:
        datagrams, self._datagrams = self._datagrams, None
        stream, self._stream = self._stream, None
        if datagrams is not None:
            datagrams.close()
        if stream is not None:
            stream[1].close()

    async def _sent(self, text: bytes) -> bool:
        """Whether *text* is on its way; what no datagram can hold never is."""
        if self._kind == "tcp":
            stream = await self._open_stream()
            stream.write(b"%d %s" % (len(text), text))
            await stream.drain()
            return True
        if self._datagrams is None:
            self._datagrams = await self._connected()
        try:
            await asyncio.get_running_loop().sock_sendall(self._datagrams, text)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            raise
        return True

    async def _open_stream(self) -> asyncio.StreamWriter:
        """One that the server has not ended: what is written to such a one is lost, and nobody says so."""
        if self._stream is None or self.ended:
            await self.close()
            self._stream = await asyncio.open_connection(self._host, self._port)
        return self._stream[1]

    async def _connected(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        if self._kind == "unix":
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            return await _reached(made, self._path)
        [(family, kind, protocol, _, address), *_] = await loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_DGRAM
        )
        return await _reached(socket.socket(family, kind, protocol), address)


async def _reached(made: socket.socket, address: str | tuple[object, ...]) -> socket.socket:
    """*made*, connected; closed where it cannot be."""
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


def message(facility: int, event: AuditEvent, body: bytes) -> bytes:
    """One line of RFC 5424 (section 6); *body* is ASCII, so that nothing in it can end it or begin another."""
    severity = _WARNING if event.outcome in _WARNED else _NOTICE
    head = f"<{facility * 8 + severity}>1 {timestamp(event.time)} {_HOST} jackfield {os.getpid()} {event.kind} - "
    return head.encode() + body
