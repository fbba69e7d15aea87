"""``RequestContext``."""

from __future__ import annotations

import time

import pytest

from jackfield.context import RequestContext


def test_a_new_context_knows_when_it_arrived_and_nothing_else() -> None:
    """Later stages fill the rest in."""
    before = time.monotonic()
    context = RequestContext("req-1", "/v1/models", "127.0.0.1")
    assert before <= context.arrived <= time.monotonic()
    assert (context.request_id, context.route, context.client) == ("req-1", "/v1/models", "127.0.0.1")
    assert context.model == ""
    assert context.first_token is None
    assert context.finished is None
    assert context.code is None


def test_contexts_share_no_state() -> None:
    """A default list shared by all requests would mix their latencies."""
    one, other = (RequestContext(name, "/", "") for name in ("one", "other"))
    one.gaps.append(0.1)
    assert other.gaps == []


def test_a_misspelt_attribute_is_an_error() -> None:
    """Stages write known fields only."""
    with pytest.raises(AttributeError):
        RequestContext("req-1", "/", "").modle = "demo"  # type: ignore[attr-defined]  # the point
