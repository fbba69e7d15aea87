"""Guardrails over one text that comes in pieces: what may go on, and what is held back.

A guardrail with a ``longest`` match holds back one character less than that: whatever begins in what goes on has ended
before what is known, so that its verdict is final. One with a ``window`` judges so much at a time, and holds half of it
back; what waits too long for a window to be full is sent as it is, and judged again with what follows. One with neither
waits for the end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield.gateway.guarding_judging import Asked, masks_of
from jackfield.gateway.guarding_rope import Atom, Rope, joined
from jackfield.ports.guardrail import GuardedText, Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.gateway.guarding_judging import Judging
    from jackfield.gateway.guarding_notes import Notes
    from jackfield.gateway.guards import Guard
    from jackfield.ports.guardrail import Channel


class Sieve:
    """Some guardrails that are asked together, over one channel of one answer. Event loop thread.

    Parameters:
        guards: One that masks, or some that do not; all hold back in the same way.
        channel: Whose text it is.
        notes: Is told of findings.
    """

    def __init__(self, guards: Sequence[Guard], channel: Channel, notes: Notes) -> None:
        traits = [guard.traits for guard in guards]
        self._guards = guards
        self._channel: Channel = channel
        self._notes = notes
        self._rope = Rope()
        self._context = ""
        """The end of what went on, as these guardrails saw it."""
        self._early = 0
        """Characters at its end that went on before it was known what they begin."""
        self._longest = max((each.longest for each in traits if each.longest is not None), default=0)
        self._window = min((each.window for each in traits if each.window is not None), default=0)
        self._kept = self._longest or self._window // 2
        waits = [each.window_s for each in traits if each.window_s is not None]
        self.wait_s = min(waits, default=None) if self._window and not self._longest else None
        """Longest time that text waits for a window to be full, in seconds; None has it wait."""
        self._since: float | None = None

    @property
    def due(self) -> float | None:
        """When what waits is to be judged as it is, in monotonic seconds; None where nothing is to be."""
        if self.wait_s is None or self._since is None:
            return None
        return self._since + self.wait_s

    @property
    def holding(self) -> bool:
        """Whether it holds anything back."""
        return self._rope.length > 0

    def sift(self, atoms: Sequence[Atom], *, ended: bool) -> Judging[Sequence[Atom]]:
        """What may go on, now that *atoms* have come.

        Parameters:
            atoms: More of the text.
            ended: Whether that was all; what comes after it is another text.

        Raises:
            Blocked: A guardrail blocks it.
        """
        self._rope.add(atoms)
        overdue = self.due is not None and self.due <= time.monotonic()
        limit = self._rope.length if ended or overdue else self._limit()
        if limit <= 0:
            if self._since is None and self._rope.length:
                self._since = time.monotonic()
            if ended:
                self._forget()
            return ()
        begin = len(self._context) - self._early
        text = GuardedText(
            text=self._context + self._rope.text,
            channel=self._channel,
            role="assistant",
            begin=begin,
            # what goes on at once is judged at once, also what touches its end
            complete=ended or overdue,
        )
        asked = Asked(self._guards, (text,))
        [masks] = masks_of(asked, (yield asked), "output", self._notes)
        gone = self._released(text.text, masks, limit)
        if ended:
            self._forget()
        return gone

    def _forget(self) -> None:
        """What comes next is another text."""
        self._context, self._early = "", 0

    def _limit(self) -> int:
        """How many of the characters that are held may go on if they pass, while there is time."""
        held = self._rope.length
        if self._longest:
            return self._rope.undivided(held - self._longest + 1)
        return self._rope.undivided(held - self._window // 2) if 0 < self._window <= held else 0

    def _released(self, text: str, masks: Sequence[Mask], limit: int) -> Sequence[Atom]:
        begin, done = len(self._context), 0
        known = begin + self._rope.length - self._kept
        gone: list[Atom] = []
        for mask in masks:
            start, end = max(mask.start - begin, done), mask.end - begin
            if start >= limit:
                break  # what follows may still change it
            if end <= done:
                continue
            gone += self._rope.take(start - done)
            gone.append(Atom(mask.replacement, joined(self._rope.take(end - start)).tokens))
            done = end
        if done < limit:
            gone += self._rope.take(limit - done)
            done = limit
        self._context = text[max(0, begin + done - self._kept) : begin + done] if self._kept else ""
        self._early = max(0, min(len(self._context), begin + done - known)) if self._window else 0
        self._since = time.monotonic() if self._rope.length else None
        return gone


def sieves(guards: Sequence[Guard], channel: Channel, notes: Notes) -> list[Sieve]:
    """Those through which text of *channel* goes, one after the other."""
    own = [guard for guard in guards if channel in guard.traits.channels]
    others: dict[object, list[Guard]] = {}
    for guard in own:
        traits = guard.traits
        if not traits.masks:
            others.setdefault("longest" if traits.longest else (traits.window, traits.window_s), []).append(guard)
    maskers = [[guard] for guard in own if guard.traits.masks]
    return [Sieve(each, channel, notes) for each in (*maskers, *others.values())]
