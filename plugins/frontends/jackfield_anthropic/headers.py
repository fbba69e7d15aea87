"""What headers say of the caller's limits, under Anthropic's names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from jackfield.frontends.standings import tightest
from jackfield.ports.frontend import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.limiter import Measure, Standing

_NAMES: Final[Mapping[Measure, str]] = {
    "requests": "requests",
    "tokens": "tokens",
    "prompt_tokens": "input-tokens",
    "completion_tokens": "output-tokens",
}

LIMITS: Final = tuple(
    Parameter(name=f"anthropic-ratelimit-{name}-{what}", where="header", kind=kind, description=description)
    for name in _NAMES.values()
    for what, kind, description in (
        ("limit", int, "The caller's limit, if any"),
        ("remaining", int, "What is left of it"),
        ("reset", str, "When all of it is there again (RFC 3339)"),
    )
)
"""They, for the server's description."""


def limit_headers(standings: Sequence[Standing], now: datetime | None = None) -> Mapping[str, str]:
    """The caller's limits, of each kind the tightest; what was reserved for the request counts as used."""
    headers: dict[str, str] = {}
    for measure, name in _NAMES.items():
        standing = tightest(standings, measure)
        if standing is not None:
            reset = (now or datetime.now(UTC)) + timedelta(seconds=standing.reset_s)
            headers[f"anthropic-ratelimit-{name}-limit"] = f"{standing.limit:.0f}"
            headers[f"anthropic-ratelimit-{name}-remaining"] = f"{standing.remaining:.0f}"
            headers[f"anthropic-ratelimit-{name}-reset"] = reset.isoformat(timespec="seconds").replace("+00:00", "Z")
    return headers
