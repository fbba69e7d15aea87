"""What signals ask of the supervisor."""

from __future__ import annotations

import signal

from jackfield.supervisor.signals import SignalReader, Wish


def test_many_wishes_to_read_again_are_one() -> None:
    """Reading the manifest takes time; a storm of signals must not keep the supervisor from its children."""
    with SignalReader() as signals:
        for _ in range(100):
            signal.raise_signal(signal.SIGHUP)
        assert signals.take() == [Wish.REREAD]
        assert signals.take() == []


def test_every_wish_to_end_counts() -> None:
    """The second one cuts the drain short."""
    with SignalReader() as signals:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.raise_signal(number)
        assert signals.take() == [Wish.REREAD, Wish.END, Wish.END]
