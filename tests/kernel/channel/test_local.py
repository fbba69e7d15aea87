"""A conversation over a local socket: messages, descriptors, and the end of the peer."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, TypeAlias

import pytest

from jackfield.channel.framing import encode_frame
from jackfield.channel.local import MessageSocket, PeerGone
from jackfield.channel.messages import (
    Attach,
    Drain,
    Heartbeat,
    Progress,
    Stop,
    ToChild,
    ToSupervisor,
    WorkerStatus,
    to_child,
    to_supervisor,
)
from jackfield.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Iterator

Parent: TypeAlias = MessageSocket[ToSupervisor, ToChild]
Child: TypeAlias = MessageSocket[ToChild, ToSupervisor]


@pytest.fixture
def ends() -> Iterator[tuple[Parent, Child]]:
    """Both ends of one control conversation."""
    one, other = socket.socketpair()
    parent: Parent = MessageSocket(one, to_supervisor(), to_child())
    child: Child = MessageSocket(other, to_child(), to_supervisor())
    yield parent, child
    parent.close()
    child.close()


def test_both_directions(ends: tuple[Parent, Child]) -> None:
    """Each end decodes its own union."""
    parent, child = ends
    parent.send(Stop())
    child.send(Heartbeat(busy_s=0.5))
    child.send(Progress(fraction=1.0))
    assert child.receive() == [Stop()]
    received = parent.receive()
    while len(received) < 2:
        received += parent.receive()
    assert received == [Heartbeat(busy_s=0.5), Progress(fraction=1.0)]


def test_a_message_larger_than_the_socket_buffer(ends: tuple[Parent, Child]) -> None:
    """It arrives whole, however the kernel cuts it."""
    parent, child = ends
    message = WorkerStatus(model="demo", state="loading", reason="x" * 3_000_000)
    sender = threading.Thread(target=parent.send, args=(message,))
    sender.start()
    received: list[ToChild] = []
    while not received:
        received += child.receive()
    sender.join()
    assert received == [message]


def test_descriptors_arrive_with_their_message(ends: tuple[Parent, Child]) -> None:
    """And are the same socket: what one process sends, the other end receives."""
    parent, child = ends
    here, there = socket.socketpair()
    with here, there:
        parent.send(Attach(model="demo"), [there.fileno()])
        assert child.receive() == [Attach(model="demo")]
        with child.take() as taken:
            here.sendall(b"through")
            assert taken.recv(16) == b"through"


def test_descriptors_keep_their_order(ends: tuple[Parent, Child]) -> None:
    """Several in one message, several messages in one read."""
    parent, child = ends
    pairs = [socket.socketpair() for _ in range(3)]
    parent.send(Attach(model="a"), [pairs[0][1].fileno(), pairs[1][1].fileno()])
    parent.send(Attach(model="b"), [pairs[2][1].fileno()])
    received: list[ToChild] = []
    while len(received) < 2:
        received += child.receive()
    for number, (near, far) in enumerate(pairs):
        with near, far, child.take() as taken:
            near.sendall(bytes([number]))
            assert taken.recv(1) == bytes([number])


def test_a_descriptor_that_was_announced_but_not_sent(ends: tuple[Parent, Child]) -> None:
    """Is an error, not a hang."""
    parent, child = ends
    parent.send(Attach(model="demo"))
    assert child.receive() == [Attach(model="demo")]
    with pytest.raises(ChannelError, match="descriptor"):
        child.take()


def test_closing_also_closes_descriptors_nobody_took(ends: tuple[Parent, Child]) -> None:
    """Otherwise a peer could fill our descriptor table."""
    parent, child = ends
    here, there = socket.socketpair()
    parent.send(Attach(model="demo"), [there.fileno()])
    there.close()
    child.receive()
    child.close()
    with here:
        assert here.recv(1) == b""


def test_the_end_of_the_peer_is_seen(ends: tuple[Parent, Child]) -> None:
    """By receiving and by sending."""
    parent, child = ends
    child.close()
    with pytest.raises(PeerGone):
        parent.receive()
    with pytest.raises(PeerGone):
        parent.send(Drain(timeout_s=1.0))


def test_messages_sent_before_the_end_still_arrive(ends: tuple[Parent, Child]) -> None:
    """A child that refuses says why and is gone."""
    parent, child = ends
    child.send(Progress(fraction=0.5))
    child.close()
    assert parent.receive() == [Progress(fraction=0.5)]
    with pytest.raises(PeerGone):
        parent.receive()


def test_a_non_blocking_end_with_nothing_to_read() -> None:
    """Gives no messages and does not wait."""
    one, other = socket.socketpair()
    one.setblocking(False)
    with other:
        parent: Parent = MessageSocket(one, to_supervisor(), to_child())
        assert parent.receive() == []
        parent.close()


@pytest.mark.parametrize("data", [encode_frame(b"garbage"), b"\xff\xff\xff\xff", encode_frame(b"\xc0")])
def test_garbage_is_a_channel_error(data: bytes) -> None:
    """The reader decides what to do with such a peer."""
    one, other = socket.socketpair()
    with other:
        parent: Parent = MessageSocket(one, to_supervisor(), to_child())
        other.sendall(data)
        with pytest.raises(ChannelError):
            parent.receive()
        parent.close()


def test_received_descriptors_are_not_inherited(ends: tuple[Parent, Child]) -> None:
    """A process that we start must not keep a client's connection open."""
    parent, child = ends
    here, there = socket.socketpair()
    with here, there:
        parent.send(Attach(model="demo"), [there.fileno()])
        child.receive()
        with child.take() as taken:
            assert not os.get_inheritable(taken.fileno())
