"""Text of a stream that is held back, in pieces that keep their tokens and log probabilities."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from jackfield.types import TokenLogprob

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.types import TextDelta


class Atom(NamedTuple):
    """A piece of text."""

    text: str
    tokens: int = 0
    """How many were drawn for it."""
    scores: tuple[TokenLogprob, ...] = ()
    """Log probabilities of its tokens; they go with the whole of it, or not at all."""


class Rope:
    """Atoms in a row."""

    __slots__ = ("_atoms", "length")

    def __init__(self) -> None:
        self._atoms: deque[Atom] = deque()
        self.length = 0
        """Characters of them."""

    @property
    def text(self) -> str:
        """Of all."""
        return "".join([atom.text for atom in self._atoms])

    def add(self, atoms: Iterable[Atom]) -> None:
        """More of it."""
        for atom in atoms:
            self._atoms.append(atom)
            self.length += len(atom.text)

    def take(self, characters: int) -> list[Atom]:
        """The first *characters*; an atom that they divide keeps no log probabilities."""
        taken: list[Atom] = []
        while characters > 0:
            atom = self._atoms.popleft()
            if len(atom.text) > characters:
                self._atoms.appendleft(Atom(atom.text[characters:]))
                atom = Atom(atom.text[:characters], atom.tokens)
            taken.append(atom)
            characters -= len(atom.text)
            self.length -= len(atom.text)
        return taken

    def undivided(self, characters: int) -> int:
        """Most of *characters* that divide no atom with log probabilities."""
        end = 0
        for atom in self._atoms:
            if end + len(atom.text) > characters:
                return end if atom.scores else characters
            end += len(atom.text)
        return end


def atoms_of(delta: TextDelta, begin: int | None) -> list[Atom]:
    """The pieces of *delta*: token by token where there are log probabilities.

    Parameters:
        delta: As it came.
        begin: Characters of the answer before it; None where its tokens' offsets do not count from there, and all of it
            is one piece.
    """
    if not delta.logprobs:
        return [Atom(delta.text, delta.tokens)]
    if begin is None:
        return [_scored(delta.text, delta.tokens, delta.logprobs)]
    places = [*(min(max(each.offset - begin, 0), len(delta.text)) for each in delta.logprobs), len(delta.text)]
    atoms = [Atom(delta.text[: places[0]])] if places[0] else []
    waiting: list[TokenLogprob] = []
    for entry, (start, end) in zip(delta.logprobs, pairwise(places), strict=True):
        waiting.append(entry)
        if end > start:  # else it is a part of the character that the next one ends
            atoms.append(_scored(delta.text[start:end], len(waiting) if delta.tokens else 0, tuple(waiting)))
            waiting = []
    return atoms


def _scored(text: str, tokens: int, scores: tuple[TokenLogprob, ...]) -> Atom:
    """Tokens of which not all was said show what was not: they have no log probabilities."""
    said = sum(len(each.piece) for each in scores) <= len(text.encode(errors="replace"))
    return Atom(text, tokens, scores if said else ())


def joined(atoms: Sequence[Atom]) -> Atom:
    """All of *atoms* as one."""
    if len(atoms) == 1:
        return atoms[0]
    scores = tuple([score for atom in atoms for score in atom.scores])
    return Atom("".join([atom.text for atom in atoms]), sum([atom.tokens for atom in atoms]), scores)
