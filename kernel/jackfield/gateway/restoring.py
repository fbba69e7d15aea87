"""Originals in the place of placeholders, in text that comes in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.gateway.guarding_rope import Atom, Rope, joined
from jackfield.word_index import WordIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.masking import Masking


class Placeholders:
    """Those of one request that can be restored. Event loop thread.

    Parameters:
        masking: What stands for what.
    """

    __slots__ = ("index", "masking")

    def __init__(self, masking: Masking) -> None:
        self.masking = masking
        self.index = WordIndex(masking.restorable)

    def restored(self, text: str) -> str:
        """Whole *text* with the originals."""
        return self.index.replaced(text, self.masking.returned)


class Restoring:
    """One text that comes in pieces. What may become a placeholder waits for what follows.

    Parameters:
        placeholders: What is looked for.
    """

    __slots__ = ("_placeholders", "_rope")

    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._rope = Rope()

    @property
    def holding(self) -> bool:
        """Whether anything waits."""
        return self._rope.length > 0

    def restore(self, atoms: Sequence[Atom], *, ended: bool) -> Sequence[Atom]:
        """What may go on, now that *atoms* have come; an original is never divided."""
        rope, placeholders = self._rope, self._placeholders
        rope.add(atoms)
        text = rope.text
        limit = len(text) if ended else rope.undivided(placeholders.index.undecided(text))
        gone: list[Atom] = []
        done = 0
        for place, placeholder in placeholders.index.found(text):
            if place >= limit:
                break
            gone += rope.take(place - done)
            gone.append(Atom(placeholders.masking.returned(placeholder), joined(rope.take(len(placeholder))).tokens))
            done = place + len(placeholder)
        if done < limit:
            gone += rope.take(limit - done)
        return gone
