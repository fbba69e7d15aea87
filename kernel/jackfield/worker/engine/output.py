"""What one answer shows: text in order, each piece with its tokens' log probabilities where they were asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from jackfield.types import TextDelta
from jackfield.worker.engine.lines import Lines
from jackfield.worker.engine.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.types import TokenLogprob
    from jackfield.worker.engine.sequence import Ends, Recipient


class Output:
    """The text of one answer, on its way to whoever asked.

    Parameters:
        recipient: Gets the text.
        index: Which of the request's answers it is.
        ends: Where it ends; stop strings are looked for once ``min_tokens`` were drawn.

    A token's log probability leaves with the first of its characters: it waits while the text is held back, and is
    dropped with text that a stop string cuts off. A token without text (a control token, half a character) leaves with
    the next text, or with the end. Intake thread makes it, engine loop thread uses it.
    """

    __slots__ = ("_index", "_lines", "_recipient", "_scores", "_shown", "_stream", "_tokens", "_unsearched", "over")

    def __init__(self, recipient: Recipient, index: int, ends: Ends) -> None:
        self._recipient = recipient
        self._index = index
        self._stream = TextStream(ends.stops)
        self._unsearched = ends.min_tokens
        self._lines = Lines(ends.lines) if ends.lines is not None else None
        self.over = False
        """Whether its last line was drawn."""
        self._tokens = 0
        self._shown = 0
        self._scores: list[TokenLogprob] = []

    def echo(self, pieces: Iterable[bytes], scores: Iterable[TokenLogprob] = ()) -> None:
        """Show tokens of the prompt, by their bytes; *scores* has one entry for each, or none at all."""
        stream = self._stream
        texts: list[str] = []
        if scores:
            for piece, score in zip(pieces, scores, strict=True):
                self._keep(score, piece)
                texts.append(stream.pass_on(piece))
        else:
            texts = [stream.pass_on(piece) for piece in pieces]
        self._show("".join(texts))

    def draw(self, piece: bytes, score: TokenLogprob | None, *, last: bool) -> str | None:
        """Take a drawn token in, by its bytes, and show what may be shown.

        Parameters:
            piece: What the token stands for.
            score: How likely it was, where that was asked for.
            last: Whether it is the last one whatever it says.

        Returns:
            The stop string that ends the answer here.
        """
        stream = self._stream
        self._tokens += 1
        if score is not None:
            self._keep(score, piece)
        stop: str | None = None
        if self._unsearched:
            self._unsearched -= 1
            text = stream.pass_on(piece)
        else:
            text, stop = stream.feed(piece)
        if last and stop is None:
            rest, stop = stream.flush()
            text += rest
        if self._lines is not None:
            text, self.over = self._lines.feed(text, time.monotonic())
        if text:
            self._show(text)
        if self.over:
            self._scores.clear()
        return stop

    def end(self, tokens: int, score: TokenLogprob | None = None) -> None:
        """The answer is over, with *tokens* drawn tokens that have no text of their own: an end token, with *score*."""
        self._tokens += tokens
        text, _ = self._stream.flush()
        self._show(text)
        if score is not None:
            self._keep(score, b"")

    def left(self) -> tuple[TokenLogprob, ...]:
        """After the end: the log probabilities of the last tokens, which have no text."""
        return tuple(self._scores)

    def _keep(self, score: TokenLogprob, piece: bytes) -> None:
        """Remember *score* of a token until its text is shown; before *piece*, its bytes, is taken in."""
        self._scores.append(msgspec.structs.replace(score, offset=self._stream.place(piece)))

    def _show(self, text: str) -> None:
        if not text:
            return
        self._shown += len(text)
        tokens, self._tokens = self._tokens, 0
        scores = self._released() if self._scores else ()
        self._recipient.post(TextDelta(text, tokens, self._index, scores))

    def _released(self) -> tuple[TokenLogprob, ...]:
        """The log probabilities of the tokens that begin in what was shown."""
        count = 0
        for score in self._scores:
            if score.offset >= self._shown:
                break
            count += 1
        released = tuple(self._scores[:count])
        del self._scores[:count]
        return released
