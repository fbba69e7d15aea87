"""What a model can be asked for; the gateway and the worker refuse anything else with the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.types import PoolRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.backend import ModelInfo, RunnerLimits
    from jackfield.types import GenerateRequest

_DOES: Final[Mapping[str, str]] = {
    "generate": "generates text",
    "embed": "embeds text",
    "rerank": "scores how well documents fit a query",
    "classify": "classifies text",
}


def refuse_other_tasks(request: GenerateRequest | PoolRequest, info: ModelInfo) -> None:
    """Raise ``UnsupportedField`` where the model of *info* cannot do what *request* asks; the message says what it can.

    Any thread.
    """
    task = request.task if isinstance(request, PoolRequest) else "generate"
    if task in info.tasks:
        return
    can = " and ".join(_DOES[each] for each in info.tasks)
    raise UnsupportedField(f"this model {can}; it is none that {_DOES[task]}", param="model")


def refuse_many_answers(request: GenerateRequest, limits: RunnerLimits) -> None:
    """Raise ``InvalidRequest`` where *request* asks for more answers than a model of *limits* computes at once."""
    if request.n > limits.max_sequences:
        raise InvalidRequest(f"n must be at most {limits.max_sequences} for this model", param="n")
