"""Deadlines: whoever is late is told at once, whatever the loop is doing, and costs nothing any more."""

from __future__ import annotations

import math
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.types import TextDelta
from jackfield.worker.deadlines import Deadlines
from jackfield.worker.links import GatewayLink, RequestHandle

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer, Serve


def test_who_waits_too_long_is_told_in_the_middle_of_a_step(serve: Serve) -> None:
    """Not when the step of somebody else ends, which may take long; the other one goes on."""
    peer = serve(max_sequences=1)
    peer.chat(1, "[delay:300][say:x]")
    peer.chat(2, "[say:late]", timeout_s=0.05)
    assert peer.failure(2) == ("deadline_exceeded", None)
    assert not any(isinstance(event, TextDelta) for event in peer.events.get(1, []))
    assert peer.text(1) == "x"


def test_who_runs_too_long_is_ended(serve: Serve) -> None:
    """The slot is free for the next, and nothing follows the error."""
    peer = serve(max_sequences=1)
    peer.chat(1, "[delay:5][repeat:400:a]", max_tokens=400, timeout_s=0.2)
    assert peer.failure(1) == ("deadline_exceeded", None)
    seen = len(peer.events[1])
    peer.chat(2, "[say:next]")
    assert peer.text(2) == "next"
    assert len(peer.events[1]) == seen


def test_a_prompt_that_takes_too_long_is_ended(serve: Serve) -> None:
    """A deadline may pass before the first token."""
    peer = serve(max_sequences=1)
    peer.chat(1, "[delay:300][say:x]", timeout_s=0.1)
    assert peer.failure(1) == ("deadline_exceeded", None)
    peer.chat(2, "[say:next]")
    assert peer.text(2) == "next"


def test_all_answers_of_a_request_end_at_its_deadline(peer: Peer) -> None:
    """With one error."""
    peer.chat(1, "[delay:5][repeat:400:a]", max_tokens=400, n=2, timeout_s=0.1)
    assert peer.failure(1) == ("deadline_exceeded", None)
    peer.chat(2, "[say:next]", n=2)
    peer.until_end(2, answers=2)


def test_who_is_in_time_hears_nothing_of_it(peer: Peer) -> None:
    """A deadline that has not passed changes nothing, however far it is."""
    for number, timeout_s in enumerate((30.0, 1e9, math.inf)):
        peer.chat(number, "[say:fine]", timeout_s=timeout_s)
        assert peer.text(number) == "fine"


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, math.nan])
def test_no_time_is_no_time(peer: Peer, timeout_s: float) -> None:
    """Whatever a gateway sends."""
    peer.chat(1, "[delay:100][say:x]", timeout_s=timeout_s)
    assert peer.failure(1) == ("deadline_exceeded", None)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(allow_nan=True), st.booleans()), max_size=200))
def test_each_is_given_once_and_the_ended_never(requests: list[tuple[float, bool]]) -> None:
    """Whatever times are asked for and whoever ends before; the wait is one that a selector takes."""
    ours, theirs = socket.socketpair()
    link = GatewayLink(ours, lambda: None)
    deadlines = Deadlines()
    live: set[int] = set()
    for number, (timeout_s, ends) in enumerate(requests):
        handle = RequestHandle(link, number, 1)
        link.requests[number] = handle
        deadlines.add(handle, timeout_s)
        if ends:
            del link.requests[number]
        elif not timeout_s > 0:
            live.add(number)
    wait = deadlines.wait_s()
    assert wait is None or 0 <= wait <= 3600
    given_ = [handle.id for handle in deadlines.due()]
    assert live <= set(given_)
    assert len(given_) == len(set(given_))
    assert all(number in link.requests for number in given_)
    ours.close()
    theirs.close()
