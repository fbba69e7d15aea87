"""What the documented fields that are not honoured may say, and what happens to all others.

A field may always be null, have its default, or ask for nothing. Anything more is refused with the field's path, or, in
mode ``warn``, put on a list where leaving it out changes only how well the answer is made and not what it is. Mode
``ignore`` leaves the same fields out and says nothing of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from jackfield.errors import MalformedBody, UnknownField, UnsupportedField
from jackfield.frontends.malformed import malformed, not_of_kind

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")
Mode: TypeAlias = Literal["strict", "warn", "ignore"]

NAME_SHOWN: Final = 64
"""Most characters of a client's own field name that an error or a header repeats."""

FIELDS_MAX: Final = 16_384
"""Most fields of one object, or of all objects of one array: eight for each of the most messages there may be."""

IGNORED_SHOWN: Final = 20
"""Most names in ``x-jackfield-ignored``; proxies cut headers at a few kilobytes."""


_NULL: Final = b"null"

Items: TypeAlias = list[msgspec.Raw]
"""An array whose elements nobody looks at."""
Table: TypeAlias = dict[str, msgspec.Raw]
"""An object whose members nobody looks at."""


def anything(_: object) -> bool:
    """Whatever it says asks for nothing."""
    return True


def never(_: object) -> bool:
    """Whatever it says asks for something."""
    return False


def empty(value: Items | Table | str) -> bool:
    """Empty asks for nothing."""
    return not value


def one_of(*values: str) -> Callable[[str], bool]:
    """What asks for nothing: one of *values*."""
    return lambda value: value in values


class FieldName(str):
    """A key of a JSON object that equals nothing but itself, so that a dictionary keeps a name that came twice."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


Names: TypeAlias = dict[FieldName, msgspec.Raw]
"""The fields of one JSON object as they were sent, values undecoded."""


class NamesDecoder(Generic[Value]):
    """Decodes ``Names``, or arrays of them, up to ``FIELDS_MAX`` fields. Gateway's event loop.

    Parameters:
        kind: What to decode: built of ``Names``.

    Every name costs a call back into Python: without the limit a body of 16 MiB could hold the event loop for seconds.
    """

    __slots__ = ("_decoder", "_left")

    def __init__(self, kind: type[Value]) -> None:
        self._left = 0
        self._decoder = msgspec.json.Decoder(kind, dec_hook=self._name)

    def decode(self, data: bytes | msgspec.Raw, path: str = "") -> Value:
        """The fields.

        Parameters:
            data: JSON.
            path: Path of the value, for errors; empty for the body.

        Raises:
            MalformedBody: Not JSON, not an object, or too many fields.
            InvalidRequest: An inner value is no object.
        """
        self.begin()
        return self.decode_more(data, path)

    def begin(self) -> None:
        """Several values come that may have ``FIELDS_MAX`` fields together."""
        self._left = FIELDS_MAX

    def decode_more(self, data: bytes | msgspec.Raw, path: str) -> Value:
        """As ``decode``, for one of several values."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            raise not_of_kind(error, path) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from error

    def _name(self, _kind: type, value: str) -> FieldName:
        self._left -= 1
        if self._left < 0:
            raise MalformedBody(f"the body has more than {FIELDS_MAX} fields")
        return FieldName(value)


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a value is ``null``, which counts as absent."""
    return len(memoryview(raw)) == len(_NULL) and bytes(raw) == _NULL


def present(names: Names) -> Mapping[str, msgspec.Raw]:
    """The fields that are not null, by name. *names* were screened: none is there twice."""
    return {str(name): raw for name, raw in names.items() if not is_null(raw)}


class Rule(Generic[Value]):
    """One documented field that is not honoured.

    Parameters:
        kind: The type that the reference gives it.
        nothing: Whether a value of that type asks for nothing; null always does.
        tunes: Whether the answer without it is still the answer that was asked for; modes ``warn`` and ``ignore`` may
            leave it out.
    """

    __slots__ = ("_decoder", "_nothing", "tunes")

    def __init__(self, kind: object, nothing: Callable[[Value], bool], *, tunes: bool = False) -> None:
        self._decoder: msgspec.json.Decoder[Value] = msgspec.json.Decoder(kind)
        self._nothing = nothing
        self.tunes = tunes

    def asks(self, raw: msgspec.Raw, path: str) -> bool:
        """Whether the field asks for something; raises ``InvalidRequest`` for a value of the wrong type."""
        if is_null(raw):
            return False
        try:
            value = self._decoder.decode(raw)
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            raise not_of_kind(error, path) from error
        return not self._nothing(value)


class FieldRule(Protocol):
    """A ``Rule`` of any type."""

    tunes: bool

    def asks(self, raw: msgspec.Raw, path: str) -> bool:
        """As in ``Rule``."""
        ...


Rules: TypeAlias = Mapping[str, FieldRule]
"""The documented fields of one object that are not honoured."""


class Screening:
    """Goes through the fields of one request.

    Parameters:
        mode: What to do with a field that cannot be honoured.
    """

    __slots__ = ("_mode", "ignored")

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self.ignored: list[str] = []
        """Paths of the fields that were left out and that the client is told, in order."""

    def screen(self, names: Names, honoured: frozenset[str], rules: Rules, prefix: str = "") -> None:
        """Check the fields of one object.

        Parameters:
            names: Its fields.
            honoured: Those that are decoded elsewhere.
            rules: The other documented ones.
            prefix: Path of the object, with a dot at its end.

        Raises:
            InvalidRequest: A field has the wrong type, is unknown, or asks for what cannot be done.
            MalformedBody: A name stands there twice.
        """
        seen: set[str] = set()
        for key, raw in names.items():
            name = str(key)
            if name in seen:
                raise MalformedBody(f"{prefix}{shown(name)} is given twice", param=prefix + shown(name))
            seen.add(name)
            if name in honoured:
                continue
            rule = rules.get(name)
            if rule is None:
                self._unknown(name, prefix, honoured, rules)
            elif rule.asks(raw, prefix + name):
                self.unsupported(prefix + name, tunes=rule.tunes)

    def _unknown(self, name: str, prefix: str, honoured: frozenset[str], rules: Rules) -> None:
        path = prefix + shown(name)
        if self._mode != "strict":
            self.leave_out(path)
            return
        close = difflib.get_close_matches(shown(name), [*honoured, *rules], n=1, cutoff=0.7)
        hint = f"; did you mean {prefix}{close[0]}?" if close else ""
        raise UnknownField(f"unknown field {path}{hint}", param=path)

    def unsupported(self, path: str, *, tunes: bool, why: str = "") -> None:
        """A field asks for what cannot be done: refuse it, or put it on the list.

        Parameters:
            path: Of the field.
            tunes: As in ``Rule``.
            why: The message, where there is more to say than that it cannot be done.
        """
        if tunes and self._mode != "strict":
            self.leave_out(path)
            return
        message = why or f"{path} asks for something that this server cannot do; leave it out"
        raise UnsupportedField(message, param=path)

    def leave_out(self, path: str) -> None:
        """Put *path* on the list, unless nobody wants to know."""
        if self._mode != "ignore":
            self.ignored.append(path)


def shown(name: str) -> str:
    """A client's own field name, cut to a length that is safe to repeat."""
    return name if len(name) <= NAME_SHOWN else name[:NAME_SHOWN] + "…"
