"""What a worker says of its prefix cache to the operator who asks.

No prompt and no token id is in it, and no name of a tenant: scopes are told apart by the beginning of a digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from jackfield.ports.observer import StoreStats

SCOPES_MAX: Final = 20
"""Scopes that a report lists: those that hold the most tokens."""

SCOPE_NAME_BYTES: Final = 4
"""Bytes of a scope that its name in a report shows, as hexadecimal digits."""


def scope_name(scope: bytes) -> str:
    """How reports call *scope*, the 32 bytes of ``StateKey.scope``: eight hexadecimal digits."""
    return scope[:SCOPE_NAME_BYTES].hex()


class ScopeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept for one scope: a tenant, or those who share a salt."""

    scope: str
    """See ``scope_name``."""
    prefixes: int
    """Prefixes that end apart from each other, on the device or in stores."""
    running_tokens: int
    """Tokens on the device that running sequences read, each counted once."""
    idle_tokens: int
    """Tokens on the device that nobody reads at present."""
    stored_tokens: int
    """Tokens that a store holds, on the device too or not."""


class CacheReport(msgspec.Struct, frozen=True, kw_only=True, tag="cache-report"):
    """A worker's prefix cache at one moment; counters since the worker started."""

    off: str = ""
    """Why nothing is cached, for people; empty where the cache works. All else is then 0."""
    prefixes: int = 0
    """Of all scopes."""
    running_tokens: int = 0
    idle_tokens: int = 0
    stored_tokens: int = 0
    kv_tokens: int = 0
    """Cells of the pool."""
    lookups: int = 0
    """Answers that looked for their prompt."""
    hits: int = 0
    """Those that found at least a part of it."""
    cached_tokens: int = 0
    """Prompt tokens that were found and not computed."""
    computed_tokens: int = 0
    """Prompt tokens that were computed, repeats included."""
    saved_s: float = 0.0
    """What computing ``cached_tokens`` would have taken at the measured speed of prefill, less what restoring took."""
    scopes: Sequence[ScopeReport] = ()
    """At most ``SCOPES_MAX``, those with the most tokens first."""
    more_scopes: int = 0
    """Scopes besides."""
    stores: Sequence[StoreStats] = ()
    """In the order in which they are asked."""


class CacheCleared(msgspec.Struct, frozen=True, kw_only=True, tag="cache-cleared"):
    """What was forgotten. Prefixes that running sequences read are kept."""

    off: str = ""
    """Why there was nothing to forget; empty where the cache works."""
    prefixes: int = 0
    idle_tokens: int = 0
    """Tokens that left the device."""
    entries: int = 0
    """States that stores held."""
    stored_bytes: int = 0


CacheAnswer: TypeAlias = CacheReport | CacheCleared
"""What a worker answers to an operator."""
