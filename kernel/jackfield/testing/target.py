"""The server that tests talk to, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from jackfield.testing.client import Client

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine

    from jackfield.testing.background import BackgroundLoop

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """A server, a client for each of its ports, and the loop they run on."""

    url: str
    """Root of the API, without ``/v1``."""
    health: str | None
    """Root of the health port; None where nobody said (``--target-health``)."""
    live: bool
    """Whether the server was there before the tests, and stays."""
    plugins: frozenset[str]
    """Names of the plugins that are on, as far as they are known."""
    client: Client
    """Asks the API."""
    probe: Client
    """Asks the health port; the API's port where that is unknown."""
    loop: BackgroundLoop

    @classmethod
    def at(
        cls,
        url: str,
        loop: BackgroundLoop,
        *,
        model: str,
        health: str | None = None,
        live: bool = False,
        plugins: frozenset[str] = frozenset(),
        tls: ssl.SSLContext | None = None,
    ) -> Target:
        """The server at *url*; *model* is the one that requests name, *tls* what is trusted of it."""
        return cls(url, health, live, plugins, Client(url, model, tls=tls), Client(health or url, model), loop)

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run *coroutine* on the client's loop and wait for its result. Any thread but the loop's."""
        return self.loop.run(coroutine)

    def close(self) -> None:
        """Close the clients' connections."""
        self.run(self.client.close())
        self.run(self.probe.close())
