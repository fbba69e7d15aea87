"""What goes to an evaluator: a question as JSON in which nothing needs an escape.

rego-cpp writes strings of its input without escapes, ends them at NUL and keeps 64 bits of a number, so a name could
become a permission. The kernel asks with harmless names only; this looks again, at the bytes themselves.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import JackfieldError
from jackfield.ports.policy import NAME, NAME_MAX, Decision

if TYPE_CHECKING:
    from jackfield.ports.policy import PolicyInput

QUESTION_MAX: Final = 65_536
"""Longest question, in bytes."""

_ALPHABET: Final = bytes(range(0x20, 0x7F)).replace(b"\\", b"")
"""Printable ASCII. A quote within a name would have a backslash before it, and so has no place here either. What has
other characters is looked at name by name."""
_LONG: Final = re.compile(rb'"[^"]{%d}' % (NAME_MAX + 1))
_HUGE: Final = re.compile(rb'":-?[0-9]{19}')
"""A number that may not fit into 64 bits. No string has a quote in it, so only a field's value looks like this."""

_UNIX: Final = re.compile(rb'"unix":[0-9]+,')
"""The only field that is different every second."""

_ENCODER: Final = msgspec.json.Encoder()


class Unaskable(JackfieldError):
    """No policy can be asked that."""


NOT_ASKED: Final = Decision(allow=False, reasons=("policies cannot be asked about such names or numbers",))


def encode(question: PolicyInput) -> bytes:
    """*question* as JSON.

    Raises:
        Unaskable: It has something in it that is no plain name and no plain number, or too much.
    """
    try:
        data = _ENCODER.encode(question)
    except (ValueError, OverflowError, TypeError) as error:
        raise Unaskable("a name or a number cannot be written") from error
    if (
        len(data) > QUESTION_MAX
        or not _harmless(data)
        or _HUGE.search(data)
        or not math.isfinite(question.request.temperature)
    ):
        raise Unaskable("a name or a number is not harmless")
    return data


def _harmless(data: bytes) -> bool:
    """Whether JSON *data* has names in it that rego-cpp reads as they are, and none that is too long."""
    if data.isascii():
        return not data.translate(None, _ALPHABET) and not _LONG.search(data)
    return all(map(NAME.match, data.decode().split('"')))  # also what is between names, which is shorter


def timeless(question: bytes) -> bytes:
    """What two questions of the same minute have in common: all but the second."""
    return _UNIX.sub(b"", question, count=1)
