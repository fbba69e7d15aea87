"""From what an evaluator gives to a ``Decision``. What is none is a denial, whatever it looks like."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from jackfield.ports.policy import Decision, Obligations

_VALUE: Final = msgspec.json.Decoder(bool | Decision)

UNDEFINED: Final = "the policies say nothing about this"
INVALID: Final = "the policies' answer cannot be used"


class InvalidAnswer(Exception):
    """It is no decision; the message says what is wrong with it, without repeating it."""


def decision_of(value: bytes | msgspec.Raw | None) -> Decision:
    """The decision that JSON *value* is; None is no value at all.

    Raises:
        InvalidAnswer: It is none.
    """
    if value is None:
        raise InvalidAnswer("undefined")
    try:
        decision = _VALUE.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidAnswer(str(error)) from error
    if isinstance(decision, bool):
        return Decision(allow=decision)
    # what a denial would oblige to is of no use to anybody
    return decision if decision.allow else Decision(allow=False, reasons=decision.reasons)


def denied(engine: str, error: InvalidAnswer) -> Decision:
    """The denial that an answer becomes that is none; it is logged."""
    undefined = str(error) == "undefined"
    structlog.get_logger("jackfield.opa").error(
        "denied: the policies gave no decision", engine=engine, reason="it is undefined" if undefined else str(error)
    )
    return Decision(allow=False, reasons=(UNDEFINED if undefined else INVALID,), obligations=Obligations())
