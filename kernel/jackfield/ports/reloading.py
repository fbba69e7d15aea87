"""Reloading: taking up secrets that were rotated, while the server runs.

Authenticators, role books, policy engines, limiters, guardrails, audit sinks and policy stores may have a
``Reloading``'s method besides their own. The kernel calls it when the server is told to look anew: at SIGHUP, and
where an operator asks for it.
"""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

DEADLINE_S: Final = 5.0
"""How long one object may take."""


@runtime_checkable
class Reloading(Protocol):
    """What an object may have besides."""

    async def reload(self) -> None:
        """Read secrets again, and go on with what they are now.

        Raises:
            JackfieldError: They cannot be had or used: what was before holds on. The message is shown in ``/readyz``
                until the next time that succeeds; it must have no secret.

        Process and thread: gateway, event loop thread, which it must not block; never twice at a time. Deadline: 5 s
        (``DEADLINE_S``); then it is cancelled. Failure policy: open; what was before holds, and it is logged by name.
        """
        ...
