"""What guardrails may ask: the server's own models, as judges."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from jackfield.context import RequestContext
from jackfield.errors import InternalError, ModelNotReady
from jackfield.gateway.request_ids import request_id
from jackfield.pooled import PoolRequest
from jackfield.questions import Detokenise, Text
from jackfield.types import TextPrompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.gateway.pipeline import Pipeline

ROUTE = "guardrail"
"""Of what a guardrail asks, in logs and metrics."""


class AskedModels:
    """Implements ``jackfield.ports.guardrail.Asking``. Event loop thread."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None

    def asks(self, pipeline: Pipeline) -> None:
        """*pipeline* has the models."""
        self._pipeline = pipeline

    async def classify(self, model: str, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """See ``Asking``."""
        pipeline = self._models()
        inputs = tuple(TextPrompt(text) for text in texts)
        context = RequestContext(request_id(None), ROUTE, "")
        pooled = await pipeline.judge(context, PoolRequest(model=model, task="classify", inputs=inputs))
        width = len(pooled.labels)
        return [dict(zip(pooled.labels, struct.unpack(f"<{width}f", row), strict=True)) for row in pooled.rows]

    async def text_of(self, context: RequestContext, model: str, tokens: tuple[int, ...]) -> str:
        """The text of *tokens* of *model*, which a request of *context* has as its prompt.

        Raises:
            JackfieldError: The model's worker cannot say.
        """
        reply = await self._models().read_tokens(context, Detokenise(model=model, tokens=tokens))
        if not isinstance(reply, Text):
            raise InternalError("the worker has answered something else")
        return reply.text.decode(errors="replace")

    def _models(self) -> Pipeline:
        if self._pipeline is None:
            raise ModelNotReady("no model is there yet")
        return self._pipeline
