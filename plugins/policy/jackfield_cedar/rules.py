"""What stands beside a policy, in its annotations: its name, its reason, and what its permission depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.ports.policy import NAME_MAX, Obligations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX: Final = "obligation_"

CONDITION: Final = "condition"
"""Annotation of a permit that allows nothing by itself: it says on what conditions others do."""

_FREE: Final = Obligations()


class Annotated(msgspec.Struct):
    """One policy, as Cedar's JSON has it."""

    effect: str
    annotations: dict[str, str | None] = {}
    conditions: list[object] = []
    """``when`` and ``unless``, as trees."""


class Rule(msgspec.Struct, frozen=True):
    """One policy, as far as the kernel is told of it."""

    name: str
    """For people: ``limits.cedar: contractors``."""
    effect: str
    reason: str = ""
    obligations: Obligations = _FREE
    grants: bool = True
    """Whether it allows something by itself; one that does not only obliges."""


def rule_of(source: str, number: int, policy: Annotated) -> Rule:
    """What is known of a policy.

    Parameters:
        source: The file or document it stands in.
        number: Which one it is there; the first is 1.
        policy: What Cedar says of it.

    Raises:
        ValueError: An annotation cannot be used; the message names the policy.
    """
    notes = {name: text or "" for name, text in policy.annotations.items()}
    name = f"{source}: {notes.get('id') or f'policy {number}'}"
    reason = notes.get("reason", "")
    if len(reason) > NAME_MAX:
        raise ValueError(f"{name}: @reason may have at most {NAME_MAX} characters")
    if len(name) > NAME_MAX:
        raise ValueError(f"{source}: policy {number}: @id is too long")
    try:
        obligations = _obligations(notes)
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"{name}: {error}") from error
    if policy.effect != "permit" and (obligations != _FREE or CONDITION in notes):
        raise ValueError(f"{name}: only a permit can oblige to something")
    if CONDITION in notes and obligations == _FREE:
        raise ValueError(f"{name}: a condition that obliges to nothing does nothing")
    return Rule(name, policy.effect, reason, obligations, grants=CONDITION not in notes)


def _obligations(notes: Mapping[str, str]) -> Obligations:
    told: dict[str, object] = {}
    for note, text in notes.items():
        if not note.startswith(PREFIX):
            continue
        field = note.removeprefix(PREFIX)
        if field not in _READERS:
            raise ValueError(f"@{note} is not known; there is {', '.join(f'@{PREFIX}{each}' for each in _READERS)}")
        try:
            told[field] = _READERS[field](text)
        except ValueError:
            raise ValueError(f"@{note}: {text[:64]!r} is no {_WORDS[field]}") from None
    return msgspec.convert(told, Obligations)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "max_tokens": int,
    "priority": int,
    "route": str,
    "redact": _flag,
    "guardrails": _list,
}
_WORDS: Final = {"max_tokens": "number", "priority": "number", "route": "tag", "redact": "true or false"}
