"""Answers to conversations: the worker's text in, content, thoughts and calls out."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.parsing.reading import joined
from jackfield.ports.dialect import ArgumentsPiece, ContentPiece, ReasoningPiece
from jackfield.types import Finished, ReasoningDelta, Started, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield.chat import ChatPrompt
    from jackfield.gateway.foreign import NamedDialect
    from jackfield.ports.dialect import ChatReader, Piece
    from jackfield.types import GenerateEvent, GenerateRequest, TokenLogprob

_ID_BYTES: Final = 12


class _Answer:
    """One of the request's answers."""

    def __init__(self, reader: ChatReader, *, continued: bool) -> None:
        self.reader = reader
        self.blank = continued
        """Whether nothing but white space has come of an answer that goes on with a message."""
        self.space = ""
        """That white space: readers drop it in front of an answer, but here it parts two words."""
        self.calls = 0
        self.reasoning_tokens = 0
        """Those of thoughts, and of the marks around them."""
        self.undecided = 0
        """Tokens of text that is held back: it may become a mark that begins thoughts."""
        self.characters = 0
        """Of its text so far."""
        self.unshown: list[TokenLogprob] = []
        """Log probabilities of tokens that are held back with their text."""


class ChatReading:
    """Reads the answers to one conversation. Event loop thread.

    Parameters:
        dialect: The model's.
        chat: What was asked.
        request: Before it was opened.
    """

    def __init__(self, dialect: NamedDialect, chat: ChatPrompt, request: GenerateRequest) -> None:
        self._dialect = dialect
        self._chat = chat
        self._stop = request.stop
        self._scored = request.logprobs is not None
        self._thinks = dialect.traits.reasoning != "none"
        self._prompt_end = ""
        self._answers: dict[int, _Answer] = {}

    def read(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        """What *event* of the worker says."""
        if isinstance(event, TextDelta):
            answer = self._answers.get(event.index) or self._begun(event.index)
            return [*self._scored_text(answer, event)] if self._scored else self._text(answer, event)
        if isinstance(event, Finished):
            return self._end(self._answers.get(event.index) or self._begun(event.index), event)
        if isinstance(event, Started):
            self._prompt_end = event.prompt_end
        return [event]

    def _begun(self, index: int) -> _Answer:
        reader = self._dialect.reader(self._chat, self._prompt_end)
        answer = self._answers[index] = _Answer(reader, continued=self._chat.continue_final)
        return answer

    def _text(self, answer: _Answer, delta: TextDelta) -> Sequence[GenerateEvent]:
        if answer.blank:
            text = delta.text.lstrip()
            answer.space += delta.text[: len(delta.text) - len(text)]
            answer.blank = not text
        if delta.parts and self._thinks:  # how many tokens are thoughts must not depend on what became one on its way
            pieces = joined([*self._counted(answer, delta)])
        else:
            pieces = self._fed(answer, delta.text, delta.tokens)
        return self._events(answer, pieces, delta.index, delta.tokens)

    def _counted(self, answer: _Answer, delta: TextDelta) -> Iterator[Piece]:
        begin = 0
        for characters, tokens in delta.parts:
            yield from self._fed(answer, delta.text[begin : begin + characters], tokens)
            begin += characters

    @staticmethod
    def _fed(answer: _Answer, text: str, tokens: int) -> Sequence[Piece]:
        reader = answer.reader
        thought = reader.reasoning
        pieces = reader.feed(text)
        if thought or reader.reasoning:
            answer.reasoning_tokens += answer.undecided + tokens
            answer.undecided = 0
        else:
            answer.undecided = answer.undecided + tokens if reader.holding else 0
        return pieces

    def _scored_text(self, answer: _Answer, delta: TextDelta) -> Iterator[GenerateEvent]:
        """Token by token, so that each log probability goes with its own text, or with no text at all."""
        begin = answer.characters
        answer.characters += len(delta.text)
        places = [*(max(entry.offset - begin, 0) for entry in delta.logprobs), len(delta.text)]
        if places[0]:  # the rest of a token whose first characters came before
            yield from self._text(answer, TextDelta(delta.text[: places[0]], 0, delta.index))
        tokens = 0
        for entry, (start, end) in zip(delta.logprobs, pairwise(places), strict=True):
            answer.unshown.append(entry)
            tokens += 1
            if start == end:
                continue  # a part of the character that the next one ends
            yield from self._text(answer, TextDelta(delta.text[start:end], tokens, delta.index))
            tokens = 0
            if not answer.reader.holding:
                answer.unshown.clear()

    def _events(self, answer: _Answer, pieces: Sequence[Piece], index: int, tokens: int) -> list[GenerateEvent]:
        events: list[GenerateEvent] = []
        for piece in pieces:
            events.append(_event(answer, piece, index, tokens))
            tokens = 0  # counted once
        return events

    def _end(self, answer: _Answer, finished: Finished) -> Sequence[GenerateEvent]:
        cut = finished.reason == "length"
        events = self._events(answer, answer.reader.end(cut=cut), finished.index, 0)
        reason = finished.reason
        if not cut and answer.reader.malformed:
            reason = "malformed_tool_call"
        elif not cut and answer.calls:
            reason = "tool_calls"
        stopped_by = finished.stopped_by
        ours = isinstance(stopped_by, str) and stopped_by not in self._stop
        usage = msgspec.structs.replace(finished.usage, reasoning_tokens=answer.reasoning_tokens)
        stopped_by = None if ours else stopped_by
        return [*events, msgspec.structs.replace(finished, reason=reason, usage=usage, stopped_by=stopped_by)]


def _event(answer: _Answer, piece: Piece, index: int, tokens: int) -> GenerateEvent:
    space, answer.space = answer.space, ""
    if isinstance(piece, ContentPiece):
        scores = tuple(answer.unshown) if answer.unshown else ()
        answer.unshown.clear()
        return TextDelta(space + piece.text, tokens, index, scores)
    if isinstance(piece, ReasoningPiece):
        return ReasoningDelta(piece.text, tokens, index)
    if isinstance(piece, ArgumentsPiece):
        return ToolCallDelta(answer.calls - 1, piece.text, index=index)
    answer.calls += 1
    return ToolCallDelta(answer.calls - 1, "", piece.id or _new_id(), piece.name, index)


def _new_id() -> str:
    return "call_" + os.urandom(_ID_BYTES).hex()
