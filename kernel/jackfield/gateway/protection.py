"""The headers that protect every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from jackfield.transport import TLSConfig

_ALWAYS: Final = {"Server": "jackfield", "X-Content-Type-Options": "nosniff"}

_DEFAULT: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
"""What OWASP's REST security cheat sheet asks of an API; a frontend that serves pages sets its own. A page that may
read answers (CORS) is not held up by any of it."""


class Protection:
    """Adds them. Event loop thread.

    Parameters:
        tls: How connections are protected; browsers are told to stay with it (RFC 6797).
    """

    def __init__(self, tls: TLSConfig | None) -> None:
        self._always = dict(_ALWAYS)
        if tls is not None and tls.hsts_s:
            self._always["Strict-Transport-Security"] = f"max-age={tls.hsts_s}; includeSubDomains"

    def add(self, headers: CIMultiDict[str]) -> None:
        """To *headers* of an answer."""
        headers.update(self._always)
        for name, value in _DEFAULT.items():
            headers.setdefault(name, value)
