"""Which tokens a grammar allows, taken from a bitmask over the vocabulary.

What is fastest depends on how many are allowed. Where few are, their ids are taken out of the mask, and all that
follows deals with those only: 15 µs for seven of 151,936. Otherwise minus infinity is added to what is forbidden:
40 µs, whatever the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield.errors import BackendFault

if TYPE_CHECKING:
    import numpy.typing as npt

WORD_BITS: Final = 32
"""Tokens in a word of a mask, the first in the lowest bit."""

_OCTET: Final = 8
"""Tokens in a byte of a mask."""

_FEW_WORDS: Final = 256
"""Up to so many words that are not 0, it costs 70 µs at most to take the ids of their bits."""


def few_ids(mask: npt.NDArray[np.uint32], vocabulary: int) -> npt.NDArray[np.intp] | None:
    """The ids that *mask* allows, rising; None where they are many.

    Parameters:
        mask: As ``Matcher.mask`` writes it, shape ``(ceil(vocabulary / 32),)``.
        vocabulary: Tokens there are; bits beyond are not looked at.

    Raises:
        BackendFault: The mask is for another vocabulary.
    """
    if mask.dtype != np.uint32 or mask.shape != (-(-vocabulary // WORD_BITS),):
        raise BackendFault(f"the mask does not fit a vocabulary of {vocabulary}")
    if np.count_nonzero(mask) > _FEW_WORDS:  # four times as fast as saying which
        return None
    words = mask.nonzero()[0]
    bits = np.unpackbits(_octets(mask[words]), bitorder="little").nonzero()[0]
    ids = words[bits // WORD_BITS] * WORD_BITS + bits % WORD_BITS
    return ids[: int(ids.searchsorted(vocabulary))]


def forbid(
    mask: npt.NDArray[np.uint32],
    logits: npt.NDArray[np.float32],
    buffer: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Write *logits* to *out*, with minus infinity for what *mask* forbids.

    Eight tokens at a time are looked up by their byte of the mask, because a choice made token by token costs five
    times as much where forbidden and allowed ones mix.

    Parameters:
        mask: As for ``few_ids``.
        logits: Of the whole vocabulary.
        buffer: Scratch of the same size; used where *out* is *logits*. A third row would have to go through the caches.
        out: Of the same size; may be *logits*.
    """
    octets = _octets(mask)
    whole, rest = divmod(len(logits), _OCTET)
    added = buffer if np.may_share_memory(out, logits) else out
    eights = added[: len(logits) - rest].reshape(whole, _OCTET)
    np.take(_ADDED, octets[:whole], axis=0, out=eights, mode="clip")  # other modes copy what they are given to write to
    if rest:
        added[-rest:] = _ADDED[octets[whole], :rest]
    np.add(logits, added, out=out)


def _octets(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Eight tokens each, whatever the machine's byte order."""
    return words.astype("<u4", copy=False).view(np.uint8)


def _allowed_of_each_octet() -> npt.NDArray[np.uint8]:
    return np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")


_ADDED: Final = np.where(_allowed_of_each_octet(), np.float32(0), np.float32(-np.inf))
"""What is added to the logits of eight tokens, by their octet of a mask; shape (256, 8)."""
