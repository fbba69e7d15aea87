"""What the cache has of a prompt, and how it would be brought into a sequence: by what the runner can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jackfield.worker.engine.prefix.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.backend import Reuse
    from jackfield.worker.engine.prefix.cells import CellLedger
    from jackfield.worker.engine.prefix.tree import Match, Node


class Found(NamedTuple):
    """A way to start a sequence without computing all of it: copy, then restore, then rewind."""

    length: int = 0
    """Tokens that need not be computed."""
    cells: int = 0
    """Cells that it takes which no running sequence holds."""
    source: int | None = None
    """Sequence id to copy from."""
    copied: int = 0
    """How many of its tokens."""
    states: tuple[tuple[State, int], ...] = ()
    """What is restored, and how many tokens the sequence holds after each."""
    checkpoint: State | None = None
    """What takes it back to ``length``."""
    known: int = 0
    """Tokens that somebody has computed before."""
    covered: int = 0
    """Tokens that the device or a store has, whether they can be used from there or not."""


NOTHING = Found()


class Finder:
    """Looks prompts up for one kind of runner. Engine loop thread.

    Parameters:
        reuse: What the runner can do.
        cells: Who holds what.
        worth: Whether restoring so many tokens costs less than computing so many.
    """

    def __init__(self, reuse: Reuse, cells: CellLedger, worth: Callable[[int, int], bool]) -> None:
        ways = {"ranges": self._ranges, "whole": self._whole, "checkpoints": self._checkpoints}
        self._way = ways.get(reuse)
        self._cells = cells
        self._worth = worth

    def find(self, match: Match, usable: Callable[[State], bool]) -> Found:
        """The way that saves the most tokens of *match*.

        Parameters:
            match: What is known of the prompt, all but its last token at most.
            usable: Whether a state can be had.
        """
        if self._way is None or not match.path:
            return NOTHING
        found = self._way(match, usable)
        return found._replace(known=match.length, covered=max(_covered(match), found.length))

    def _device(self, match: Match) -> tuple[int | None, int]:
        """Who holds the most of *match*, and how much that is."""
        held = [node for node in match.path if node.held]
        return (held[-1].holder(), min(held[-1].end, match.length)) if held else (None, 0)

    def _ranges(self, match: Match, usable: Callable[[State], bool]) -> Found:
        """Copy what is on the device; go on with states that overlap or meet."""
        source, reach = self._device(match)
        begun = reach
        chosen: list[State] = []
        ends = {state: min(state.end, node.end) for node in match.path for state in node.states}
        while reach < match.length:
            following = [state for state, end in ends.items() if state.start <= reach < end and usable(state)]
            if not following:
                break
            chosen.append(max(following, key=ends.__getitem__))
            reach = min(ends[chosen[-1]], match.length)
        copied = min(begun, chosen[0].start) if chosen else begun
        stops = [*[state.start for state in chosen[1:]], reach][: len(chosen)]
        cells = self._cells.idle(source, copied) if source is not None else 0
        return Found(
            reach,
            cells + reach - copied,
            source if copied else None,
            copied,
            tuple(zip(chosen, stops, strict=True)),
        )

    def _whole(self, match: Match, usable: Callable[[State], bool]) -> Found:
        """Copy what is on the device, or restore any state that goes at least as far, and cut it."""
        source, reach = self._device(match)
        for node in reversed(match.path):
            stored = [state for state in node.states if usable(state)]
            if stored:
                state = max(stored, key=_end)
                length = min(state.end, node.end, match.length)
                if length > reach and self._worth(length, length - reach):
                    return Found(length, length, states=((state, length),))
                break
        return Found(reach, reach, source, reach)

    def _checkpoints(self, match: Match, usable: Callable[[State], bool]) -> Found:
        """The deepest place that a sequence or state ends at, or that a checkpoint leads back to."""
        for node in reversed(match.path):
            found = self._at(node, usable) if node.end <= match.length else None
            found = found or _state_within(node, match.length, usable)
            if found is not None:
                return found
        return NOTHING

    def _at(self, node: Node, usable: Callable[[State], bool]) -> Found | None:
        """A way to hold exactly what ends at *node*."""
        end = node.end
        for holder in node.holders:
            if self._cells.length(holder) == end:
                return Found(end, end, holder, end)
        states = [state for state in node.states if state.end >= end and usable(state)]
        for state in states:
            if state.end == end:
                return Found(end, end, states=((state, end),))
        if node.checkpoint is None or not usable(node.checkpoint):
            return None
        if node.held:
            holder = node.holder()
            length = self._cells.length(holder)
            return Found(end, length, holder, length, checkpoint=node.checkpoint)
        if states:
            return Found(end, states[-1].end, states=((states[-1], states[-1].end),), checkpoint=node.checkpoint)
        return None


def _state_within(node: Node, limit: int, usable: Callable[[State], bool]) -> Found | None:
    """The longest state that ends within *node*, at *limit* or before: the node may have grown since it was saved."""
    reach = min(limit, node.end)  # states that end further on may be of other tokens
    states = [state for state in node.states if node.start < state.end <= reach and usable(state)]
    if not states:
        return None
    state = max(states, key=_end)
    return Found(state.end, state.end, states=((state, state.end),))


def _covered(match: Match) -> int:
    """How much of *match* the device or a store has, in whatever form."""
    return max([min(node.end, match.length) for node in match.path if node.held or node.states], default=0)


def _end(state: State) -> int:
    return state.end
