"""``/rerank`` in the shapes of Jina, TEI and Cohere, and ``/embedding``."""

from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import exceeds
from jackfield.pooled import INPUTS_MAX, PairPrompt, PoolRequest
from jackfield_llamacpp import fields
from jackfield_llamacpp.bodies import CohereRerankBody, Document, EmbeddingBody, RerankBody
from jackfield_llamacpp.prompts import read_mixed, resolved
from jackfield_llamacpp.reading import chosen_model, decoded, screened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield.context import RequestContext
    from jackfield.frontends.rules import Mode
    from jackfield.pooled import Pooled
    from jackfield.ports.frontend import Gateway
    from jackfield_llamacpp.reading import Given, Headers

_RERANK: Final = msgspec.json.Decoder(RerankBody)
_COHERE: Final = msgspec.json.Decoder(CohereRerankBody)
_EMBEDDING: Final = msgspec.json.Decoder(EmbeddingBody)
_SCORE: Final = struct.Struct("<f")
_FLOAT_BYTES: Final = 4
EUCLIDEAN: Final = 2
"""``embd_normalize`` where a request says nothing."""

_INT16: Final = 32760
"""Of ``common_embd_normalize``: leaves a little room in 16 bits."""


class Usage(msgspec.Struct):
    """How many tokens were read."""

    prompt_tokens: int
    total_tokens: int


class JinaResult(msgspec.Struct, omit_defaults=True):
    """How well one document fits."""

    index: int
    relevance_score: float
    document: Document | None = None


class JinaRanking(msgspec.Struct):
    """Jina's answer."""

    model: str
    object: str
    usage: Usage
    results: list[JinaResult]


class TeiResult(msgspec.Struct, omit_defaults=True):
    """How well one text fits, in TEI's words."""

    index: int
    score: float
    text: str | None = None


class CohereResult(msgspec.Struct):
    """How well one document fits, between 0 and 1."""

    index: int
    relevance_score: float


class CohereRanking(msgspec.Struct):
    """Cohere's answer."""

    id: str
    results: list[CohereResult]
    meta: dict[str, dict[str, int]]


class EmbeddingEntry(msgspec.Struct):
    """The vectors of one input: one, because they are pooled."""

    index: int
    embedding: list[list[float]]


class Pools:
    """Requests to models that read whole inputs, answered with the headers to send. Event loop thread.

    Parameters:
        gateway: What computes.
        default: Model of requests that name none; empty takes the first that can do it.
        mode: What becomes of fields that cannot be honoured.
    """

    def __init__(self, gateway: Gateway, default: str, mode: Mode) -> None:
        self._gateway = gateway
        self._default = default
        self._mode: Mode = mode

    async def rerank(self, data: bytes, context: RequestContext) -> tuple[JinaRanking | list[TeiResult], Headers]:
        """Jina's, or TEI's where the body has ``texts``; scores are the model's own, as llama-server's are."""
        read = screened(data, self._mode, fields.RERANK_HONOURED, fields.RERANK)
        _bounded(read.given)
        body = decoded(_RERANK, read)
        if body.texts is not None and body.documents is not None:
            raise InvalidRequest("give one of documents and texts", param="texts")
        given = [each.text if isinstance(each, Document) else each for each in body.texts or body.documents or ()]
        pooled = await self._ranked(context, body.model, body.query, given)
        ranking = _ranking(pooled, body.top_n)
        if body.texts is not None:
            squash = _sigmoid if body.raw_scores is False else float
            texts = [given[index] if body.return_text else None for index, _ in ranking]
            found = [TeiResult(index, squash(score), text) for (index, score), text in zip(ranking, texts, strict=True)]
            return found, read.headers
        results = [
            JinaResult(index, score, Document(given[index]) if body.return_documents else None)
            for index, score in ranking
        ]
        usage = Usage(pooled.prompt_tokens, pooled.prompt_tokens)
        return JinaRanking(body.model or context.model, "list", usage, results), read.headers

    async def cohere(self, data: bytes, context: RequestContext) -> tuple[CohereRanking, Headers]:
        """Cohere's; scores are between 0 and 1."""
        read = screened(data, self._mode, fields.COHERE_HONOURED, fields.COHERE)
        _bounded(read.given)
        body = decoded(_COHERE, read)
        pooled = await self._ranked(context, body.model, body.query, body.documents)
        results = [CohereResult(index, _sigmoid(score)) for index, score in _ranking(pooled, body.top_n)]
        tokens = {"input_tokens": pooled.prompt_tokens, "output_tokens": 0}
        return CohereRanking(os.urandom(12).hex(), results, {"tokens": tokens}), read.headers

    async def embedding(self, data: bytes, context: RequestContext) -> tuple[Iterator[bytes], Headers]:
        """The vectors, in slices that are encoded as they are asked for."""
        read = screened(data, self._mode, fields.EMBEDDING_HONOURED, fields.EMBEDDING)
        body = decoded(_EMBEDDING, read)
        name = "input" if "input" in read.given else "content"
        if name not in read.given:
            raise InvalidRequest("input or content is required", param="content")
        prompts = read_mixed(read.given[name], name)
        if any(isinstance(each, str) and not each for each in prompts):
            raise InvalidRequest(f"{name} must not be empty", param=name)
        model = self._model(context, body.model, "embed")
        inputs = [await resolved(self._gateway, context, model, each) for each in prompts]
        norm = EUCLIDEAN if body.embd_normalize is None else body.embd_normalize
        asked = PoolRequest(model=model, task="embed", inputs=tuple(inputs), normalize=norm == EUCLIDEAN)
        return _slices(await self._gateway.pool(context, asked), norm), read.headers

    async def _ranked(self, context: RequestContext, model: str | None, query: str, documents: Sequence[str]) -> Pooled:
        if not documents:
            raise InvalidRequest("documents must be a non-empty array of strings", param="documents")
        inputs = tuple(PairPrompt(query, document) for document in documents)
        asked = PoolRequest(model=self._model(context, model, "rerank"), task="rerank", inputs=inputs)
        return await self._gateway.pool(context, asked)

    def _model(self, context: RequestContext, named: str | None, task: str) -> str:
        return chosen_model(self._gateway, context, named, self._default, task)


def _bounded(given: Given) -> None:
    for name in ("documents", "texts"):
        raw = given.get(name)
        if raw is not None and exceeds(raw, 2 * INPUTS_MAX + 1):
            raise InvalidRequest(f"{name} may have at most {INPUTS_MAX} entries", param=name)


def _ranking(pooled: Pooled, top_n: int | None) -> list[tuple[int, float]]:
    """Indexes and scores, best first; among equals the first one."""
    scores = [float(_SCORE.unpack(row)[0]) for row in pooled.rows]
    ranking = sorted(enumerate(scores), key=lambda each: -each[1])
    return ranking[:top_n]


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


def _slices(pooled: Pooled, norm: int) -> Iterator[bytes]:
    for index, row in enumerate(pooled.rows):
        vector = scaled(struct.unpack(f"<{len(row) // _FLOAT_BYTES}f", row), norm)
        yield (b"," if index else b"[") + msgspec.json.encode(EmbeddingEntry(index, [vector]))
    yield b"]"


def scaled(vector: Sequence[float], norm: int) -> list[float]:
    """*vector* as llama.cpp's ``common_embd_normalize`` scales it.

    Parameters:
        vector: As the model gave it; for the Euclidean norm already scaled.
        norm: Below 0: not at all; 0: the largest number becomes 32760; 1: the sum of sizes becomes 1; p: the p-norm.
    """
    if norm < 0 or norm == EUCLIDEAN:
        return list(vector)
    largest = max(map(abs, vector), default=0.0)
    if not largest:
        return list(vector)
    if norm == 0:
        return [value / largest * _INT16 for value in vector]
    # of numbers up to 1, so that no power overflows
    size = largest * sum((abs(value) / largest) ** norm for value in vector) ** (1 / norm)
    return [value / size for value in vector]
