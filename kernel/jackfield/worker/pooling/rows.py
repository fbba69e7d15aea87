"""Results of a pooled model, as they travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield.errors import BackendFault, InvalidRequest

if TYPE_CHECKING:
    import numpy.typing as npt

    from jackfield.pooled import PoolRequest
    from jackfield.ports.backend import ModelInfo

RESULT_BYTES_MAX: Final = 48 * 1024 * 1024
"""Of one result, which must fit a frame of the channel. 2,048 vectors of 4,096 components take 32 MiB."""

_FLOAT_BYTES: Final = 4


def check_result_size(request: PoolRequest, info: ModelInfo) -> None:
    """Refuse what is known, before anything is computed, to be impossible or to give too large a result.

    Raises:
        InvalidRequest: The vectors have fewer components than asked for, or together more bytes than can be sent.
    """
    size = info.embedding_size
    if request.dimensions is not None and 0 < size < request.dimensions:
        raise too_many_dimensions(size)
    width = {"embed": request.dimensions or size, "rerank": 1, "classify": len(info.labels)}[request.task]
    most = RESULT_BYTES_MAX // (_FLOAT_BYTES * max(width, 1))
    if len(request.inputs) > most:
        raise InvalidRequest(f"the result would be too large; this model takes at most {most} inputs", param="input")


def too_many_dimensions(size: int) -> InvalidRequest:
    """The refusal of ``dimensions`` above *size*."""
    return InvalidRequest(f"dimensions must be at most {size} for this model", param="dimensions")


def row_of(values: npt.NDArray[np.float32], request: PoolRequest) -> bytes:
    """One input's result as *request* wants it: a vector is cut first and scaled to length 1 (L2) then.

    Raises:
        InvalidRequest: The vector has fewer components than asked for.
        BackendFault: The model computed nothing, no numbers, or a vector without a direction.
    """
    if not values.size or not np.isfinite(values).all():
        raise BackendFault("the model computed no usable numbers for one of the inputs")
    if request.task == "embed":
        if request.dimensions is not None and request.dimensions > values.size:
            raise too_many_dimensions(values.size)
        values = values[: request.dimensions]
        if request.normalize:
            values = _normalised(values)
    return values.astype("<f4").tobytes()


def _normalised(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    wide = values.astype(np.float64)  # squares of large components would overflow float32
    length = float(np.sqrt(np.dot(wide, wide)))
    if not length:
        raise BackendFault("the model computed a vector of zeros for one of the inputs, which has no direction")
    scaled: npt.NDArray[np.float32] = (wide / length).astype(np.float32)
    return scaled
