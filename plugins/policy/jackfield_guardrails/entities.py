r"""What personal data looks like: for each entity an expression of re2, and what its match must be besides.

No match is longer than ``MATCH_MAX`` characters. Expressions that begin or end with ``\b`` have no letter or digit
beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from jackfield_guardrails import checksums, tokens

MATCH_MAX: Final = 156

Check: TypeAlias = Callable[[str], int]
"""How many characters of a match are one; 0 where none are."""


class Form(NamedTuple):
    """How one entity is told."""

    expression: str
    check: Check


def _whole(test: Callable[[str], bool]) -> Check:
    def check(text: str) -> int:
        return len(text) if test(text) else 0

    return check


def _any(_: str) -> bool:
    return True


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "email": Form(
            r"[\pL\pN._%+-]{1,48}@(?:[\pL\pN][\pL\pN-]{0,19}\.){1,4}[\pL]{2,20}",
            _whole(_any),
        ),
        "card": Form(
            r"\b(?:\d{13,19}|\d{4}[ .-]\d{4}[ .-]\d{4}[ .-]\d{1,7}|\d{4}[ .-]\d{6}[ .-]\d{4,5})\b",
            _whole(checksums.card),
        ),
        "us_ssn": Form(r"\b\d{3}-\d{2}-\d{4}\b", _whole(checksums.us_ssn)),
        "uk_nino": Form(
            r"\b(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]) ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]\b", _whole(checksums.uk_nino)
        ),
        "de_steuer_id": Form(r"\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b", _whole(checksums.de_steuer_id)),
        "fr_nir": Form(
            r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}\b",
            _whole(checksums.fr_nir),
        ),
        "es_dni": Form(r"\b(?:\d{8}|[XYZxyz]-?\d{7})-?[A-Za-z]\b", _whole(checksums.es_dni)),
        "in_aadhaar": Form(r"\b[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}\b", _whole(checksums.in_aadhaar)),
        "br_cpf": Form(r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", _whole(checksums.br_cpf)),
        "iban": Form(r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,4})?", checksums.iban_length),
        "phone": Form(
            r"(?:\+|\b00)[1-9]\d{0,2}[ ./-]?(?:\(0?\d{0,4}\)[ ./-]?)?\d(?:[ ./-]?\d){5,13}\b",
            _whole(checksums.phone),
        ),
        "ip": Form(
            r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b[0-9A-Fa-f]{1,4}(?::{1,2}[0-9A-Fa-f]{1,4}){2,7}\b|::[0-9A-Fa-f]{1,4}\b",
            _whole(checksums.address),
        ),
        "token": Form(tokens.PREFIXED, _whole(_any)),
        "random": Form(tokens.RANDOM, _whole(tokens.random_run)),
        "assigned": Form(tokens.ASSIGNED, _whole(tokens.assigned_secret)),
    }
)
"""In the order in which they are tried at one place."""

CODES: Final[Mapping[str, str]] = MappingProxyType({"random": "token", "assigned": "assignment"})
"""What findings of a form are called, where that is not its own name."""
