"""The marks around thoughts in one vocabulary: which tokens write them, begin them, and run over their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.worker.engine.text import borders

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.dialect import ThinkingMarks
    from jackfield.ports.tokenizer import Tokenizer

_BEFORE: Final = "\x02"
"""No token has it together with other characters."""


class ThoughtMarks:
    """The marks of one dialect.

    Parameters:
        tokenizer: The model's.
        marks: The dialect's.

    ``prepare`` reads the whole vocabulary; masks need it, and nothing else does. Made by the intake thread, prepared by
    any thread, used by the engine loop thread and the mask thread.
    """

    def __init__(self, tokenizer: Tokenizer, marks: ThinkingMarks) -> None:
        self._tokenizer = tokenizer
        self.begin = marks.begin.strip().encode()
        self.end = marks.end.encode()
        self.after = _continuing(tokenizer, marks.after)
        """Tokens between the end of thoughts and the answer."""
        self.closing = _continuing(tokenizer, marks.end + marks.after)
        """Tokens that end thoughts."""
        self.name = tokenizer.name
        self._borders = borders(self.end)
        self.prepared = False
        """Whether the vocabulary was read."""
        self.beginning: list[list[int]] = []
        """For each place in the mark that begins thoughts: tokens that go on with it, and not beyond."""
        self._overrunning: list[tuple[int, bytes]] = []
        """Tokens that have the last byte of the mark, and others behind it."""
        self._rows: list[npt.NDArray[np.uint32]] = []

    def prepare(self) -> None:
        """Read the vocabulary; 0.3 s for 152,000 tokens."""
        tokenizer, begin, last = self._tokenizer, self.begin, self.end[-1:]
        names = [tokenizer.name(token) for token in range(tokenizer.vocabulary)]
        fitting = [(token, name) for token, name in enumerate(names) if name and name in begin]
        self.beginning = [
            [token for token, name in fitting if begin.startswith(name, place)] for place in range(len(begin))
        ]
        self._overrunning = [(token, name) for token, name in enumerate(names) if last in name[:-1]]
        self._rows = [self._row(matched) for matched in range(len(self.end))]
        self.prepared = True

    def search(self, matched: int, data: bytes) -> tuple[int, bool]:
        """Look for the end of thoughts in *data*, where *matched* bytes of it came before.

        Returns:
            How many bytes of it stand at the end now, and whether it was complete at any place.
        """
        for byte in data:
            while matched and self.end[matched] != byte:
                matched = self._borders[matched - 1]
            matched += self.end[matched] == byte
            if matched == len(self.end):
                return matched, True
        return matched, False

    def thinking(self, matched: int) -> npt.NDArray[np.uint32]:
        """The mask of all tokens that do not run over the end of thoughts, of which *matched* bytes came before."""
        return self._rows[matched]

    def _row(self, matched: int) -> npt.NDArray[np.uint32]:
        import numpy as np  # a worker has it through its backend's extra; the kernel does not depend on it

        vocabulary = self._tokenizer.vocabulary
        bits = np.ones(-(-vocabulary // 32) * 32, np.uint8)
        bits[vocabulary:] = 0
        bits[[token for token, name in self._overrunning if self._runs_over(matched, name)]] = 0
        row: npt.NDArray[np.uint32] = np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
        return row

    def _runs_over(self, matched: int, name: bytes) -> bool:
        while True:
            if name[:-1].startswith(self.end[matched:]):
                return True
            if not matched:
                return self.end in name[:-1]
            matched = self._borders[matched - 1]


def _continuing(tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokens of *text* where it does not begin a text: SentencePiece puts a space in front of one that does."""
    before = tokenizer.encode(_BEFORE, add_bos=False, parse_special=False)
    whole = tokenizer.encode(_BEFORE + text, add_bos=False, parse_special=True)
    if whole[: len(before)] == before:
        return whole[len(before) :]
    return tokenizer.encode(text, add_bos=False, parse_special=True)
