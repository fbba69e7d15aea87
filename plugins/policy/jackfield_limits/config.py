"""Options of ``[config.limits]``, and the shape of a rule, which documents of the policy store have too."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from jackfield.secret import SecretReference
from jackfield_limits.windows import Window

Subject: TypeAlias = Literal["key", "user", "end_user", "team", "tenant", "model"]

MOST: Final = 10**15
"""Highest limit: all that is counted stays exact in the doubles that Redis computes with."""

MONEY_MOST: Final = 1e6
"""Highest budget, and highest price of a million tokens, for the same reason."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:@/-]{0,127}\Z")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")
_CURRENCY: Final = re.compile(r"[A-Za-z]{1,16}\Z")


def _refuse_outside(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be between {least:,} and {most:,}")


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a million tokens of a model cost."""

    input: float = 0.0
    """Of prompts."""
    cached: float | None = None
    """Of prompts, those that were found in the prefix cache; without it they cost what others do."""
    output: float = 0.0
    """Of answers."""

    def __post_init__(self) -> None:
        for name in ("input", "cached", "output"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MONEY_MOST:
                raise ValueError(f"{name} must be between 0 and {MONEY_MOST:,.0f}")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a limit is for, and how much that is. All rules that apply apply together; the tightest decides."""

    name: str = ""
    """Names it, in documents of the policy store the document's name does. Its counters go on under that name when its
    figures change."""
    per: tuple[Subject, ...] = ()
    """Each ``key``, ``user`` (whose keys these are), ``end_user`` (whom the request names), ``team``, ``tenant``,
    ``model``, or combination of these, has counters of its own; without it, all that the rule applies to share one set
    of counters. Callers without a team share one, and so on. One key's end users are told from another's by ``key`` and
    ``end_user`` together."""
    keys: tuple[str, ...] = ()
    """Patterns (``*``, ``?``, ``[a-c]``) of the names of keys that it applies to; without any it applies to all, and so
    on below."""
    teams: tuple[str, ...] = ()
    """Patterns of teams."""
    tenants: tuple[str, ...] = ()
    """Patterns of tenants' names."""
    models: tuple[str, ...] = ()
    """Patterns of the models' own names."""
    tags: tuple[str, ...] = ()
    """One of these the caller must have, to the letter."""
    actions: tuple[Literal["generate", "embed", "rerank", "moderate", "ask"], ...] = ()
    """What is asked for."""
    windows: Literal["fixed", "sliding"] = "fixed"
    """``fixed``: windows of the calendar, in UTC; in none of them more is granted. ``sliding``: what was used in the
    window before counts in proportion to what of it is less than a window ago."""
    requests: dict[Window, int] = {}
    """So many requests in a second, minute, hour, day, month; several windows hold together."""
    tokens: dict[Window, int] = {}
    """Of prompts and answers together."""
    prompt_tokens: dict[Window, int] = {}
    """Of prompts."""
    completion_tokens: dict[Window, int] = {}
    """Of answers."""
    money: dict[Window, float] = {}
    """By ``prices``, in ``currency``."""
    concurrency: int | None = None
    """Requests at a time."""
    queue_share: float | None = None
    """Which part of the places to wait for a model, ``kernel.queue``, its requests may have; above 0, to 1. At least
    one."""

    def __post_init__(self) -> None:
        if self.name and not _NAME.match(self.name):
            raise ValueError("name must be letters, digits, blanks and ._:@/-, at most 128")
        for field in ("requests", "tokens", "prompt_tokens", "completion_tokens"):
            for window, most in getattr(self, field).items():
                _refuse_outside(f"{field}.{window}", most, 1, MOST)
        for window, amount in self.money.items():
            if not 0 < amount <= MONEY_MOST:
                raise ValueError(f"money.{window} must be above 0, at most {MONEY_MOST:,.0f}")
        if self.concurrency is not None:
            _refuse_outside("concurrency", self.concurrency, 1, MOST)
        if self.queue_share is not None and not 0 < self.queue_share <= 1:
            raise ValueError("queue_share must be above 0, at most 1")
        if len(set(self.per)) != len(self.per):
            raise ValueError("per names something twice")
        if not self._limits_anything:
            raise ValueError("the rule limits nothing: give it requests, tokens, money, concurrency or queue_share")

    @property
    def _limits_anything(self) -> bool:
        windows = (self.requests, self.tokens, self.prompt_tokens, self.completion_tokens, self.money)
        return any(windows) or self.concurrency is not None or self.queue_share is not None


class RedisConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where counters are that several gateways share."""

    url: str = "redis://127.0.0.1:6379/0"
    """``redis://``, ``rediss://`` (TLS) or ``unix://``; without user and password. One server, no cluster."""
    username: str | None = None
    """Where it has users."""
    password: SecretReference | None = None
    """Where its password is: ``file:…``, ``systemd:…``, ``env:…``."""
    prefix: str = "jackfield:limits"
    """What all keys begin with."""
    connections: int = 16
    """At most so many; further requests wait for one, as long as ``timeout_s``."""
    timeout_s: float = 0.25
    """How long one step may take, in seconds; then Redis counts as away. After 1 s the gateway waits no longer."""
    retry_s: float = 1.0
    """How long Redis is left alone, in seconds, when it was away."""
    lease_s: float = 30.0
    """After so many seconds without a sign of life the places of a gateway's requests are free again."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("url must begin with redis://, rediss:// or unix://")
        if "@" in self.url:
            raise ValueError("url must have no user and password: they stand in username and password")
        if not _PREFIX.match(self.prefix):
            raise ValueError("prefix must be letters, digits and ._:-, at most 64")
        _refuse_outside("connections", self.connections, 1, 1000)
        for name, least, most in (("timeout_s", 0.01, 60.0), ("retry_s", 0.0, 60.0), ("lease_s", 1.0, 3600.0)):
            _refuse_outside(name, getattr(self, name), least, most)


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and budgets."""

    rules: tuple[Rule, ...] = ()
    """``[[config.limits.rules]]``. The policy store's documents of the kind ``limit`` are rules too; one of the same
    name takes a rule's place."""
    prices: dict[str, Price] = {}
    """What models cost, by a pattern of their names; the first that fits counts, and a model without price is free."""
    currency: str = "USD"
    """What ``money`` and ``prices`` are in; it is only shown."""
    answer_estimate: int | None = None
    """At most so many tokens of an answer are reserved before it is there; what it has more is charged when it has
    ended, also above the limit. Without it, all that it may have is reserved: then answers never lead above a limit."""
    backend: Literal["memory", "redis"] = "memory"
    """Where the counters are: in this gateway, or in ``redis``, for several gateways."""
    redis: RedisConfig = RedisConfig()
    """Where that is, and how long to wait for it."""
    fail: Literal["closed", "open"] = "closed"
    """When Redis is away: ``closed`` refuses requests that have limits with 503, ``open`` lets them pass uncounted."""
    file: str = "limits.snapshot"
    """Where counters in memory outlive a restart; relative paths start at the folder of ``plugins.toml``. Empty:
    nowhere."""
    snapshot_s: float = 5.0
    """How often the file is written, in seconds, where something has changed: what a gateway that is killed forgets."""
    counters: int = 100_000
    """Most counters in memory; above it those that were used longest ago are forgotten."""

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        for name in names:
            if not name:
                raise ValueError("every rule needs a name")
            if names.count(name) > 1:
                raise ValueError(f"two rules have the name {name}")
        if not _CURRENCY.match(self.currency):
            raise ValueError("currency must be letters, at most 16")
        if self.answer_estimate is not None:
            _refuse_outside("answer_estimate", self.answer_estimate, 0, MOST)
        _refuse_outside("snapshot_s", self.snapshot_s, 0.05, 3600)
        _refuse_outside("counters", self.counters, 1, 10_000_000)
