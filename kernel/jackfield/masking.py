"""What guardrails have masked in one request, so that nothing else keeps or repeats it.

A guardrail replaces a span by a placeholder before a model sees it. Where it may have its original back, the answer
that the client gets has it again; whatever is stored, recorded or logged has the placeholder. Frontends that keep
anything of a request put it through ``hidden``, ``hidden_json`` or ``hidden_events`` first; what was hidden in events
that a client takes up again comes back with ``shown_events``. What an answer repeats of its request goes through
``repeated`` or ``repeated_json`` before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.json_leaves import mapped_leaves
from jackfield.word_index import WordIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

SAYING: Final = frozenset(
    {
        *("content", "text", "arguments", "reasoning_content", "reasoning", "thinking", "refusal", "instructions"),
        *("input", "output", "prompt", "suffix", "description", "name", "query", "documents"),
        *("user", "safety_identifier", "prompt_cache_key"),
    }
)
"""Members of bodies, in any dialect, that have what somebody says, or what somebody calls somebody."""

ALL_SAYING: Final = frozenset({"parameters", "input_schema", "schema", "metadata"})
"""Members of which all is hidden, names and numbers too: JSON Schema of tools and answers, a client's own labels."""

_VALUE: Final = msgspec.json.Decoder(float_hook=msgspec.Raw)
"""Numbers with a point or an exponent stay as they are written: schemas may have some that no float can hold."""


class Masking:
    """The replacements of one request. Event loop thread.

    Parameters:
        replaced: Original → placeholder.
        restorable: Placeholder → original, of those that the client may have back. Neither needs an escape in JSON.
    """

    __slots__ = ("_hiding", "_originals", "_returned", "replaced", "restorable")

    def __init__(self, replaced: Mapping[str, str], restorable: Mapping[str, str]) -> None:
        self.replaced = dict(replaced)
        self.restorable = dict(restorable)
        self._returned: dict[bytes, bytes] = {}
        self._originals: WordIndex | None = None
        """Of ``_hiding``; made when something is to be kept."""
        self._hiding = dict(self.replaced)
        for original, placeholder in self.replaced.items():
            written = _written(original)
            if written != original:  # as it stands in the arguments of calls, which are JSON in a text
                self._hiding.setdefault(written, _written(placeholder))

    def united(self, earlier: Masking | None) -> Masking:
        """With what *earlier*, of another part of the same request, has replaced."""
        if earlier is None:
            return self
        both = Masking({**earlier.replaced, **self.replaced}, {**earlier.restorable, **self.restorable})
        both._returned = self._returned = earlier._returned
        return both

    def returned(self, placeholder: str) -> str:
        """The original of *placeholder*, which the client gets now."""
        original = self.restorable[placeholder]
        self._returned[original.encode()] = placeholder.encode()
        return original

    def hidden(self, text: str) -> str:
        """*text* as it may be kept."""
        if self._originals is None:
            self._originals = WordIndex(self._hiding)
        return self._originals.replaced(text, self._hiding.__getitem__)

    def hidden_json(self, body: bytes) -> bytes:
        """The JSON *body* as it may be kept: the texts of members that say something are put through ``hidden``.

        Those are called ``content``, ``text``, ``arguments``, …; ids and names of kinds stay what they are. Arguments
        of calls and schemas are JSON afterwards as before: numbers that are hidden become texts.

        Raises:
            msgspec.DecodeError: It is no JSON.
        """
        return msgspec.json.encode(self._hidden_value(_VALUE.decode(body), ""))

    def _hidden_value(self, value: object, name: str) -> object:
        """*value*, which is in the member *name*."""
        if name in ALL_SAYING and isinstance(value, dict | list):
            return _VALUE.decode(mapped_leaves(msgspec.json.encode(value).decode(), self.hidden))
        if isinstance(value, str):
            if name == "arguments":  # JSON in a text, which it stays
                return mapped_leaves(value, self.hidden)
            return self.hidden(value) if name in SAYING else value
        if isinstance(value, list):
            return [self._hidden_value(each, name) for each in value]
        if isinstance(value, dict):
            return {key: self._hidden_value(each, key) for key, each in value.items()}
        return value

    def repeated(self, text: str) -> str:
        """*text* of the request, in its answer: with the originals that the client may have back, and those alone."""
        hidden = self.hidden(text)
        self._return_those_in(hidden)
        return WordIndex(self.restorable).replaced(hidden, self.returned)

    def repeated_json(self, body: bytes) -> bytes:
        """As ``hidden_json``, of what events repeat; ``shown_events`` gives the client its own words back in them."""
        hidden = self.hidden_json(body)
        self._return_those_in(hidden.decode())
        return hidden

    def _return_those_in(self, hidden: str) -> None:
        for placeholder in self.restorable:
            if placeholder in hidden:
                self.returned(placeholder)

    def hidden_events(self, events: bytes) -> bytes:
        """Whole *events* of a stream, in JSON, without the originals that this request's answers have given back."""
        return _replaced(events, self._returned)

    def shown_events(self, events: bytes) -> bytes:
        """*events* that were hidden, as the client had them."""
        return _replaced(events, {placeholder: original for original, placeholder in self._returned.items()})


def plain(text: str) -> bool:
    """Whether *text* needs no escape in JSON, so that it is the same wherever it stands."""
    return text.isprintable() and '"' not in text and "\\" not in text


def _replaced(events: bytes, others: Mapping[bytes, bytes]) -> bytes:
    # longest first: one may contain another
    for old in sorted(others, key=len, reverse=True):
        events = events.replace(old, others[old])
    return events


def _written(text: str) -> str:
    """As it stands in JSON."""
    return msgspec.json.encode(text.encode(errors="replace").decode()).decode()[1:-1]
