"""Changes by other hands: what was done to rules without asking this server.

Commands such as ``jackfield keys`` and editors change files and stores that a running server follows. An authenticator,
role book, policy engine, limiter or guardrail that follows a file may have a ``Watching``'s methods besides its own, so
that audit sinks are told what was different. What is in the policy store is watched by the kernel itself; see
``jackfield.ports.policy_store.Describing``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

Source: TypeAlias = Literal["file", "store"]


class OutsideChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is different. Names are ids and fingerprints, with what has changed of them in words, and no secrets."""

    kind: str
    """What the rules are: ``key``, ``role``, …"""
    source: Source
    """Where they are kept."""
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What there is. Two are the same where nothing has changed meanwhile."""

    kind: str
    source: Source
    count: int
    """How many rules."""
    state: str
    """A digest of all of them, or a version: no secret, and nothing that one could be guessed by."""


Tell: TypeAlias = Callable[[OutsideChange], None]
"""Told of a change, once; event loop thread. It raises nothing."""


@runtime_checkable
class Watching(Protocol):
    """What an object may have besides."""

    @property
    def inventory(self) -> Inventory:
        """What it goes by now. Asked when the server starts, and when it ends: an authenticator is closed by then."""
        ...

    def watch(self, tell: Tell) -> None:
        """Call *tell* from now on, until the object is closed, whenever others have changed what it goes by.

        Changes that this object has made itself are not told: whoever asked for them is in the record.

        Process and thread: gateway, event loop thread. Deadline: 1 ms. Failure policy: closed; the gateway refuses to
        start.
        """
        ...
