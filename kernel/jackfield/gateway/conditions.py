"""What is wrong at present with objects of plugins, in their own words, for ``/readyz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from jackfield.logs import traceback_of
from jackfield.ports.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TROUBLES_MAX: Final = 20
"""Sentences of one plugin that are shown."""

TROUBLE_LENGTH_MAX: Final = 500
"""Characters of a sentence that are shown."""


class Conditions:
    """Objects that may have a condition. Event loop thread.

    Parameters:
        objects: By the name of their plugin; several may have one name.
        own: What the kernel itself has to say, by the name of the plugin that it is about.
    """

    def __init__(self, objects: Sequence[tuple[str, object]], own: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        self._objects = [(name, each) for name, each in objects if _has_one(name, each)]
        self._own = own

    def troubles(self) -> Mapping[str, Sequence[str]]:
        """One sentence each, by the name of the plugin; those of which all is well are not there."""
        found: dict[str, list[str]] = {}
        for name, sentences in (*self._own().items(), *((name, _told(name, each)) for name, each in self._objects)):
            if sentences:
                found.setdefault(name, []).extend(sentences)
        return {name: [each[:TROUBLE_LENGTH_MAX] for each in said[:TROUBLES_MAX]] for name, said in found.items()}


def _has_one(name: str, each: object) -> bool:
    try:
        return isinstance(each, Condition)
    except Exception as error:  # noqa: BLE001 -- a property of foreign code
        _report(name, error)
        return False


def _told(name: str, each: object) -> Sequence[str]:
    try:
        said = each.troubles if isinstance(each, Condition) else ()
        if isinstance(said, str):
            raise TypeError("one text is no list of sentences")  # it would be shown letter by letter
        return [str(sentence) for sentence in said]
    except Exception as error:  # noqa: BLE001 -- foreign code; a broken detail must not look like a dead server
        _report(name, error)
        return (f"it cannot say how it is: {type(error).__name__}",)


def _report(name: str, error: Exception) -> None:
    structlog.get_logger("jackfield.gateway").error(
        "a plugin cannot say how it is", plugin=name, traceback=traceback_of(error)
    )
