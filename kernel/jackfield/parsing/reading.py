"""Readers of answers, written as generators.

A dialect says how a whole answer is read, top to bottom; wherever it needs text that has not come yet, it waits:

    def answer(self) -> Reading[None]:
        yield from self.thoughts("<think>", "</think>")
        while (yield from self.content("<tool_call>")) is not None:
            yield from self.call()

``feed`` lets it go on as far as it can. So however the text is cut, it reads the same.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, ReasoningPiece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jackfield.ports.dialect import Piece

Result = TypeVar("Result")
Reading: TypeAlias = Generator[None, None, Result]
"""A part of a reader: it waits for text at each ``yield``."""

SPACE: Final = " \t\r\n"
"""White space of JSON, and all that models put around marks."""

WORD_MAX: Final = 512
"""Most characters of a name."""


class Malformed(Exception):
    """What was read is no call after all."""


class GeneratorReader:
    """Base of readers; implements ``jackfield.ports.dialect.ChatReader``.

    Parameters:
        prompt_end: The end of the rendered prompt.

    Subclasses write ``answer``. Event loop thread of the gateway.
    """

    def __init__(self, prompt_end: str) -> None:
        self.prompt_end: Final = prompt_end
        self.malformed = False
        self.reasoning = False
        self.over = False
        """Whether no more text comes."""
        self.cut = False
        """Whether a limit ended it."""
        self._text = ""
        """What has come and was not taken."""
        self._taken: list[str] = []
        """What was taken of a call and is not shown as a piece yet: what becomes content if it turns out to be none."""
        self._pieces: list[Piece] = []
        self._said = False
        self._reading = self._whole()
        next(self._reading)

    def answer(self) -> Reading[None]:
        """Read a whole answer."""
        raise NotImplementedError

    # --- ChatReader --------------------------------------------------------------------------------------------------

    def feed(self, text: str) -> Sequence[Piece]:
        """See ``ChatReader``."""
        self._text += text
        return self._go_on()

    def end(self, *, cut: bool) -> Sequence[Piece]:
        """See ``ChatReader``."""
        self.over, self.cut = True, cut
        return self._go_on()

    @property
    def holding(self) -> bool:
        """See ``ChatReader``."""
        return bool(self._text or self._taken)

    def _go_on(self) -> Sequence[Piece]:
        next(self._reading)
        pieces, self._pieces = self._pieces, []
        return joined(pieces)

    def _whole(self) -> Reading[None]:
        yield
        try:
            yield from self.answer()
        except Malformed:
            self._give_up()
        while True:  # whatever comes behind is content
            self.say(self.take(len(self._text)))
            self._taken = []
            yield

    def _give_up(self) -> None:
        taken, self._taken = "".join(self._taken), []
        if not (self.over and self.cut):
            self.malformed = True
            self.say(taken)
        else:
            self._text = ""

    # --- what was read -----------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """*text* is content; white space in front of the first is dropped."""
        if not self._said:
            text = text.lstrip(SPACE)
        if text:
            self._said = True
            self._pieces.append(ContentPiece(text))

    def show(self, text: str) -> None:
        """*text* is content, and was read to be some: it is so whatever comes behind."""
        self._taken = []
        self.say(text)

    def think(self, text: str) -> None:
        """*text* was thought."""
        if text:
            self._pieces.append(ReasoningPiece(text))

    def begin_call(self, name: str, call_id: str = "") -> None:
        """A call begins."""
        self._taken = []
        self._pieces.append(CallPiece(name, call_id))

    def argue(self, text: str) -> None:
        """*text* is the next part of the call's arguments."""
        self._taken = []
        if text:
            self._pieces.append(ArgumentsPiece(text))

    def end_call(self) -> None:
        """The call was read to its end."""
        self._taken = []

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """What has come and was not taken."""
        return self._text

    def take(self, count: int) -> str:
        """Take the next *count* characters, which have come."""
        taken, self._text = self._text[:count], self._text[count:]
        if taken:
            self._taken.append(taken)
        return taken

    def has(self, count: int) -> Reading[bool]:
        """Wait until *count* characters have come; False if there will not be so many."""
        while len(self._text) < count and not self.over:
            yield
        return len(self._text) >= count

    def space(self) -> Reading[str]:
        """Take white space, which is given."""
        parts: list[str] = []
        while True:
            parts.append(self.take(len(self._text) - len(self._text.lstrip(SPACE))))
            if self._text or self.over:
                return "".join(parts)
            yield

    def looking_at(self, *marks: str) -> Reading[str | None]:
        """Which of *marks* comes next, the longest if several do; it is not taken. None if none."""
        while not self.over and any(len(self._text) < len(mark) and mark.startswith(self._text) for mark in marks):
            yield
        return max((mark for mark in marks if self._text.startswith(mark)), key=len, default=None)

    def optional(self, *marks: str) -> Reading[str | None]:
        """Take one of *marks* if it comes next."""
        mark = yield from self.looking_at(*marks)
        if mark is not None:
            self.take(len(mark))
        return mark

    def expect(self, *marks: str) -> Reading[str]:
        """Take one of *marks*, which must come next; raises ``Malformed`` otherwise."""
        mark = yield from self.optional(*marks)
        if mark is None:
            raise Malformed
        return mark

    def word(self, *ends: str) -> Reading[str]:
        """The text up to one of *ends*, which is taken: a name, or an id.

        Raises:
            Malformed: It does not end, or is longer than any name.
        """
        parts: list[str] = []

        def keep(text: str) -> None:
            parts.append(text)
            if sum(map(len, parts)) > WORD_MAX:
                raise Malformed

        if (yield from self.until(ends, keep)) is None:
            raise Malformed
        return "".join(parts)

    def until(self, marks: Sequence[str], pass_on: Callable[[str], None]) -> Reading[str | None]:
        """Pass text on, as it comes, until one of *marks*, which is taken and given; None at the end of the text."""
        while True:
            at, mark = _first(self._text, marks)
            if mark is not None:
                pass_on(self.take(at))
                self.take(len(mark))
                return mark
            pass_on(self.take(len(self._text) if self.over else len(self._text) - held(self._text, marks)))
            if self.over:
                return None
            yield

    def content(self, *marks: str) -> Reading[str | None]:
        """As ``until``, as content; white space in front of a mark is dropped."""
        kept = HeldSpace()

        def pass_on(text: str) -> None:
            self.say(kept.feed(text))
            # it is held back, unless it is in front of everything and will be dropped
            self._taken = [" "] if kept and self._said else []

        self.reasoning = False
        mark = yield from self.until(marks, pass_on)
        if mark is None:
            self.say(kept.take())
            self._taken = []
        else:
            self._taken = [kept.take() + mark]
        return mark

    def thoughts(self, begin: str, end: str) -> Reading[bool]:
        """Thoughts, where the prompt has begun them or the answer begins with them; whether there were any."""
        if not self.prompt_end.rstrip(SPACE).endswith(begin):
            space = yield from self.space()
            if (yield from self.optional(begin)) is None:
                self._text, self._taken = space + self._text, []
                return False
        self.reasoning = True
        yield from self._thoughts_until(end)
        self._taken = []
        self.reasoning = False
        return True

    def _thoughts_until(self, end: str) -> Reading[None]:
        kept, begun = HeldSpace(), False

        def pass_on(text: str) -> None:
            nonlocal begun
            shown = kept.feed(text)
            self._taken = []
            if shown:
                self.think(shown if begun else shown.lstrip(SPACE))
                begun = True

        yield from self.until((end,), pass_on)


class HeldSpace:
    """White space at the end of what came: it is shown once something follows. Event loop thread of the gateway."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def feed(self, text: str) -> str:
        """What can be shown now, *text* being what comes next."""
        shown = text.rstrip(SPACE)
        space = text[len(shown) :]
        if shown:
            shown = self.take() + shown
        if space:
            self._parts.append(space)
        return shown

    def take(self) -> str:
        """All that is held; it is no longer."""
        whole = "".join(self._parts)
        self._parts.clear()
        return whole


def held(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of *text* may be the beginning of one of *marks*."""
    most, length = 0, len(text)
    for mark in marks:
        at = text.find(mark[0], max(length - len(mark) + 1, 0))
        while at >= 0 and length - at > most:
            if mark.startswith(text[at:]):
                most = length - at
            at = text.find(mark[0], at + 1)
    return most


def joined(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """*pieces* with neighbours of one kind made one; each would be an event of its own."""
    if len(pieces) <= 1:
        return pieces
    whole: list[Piece] = []
    for kind, group in groupby(pieces, type):
        if kind is CallPiece:
            whole += group
        else:
            whole.append(_one(kind, group))
    return whole


def _one(kind: type[Piece], group: Iterable[Piece]) -> Piece:
    return kind("".join(piece.text for piece in group if not isinstance(piece, CallPiece)))


def _first(text: str, marks: Sequence[str]) -> tuple[int, str | None]:
    """Where the first of *marks* stands in *text*, and which; of several there the longest."""
    found: tuple[int, int, str] | None = None
    for mark in marks:
        at = text.find(mark)
        if at >= 0 and (found is None or (at, -len(mark)) < found[:2]):
            found = (at, -len(mark), mark)
    return (0, None) if found is None else (found[0], found[2])
