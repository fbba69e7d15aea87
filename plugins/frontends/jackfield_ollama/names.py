"""Which model a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest, ModelNotFound
from jackfield.frontends.rules import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.frontend import ModelCard

LATEST: Final = ":latest"
"""The tag that Ollama's clients put behind a name without one."""


def find_model(name: str | None, cards: Sequence[ModelCard]) -> ModelCard:
    """The model of this name or alias, with or without ``:latest``.

    Raises:
        InvalidRequest: There is no name.
        ModelNotFound: There is no such model.
    """
    if not name:
        raise InvalidRequest("model is required", param="model")
    for wanted in (name, name.removesuffix(LATEST)):
        for card in cards:
            if wanted == card.name or wanted in card.aliases:
                return card
    raise ModelNotFound(f"model '{shown(name)}' not found", param="model")
