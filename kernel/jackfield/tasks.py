"""What a model can be asked for; the gateway and the worker refuse anything else with the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.pooled import PoolRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.backend import ModelInfo, RunnerLimits
    from jackfield.questions import Question
    from jackfield.types import GenerateRequest

_CAN: Final[Mapping[str, str]] = {
    "generate": "generate text",
    "embed": "embed text",
    "rerank": "score how well documents fit a query",
    "classify": "classify text",
}


def refuse_other_tasks(request: GenerateRequest | PoolRequest | Question, info: ModelInfo) -> None:
    """Raise ``UnsupportedField`` where the model of *info* cannot do what *request* asks; the message says what it can.

    Any thread.
    """
    task = request.task if isinstance(request, PoolRequest) else "generate"
    if task in info.tasks:
        return
    can = " and ".join(_CAN[each] for each in info.tasks)
    raise UnsupportedField(f"this model can {can}; it cannot {_CAN[task]}", param="model")


def refuse_short_vectors(request: PoolRequest, info: ModelInfo) -> None:
    """Raise ``UnsupportedField`` where *request* wants a part of a model's vectors that says nothing by itself.

    For models that were not trained for it (Matryoshka). Any thread.
    """
    if request.dimensions not in {None, info.embedding_size}:
        raise UnsupportedField(
            f"dimensions: this model's vectors of {info.embedding_size} components cannot be shortened; if it was"
            " trained for it, its operator can say so (matryoshka)",
            param="dimensions",
        )


def refuse_many_answers(request: GenerateRequest, limits: RunnerLimits) -> None:
    """Raise ``InvalidRequest`` where *request* asks for more answers than a model of *limits* computes at once."""
    if request.n > limits.max_sequences:
        raise InvalidRequest(f"n must be at most {limits.max_sequences} for this model", param="n")
