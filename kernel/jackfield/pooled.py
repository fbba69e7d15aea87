"""The records of requests to models that read whole inputs: embeddings, reranking, classification."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.sampling import in_range
from jackfield.types import TextPrompt, TokenPrompt

INPUTS_MAX: Final = 2048
"""Most inputs of one pooled request (OpenAI's limit for embeddings)."""


class PairPrompt(msgspec.Struct, frozen=True, tag="pair"):
    """A query and a document, for a model that says how well they fit."""

    query: str
    document: str


PoolTask: TypeAlias = Literal["embed", "rerank", "classify"]
"""What a pooled model computes of an input: a vector, one score of a pair, or a score for each of its labels."""


class PoolRequest(msgspec.Struct, frozen=True, kw_only=True, tag="pool"):
    """Inputs that are read and not continued, whatever dialect asked for it."""

    model: str
    """The name the client used: a model's own name or an alias."""
    task: PoolTask
    inputs: tuple[TextPrompt | TokenPrompt | PairPrompt, ...]
    """``rerank`` takes pairs, the other tasks take all but pairs."""
    dimensions: int | None = None
    """``embed``: only so many leading components, normalised again (Matryoshka); None gives all."""
    normalize: bool = True
    """``embed``: scale each vector to length 1 (L2)."""

    def __post_init__(self) -> None:
        if not 0 < len(self.inputs) <= INPUTS_MAX:
            raise InvalidRequest(f"there must be 1 to {INPUTS_MAX} inputs", param="input")
        if any(isinstance(each, PairPrompt) != (self.task == "rerank") for each in self.inputs):
            raise InvalidRequest("rerank takes pairs of query and document, and nothing else does", param="input")
        if self.dimensions is not None:
            if self.task != "embed":
                raise InvalidRequest("dimensions is for embeddings only", param="dimensions")
            in_range("dimensions", self.dimensions, 1, 2**31 - 1)


class Pooled(msgspec.Struct, frozen=True, tag="pooled", array_like=True):
    """The result of a ``PoolRequest``."""

    rows: tuple[bytes, ...]
    """For each input its vector, as little-endian float32: ``embed`` the embedding, ``rerank`` one score (the model's
    raw output), ``classify`` one probability a label, in the order of ``ModelInfo.labels``."""
    prompt_tokens: int
    """Of all inputs."""
    labels: tuple[str, ...] = ()
    """``classify``: the model's labels."""
    queue_s: float = 0.0
    """Seconds from prepared until the first call that computed some of it."""
