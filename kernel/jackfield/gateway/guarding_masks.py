"""What was masked in the prompts of one request, and what of it answers may have back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.masking import Masking, plain
from jackfield.word_index import WordIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.guardrail import Mask


class Masked:
    """Takes note of masks. Event loop thread.

    A placeholder that stands for two originals, or that stood in the request before, says nothing: it is not restored.
    Nor is anything that would have to be escaped in JSON.
    """

    def __init__(self) -> None:
        self._masks: list[tuple[str, Mask]] = []

    def add(self, original: str, mask: Mask) -> None:
        """*mask* has replaced *original*, in which there may be placeholders of earlier masks."""
        self._masks.append((original, mask))

    def masking(self, texts: Sequence[str], earlier: Masking | None) -> Masking | None:
        """All of it; None where nothing was masked.

        Parameters:
            texts: All texts of the request, before anything was masked.
            earlier: What was masked in other parts of the same call; its placeholders stand for that.
        """
        if not self._masks:
            return None
        index = WordIndex({mask.replacement for _, mask in self._masks if mask.replacement})
        ambiguous = {placeholder for text in texts for _, placeholder in index.found(text)}
        replaced: dict[str, str] = {}
        restorable: dict[str, str] = {}
        taken = {} if earlier is None else earlier.restorable
        for masked, mask in self._masks:
            placeholder = mask.replacement
            # as it was before an earlier guardrail had masked something in it
            original = index.replaced(masked, lambda known: restorable.get(known, known))
            replaced[original] = placeholder
            restores = mask.restore and bool(placeholder) and plain(original) and plain(placeholder)
            known = taken.get(placeholder) or restorable.setdefault(placeholder, original)
            if not restores or known != original:
                ambiguous.add(placeholder)
        kept = {placeholder: original for placeholder, original in restorable.items() if placeholder not in ambiguous}
        return Masking(replaced, kept)
