"""Steps: the health port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_bdd import given, then, when

from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.testing.client import Reply
    from jackfield.testing.target import Target

COUNTED_S: Final = 2.0
"""A request is counted when its answer is out, which its client may see first."""


@when(words("I look at {path:Text}"), target_fixture="reply")
def look(server: Target, path: str) -> Reply:
    """A page of the health port."""
    if server.health is None:
        pytest.skip("the health port is not known; name it with --target-health")
    return server.run(server.probe.request("GET", path))


@then(words("the page mentions {text:Text}"))
def mentions(reply: Reply, text: str) -> None:
    """Somewhere on the page."""
    assert text in reply.body.decode()


@given("what /metrics says", target_fixture="before")
def metrics_before(server: Target) -> Mapping[str, float]:
    """All samples, before the scenario goes on. A worker tells what it computed a moment after it has answered."""
    deadline = time.monotonic() + COUNTED_S
    while True:
        found = samples(look(server, "/metrics"))
        told, answered = (
            found.get(f"jackfield_{name}_total", 0.0) for name in ("engine_prompt_tokens", "prompt_tokens")
        )
        if told >= answered or time.monotonic() > deadline:
            return found


@then(words("{name:Text} has grown by {count:d}"))
def grown(server: Target, before: Mapping[str, float], name: str, count: int) -> None:
    """A counter, summed over its labels, has exactly so much more, at once or very soon."""
    _assert_growth(server, before, name, count)


@then(words("{name:Text} has grown by what was cached"))
def grown_by_cached(server: Target, before: Mapping[str, float], reply: Reply, name: str) -> None:
    """As the answer's usage says."""
    details = reply.completion.usage.prompt_tokens_details
    assert details is not None
    assert details.cached_tokens > 0
    _assert_growth(server, before, name, details.cached_tokens)


@then(words("{name:Text} has grown by what was computed"))
def grown_by_computed(server: Target, before: Mapping[str, float], reply: Reply, name: str) -> None:
    """The rest of the prompt, as the answer's usage says."""
    usage = reply.completion.usage
    assert usage.prompt_tokens_details is not None
    _assert_growth(server, before, name, usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens)


@then(words("{name:Text} has grown by what was computed once, and by a token for each other answer"))
def grown_by_shared(server: Target, before: Mapping[str, float], reply: Reply, name: str) -> None:
    """Answers to one prompt share it but for its last token, from which each goes its own way."""
    usage = reply.completion.usage
    assert usage.prompt_tokens_details is not None
    shared = usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens
    _assert_growth(server, before, name, shared + len(reply.completion.choices) - 1)


def _assert_growth(server: Target, before: Mapping[str, float], name: str, count: int) -> None:
    deadline = time.monotonic() + COUNTED_S
    growth = -1.0
    while growth < count and time.monotonic() < deadline:
        growth = samples(look(server, "/metrics")).get(name, 0.0) - before.get(name, 0.0)
    assert growth == count


def samples(reply: Reply) -> dict[str, float]:
    """Values by sample name, summed over labels."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums
