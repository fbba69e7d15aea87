"""Traces that nobody recorded: made of a few words, the same for the same seed."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.simulation.trace import REQUESTS_MAX, TOKENS_MAX, TracedRequest, TraceError

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES_MAX: Final = 64
RATE_MAX: Final = 10_000

KEYS: Final[Mapping[str, str]] = {
    "tenant": "name, may be left out",
    "rate": "arrivals a second, on average; they come as they like (Poisson)",
    "prompt": "tokens, one number or LOW-HIGH; 200",
    "answer": "tokens, one number or LOW-HIGH; 50",
    "priority": "-100 to 100; 0",
    "prefix": "tokens that all prompts of the class begin with, besides prompt; 0",
}
"""What may be said of a class of requests."""


class RequestClass(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that are alike."""

    tenant: str = ""
    rate: float
    prompt: tuple[int, int] = (200, 200)
    """Fewest and most tokens; anything between is as likely."""
    answer: tuple[int, int] = (50, 50)
    priority: int = 0
    prefix: int = 0


def parse_classes(text: str) -> list[RequestClass]:
    """Classes of requests from words such as ``tenant=a rate=2 prompt=100-300; tenant=b rate=5``.

    Raises:
        TraceError: A word cannot be used; names it.
    """
    parts = [part for part in text.split(";") if part.strip()]
    if not 0 < len(parts) <= CLASSES_MAX:
        raise TraceError(f"there must be 1 to {CLASSES_MAX} classes of requests, separated by semicolons")
    return [_class(part) for part in parts]


def synthesise(classes: list[RequestClass], duration_s: float, seed: int) -> list[TracedRequest]:
    """The requests of *classes* in the first *duration_s* seconds, oldest first.

    Raises:
        TraceError: There would be none, or too many.
    """
    if sum(each.rate for each in classes) * duration_s > REQUESTS_MAX:
        raise TraceError(f"that would be more than {REQUESTS_MAX} requests")
    requests: list[TracedRequest] = []
    for number, each in enumerate(classes):
        draw = random.Random(f"{seed}:{number}")  # noqa: S311
        try:
            requests += _arrivals(each, f"class {number}", duration_s, draw)
        except ValueError as error:
            raise TraceError(f"class {number + 1}: {error}") from error
    if not requests:
        raise TraceError("no request arrives in that time")
    return sorted(requests, key=lambda request: request.arrival_s)


def _arrivals(each: RequestClass, prefix: str, duration_s: float, draw: random.Random) -> list[TracedRequest]:
    requests: list[TracedRequest] = []
    now = draw.expovariate(each.rate)
    while now < duration_s:
        request = TracedRequest(
            arrival_s=round(now, 6),
            prompt_tokens=each.prefix + draw.randint(*each.prompt),
            output_tokens=draw.randint(*each.answer),
            tenant=each.tenant,
            priority=each.priority,
            prefix=prefix if each.prefix else "",
            prefix_tokens=each.prefix,
        )
        requests.append(request)
        now += draw.expovariate(each.rate)
    return requests


def _class(part: str) -> RequestClass:
    values: dict[str, object] = {}
    for word in part.split():
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS or key in values:
            raise TraceError(f"{word!r}: a class of requests is {' '.join(f'{key}=…' for key in KEYS)}, each once")
        values[key] = _value(word, key, value)
    if "rate" not in values:
        raise TraceError(f"{part.strip()!r} says no rate")
    try:
        return msgspec.convert(values, RequestClass)
    except msgspec.ValidationError as error:
        raise TraceError(f"{part.strip()!r}: {error}") from error


def _value(word: str, key: str, value: str) -> object:
    try:
        match key:
            case "tenant":
                return value
            case "rate":
                return _checked(float(value), 0, RATE_MAX)
            case "prompt" | "answer":
                low, _, high = value.partition("-")
                return _checked(int(low), 0, TOKENS_MAX), _checked(int(high or low), int(low) - 1, TOKENS_MAX)
            case "priority":
                return _checked(int(value), -101, 100)
            case _:
                return _checked(int(value), -1, TOKENS_MAX)
    except ValueError:
        raise TraceError(f"{word!r}: {KEYS[key]}") from None


def _checked(number: float, above: float, most: float) -> float:
    if not (math.isfinite(number) and above < number <= most):
        raise ValueError
    return number
