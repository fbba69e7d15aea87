"""Reads the family's answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.reading import SPACE, HeldSpace, Malformed
from jackfield_harmony.marks import CALL, CHANNEL, CONSTRAIN, END, ENDS, FUNCTIONS, MESSAGE, RETURN, START

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.parsing.reading import Reading

_RECIPIENT: Final = re.compile(r"\bto=([^\s<]+)")
_CHANNEL: Final = re.compile(re.escape(CHANNEL) + r"\s*(\w*)")
_BETWEEN: Final = "\n\n"
"""Between messages that clients get as one."""
_BEGINS: Final = (START, CHANNEL, CONSTRAIN, MESSAGE, f"to={FUNCTIONS}")
"""What a message begins with; the prompt ends within one."""


class _Header(NamedTuple):
    """What a message says of itself."""

    channel: str
    recipient: str
    """Empty where it is for the user."""


class HarmonyReader(JsonCallReader):
    """Messages one after another, each in a channel: thoughts, calls, content.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called.
        continued: Whether the answer goes on with a message instead of beginning one.
    """

    def __init__(self, prompt_end: str, names: Collection[str], *, continued: bool) -> None:
        self._continued = continued
        self._thought = False
        self._apart = False
        """Whether what is said next is a message behind another one."""
        super().__init__(prompt_end, names)

    def answer(self) -> Reading[None]:
        """Messages; text that is in none is content."""
        end = (yield from self._speak()) if self._continued else END
        while True:
            if end != START:
                yield from self._skip_ends()
            if not self.text and self.over:
                return
            if end == START or (yield from self.looking_at(*_BEGINS)) is not None:
                end = yield from self._message()
            else:
                end = yield from self._speak()

    def say(self, text: str) -> None:
        """As any reader's, with a blank line between messages."""
        if self._apart and text:
            text, self._apart = _BETWEEN + text.lstrip(SPACE), False
        super().say(text)

    def _skip_ends(self) -> Reading[None]:
        yield from self.space()
        while (yield from self.optional(END, CALL, RETURN)) is not None:
            yield from self.space()
        self.end_call()

    def _message(self) -> Reading[str]:
        """A message, its beginning included; gives what ended it."""
        header = _header((yield from self.word(MESSAGE)))
        if header.recipient:
            yield from self._call(header.recipient)
            return END
        if header.channel == "analysis":
            return (yield from self._think())
        return (yield from self._speak())

    def _call(self, recipient: str) -> Reading[None]:
        self.begin_call(self.known(recipient.removeprefix(FUNCTIONS)))
        yield from self.space()
        if self.text and (yield from self.looking_at(*ENDS)) is None:
            yield from self.arguments()
        elif self.over and self.cut:
            raise Malformed
        else:
            self.argue("{}")
        self.end_call()

    def _speak(self) -> Reading[str]:
        self._apart = self._said
        end = yield from self.content(*ENDS)
        self._apart = False
        self.end_call()
        return end or END

    def _think(self) -> Reading[str]:
        kept, begun = HeldSpace(), False

        def pass_on(text: str) -> None:
            nonlocal begun
            shown = kept.feed(text)
            self.end_call()
            if shown and not begun:
                shown = (_BETWEEN if self._thought else "") + shown.lstrip(SPACE)
                begun = self._thought = True
            self.think(shown)

        self.reasoning = True
        end = yield from self.until(ENDS, pass_on)
        self.reasoning = False
        self.end_call()
        return end or END


def _header(text: str) -> _Header:
    channel, recipient = _CHANNEL.search(text), _RECIPIENT.search(text)
    return _Header(channel[1] if channel else "", recipient[1] if recipient else "")
