"""Connections to gateways that read late, or never."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from jackfield.channel import messages
from jackfield.channel.local import MessageSocket, PeerGone
from jackfield.channel.messages import Events
from jackfield.types import TextDelta
from jackfield.worker import links
from jackfield.worker.links import GatewayLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.channel.messages import ToGateway, ToWorker

EVENT = TextDelta("x" * 1000, 1)


class Ends:
    """A link, the gateway's end of it, and how often the reading thread was asked for."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.settimeout(10)
        self.wanted = 0
        self.link = GatewayLink(ours, self._want)
        self.gateway: MessageSocket[ToGateway, ToWorker] = MessageSocket(
            theirs, messages.to_gateway(), messages.to_worker()
        )

    def _want(self) -> None:
        self.wanted += 1

    def fill(self) -> int:
        """Send until something must wait; return how many messages that took."""
        count = 0
        while not self.link.backlog:
            self.link.send(Events([(count, EVENT)]))
            count += 1
        return count

    def read(self) -> list[int]:
        """The numbers in what can be read at once."""
        received = [message for message in self.gateway.receive() if isinstance(message, Events)]
        return [number for message in received for number, _ in message.events]

    def read_to_the_end(self) -> None:
        """Raises ``PeerGone`` there."""
        while True:
            self.read()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A connected pair."""
    ends = Ends()
    yield ends
    ends.link.connection.close()
    ends.gateway.close()


def test_what_a_gateway_does_not_take_waits_and_keeps_its_order(ends: Ends) -> None:
    """The engine is not held up; the reading thread is asked to send the rest."""
    count = ends.fill()
    assert ends.wanted == 1
    for number in range(count, count + 500):
        ends.link.send(Events([(number, EVENT)]))
    seen: list[int] = []
    while len(seen) < count + 500:
        seen += ends.read()
        ends.link.send_backlog()
    assert seen == list(range(count + 500))
    assert not ends.link.backlog


def test_a_gateway_that_never_reads_is_given_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the connection ends, what waited is dropped, and later events cost nothing."""
    monkeypatch.setattr(links, "BACKLOG_MAX", 10_000)
    number = ends.fill()
    for _ in range(20):
        ends.link.send(Events([(number, EVENT)]))
    assert not ends.link.backlog
    with pytest.raises(PeerGone):
        ends.read_to_the_end()


def test_events_for_a_gateway_that_has_gone_are_dropped(ends: Ends) -> None:
    """Until the reading thread has noticed."""
    ends.gateway.close()
    ends.link.queue(1, EVENT)
    ends.link.flush()
    assert not ends.link.backlog
    assert not ends.wanted
