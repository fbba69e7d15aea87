"""What models are called: own names, and aliases that models with different tags may share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.manifest import ModelConfig


class NameTaken(Exception):
    """Two models cannot both have a name.

    Attributes:
        key: The key path that is at fault: ``models.b.aliases``.
        message: Why.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


def named(models: Mapping[str, ModelConfig]) -> Mapping[str, Sequence[str]]:
    """The models that each name stands for, in manifest order.

    An own name stands for one model. Several may share an alias where each has ``tags``, and no two the same ones:
    policies choose between them by tag, and who is not sent anywhere gets the first one.

    Raises:
        NameTaken: A name stands for two models that cannot share it.
    """
    names: dict[str, list[str]] = {}
    for model, config in models.items():
        for name in dict.fromkeys((model, *config.aliases)):
            holders = names.setdefault(name, [])
            if holders:
                _may_share(name, model, holders, models)
            holders.append(model)
    return names


def _may_share(name: str, model: str, holders: Sequence[str], models: Mapping[str, ModelConfig]) -> None:
    if name in (model, *holders):
        other = holders[0]
        key = f"models.{model}" if name == model else f"models.{model}.aliases"
        raise NameTaken(key, f"{name} is already a name of the model {other}")
    tags = [frozenset(models[each].tags) for each in (*holders, model)]
    if not all(tags) or tags[-1] in tags[:-1]:
        raise NameTaken(
            f"models.{model}.aliases",
            f"{name} is already a name of the model {holders[0]}; models share an alias where each has tags, and no two"
            " the same ones",
        )
