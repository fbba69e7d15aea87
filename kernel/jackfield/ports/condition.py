"""Conditions: what an object of a plugin has to tell its operator while it works on.

Authenticators, policy engines, guardrails, limiters, audit sinks and policy stores may have a ``Condition``'s property
besides their own methods. ``/readyz`` shows it in its detail, by the plugin's name, and ``jackfield_up`` stays as
it is: what makes requests fail is said to those requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence


@runtime_checkable
class Condition(Protocol):
    """What an object may have besides."""

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong at present, one sentence each, without secrets; empty while all is well."""
        ...
