"""Listening sockets: taken once by the supervisor, so that a gateway that dies refuses no connection.

Before the first gateway has checked that it may serve what it was configured for, nobody can connect to the API: its
sockets are bound, and it is the gateway that begins to listen on them.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError
from jackfield.manifest import split_address
from jackfield.supervisor.port_owner import described

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKLOG: Final = 1024
"""Connections the system holds while nobody accepts: as many as may come while a gateway is restarted."""

_HINTS: Final = {
    errno.EACCES: "not allowed; ports below 1024 need a privilege",
    errno.EADDRNOTAVAIL: "no address of this machine",
}


def bind(address: str, *, key: str, where: str, listen: bool) -> list[socket.socket]:
    """Take *address*; a name with several addresses gives several sockets.

    Parameters:
        address: ``HOST:PORT``; port 0 takes a free one, the same for all sockets.
        key: Key path of the address, for messages.
        where: Layer and place it comes from.
        listen: Whether connections may come from now on. Else they are refused until somebody listens on the sockets.

    Raises:
        ManifestError: Nobody may listen there; the message names the address and what to do.
    """
    host, port = split_address(address)
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, target in dict.fromkeys((family, target[:2]) for family, _, _, _, target in found):
            sockets.append(_bound(family, str(target[0]), port, several=len(found) > 1))
            port = sockets[0].getsockname()[1]
        if listen:
            for one in sockets:
                one.listen(BACKLOG)
    except OSError as error:
        for one in sockets:
            one.close()
        cause = _in_use(port) if error.errno == errno.EADDRINUSE else _HINTS.get(error.errno or 0) or _words(error)
        raise ManifestError(f"{where}: {key}: cannot listen at {address}: {cause}", param=key) from error
    return sockets


def urls(sockets: Sequence[socket.socket], scheme: str = "http") -> list[str]:
    """``http://127.0.0.1:8080`` for each of *sockets*, with the port it really has."""
    names = [one.getsockname()[:2] for one in sockets]
    return [f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}" for host, port in names]


def _bound(family: int, host: str, port: int, *, several: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if several and family == socket.AF_INET6:
            # a name such as localhost has an address of each family; they may share the port only this way
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _in_use(port: int) -> str:
    owner = described(port)
    return f"already in use{owner and ' '}{owner}; stop that server, or choose another port (0 takes a free one)"


def _words(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    return os.strerror(error.errno).lower() if error.errno else str(error)
