"""What each route does, for the server's description of itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from jackfield.frontends.exchange import IGNORED
from jackfield.ports.frontend import Operation, Parameter
from jackfield_ollama import fields, shapes
from jackfield_ollama.bodies import ShowBody
from jackfield_ollama.errors import ErrorBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.capabilities import Need

_LINES: Final = "application/x-ndjson"
_BOTH: Final[Mapping[str, Need]] = {"format": "structured_outputs", "think": "reasoning"}

_with_body: Final = partial(Operation, error=ErrorBody, headers=(IGNORED,))
"""What takes a body, whose fields are screened."""

CHAT: Final = _with_body(
    summary="Answer a conversation, as Ollama.",
    body=shapes.ChatRequest,
    example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "stream": False},
    answer=shapes.ChatReply,
    events=shapes.ChatReply,
    events_content=_LINES,
    honoured=tuple(sorted(fields.CHAT_HONOURED)),
    task="generate",
    needs=("chat",),
    fields_need={**_BOTH, "tools": "tools"},
)
GENERATE: Final = _with_body(
    summary="Answer or continue a text, as Ollama.",
    body=shapes.GenerateRequest,
    example={"model": "demo", "prompt": "Hello", "stream": False},
    answer=shapes.GenerateReply,
    events=shapes.GenerateReply,
    events_content=_LINES,
    honoured=tuple(sorted(fields.GENERATE_HONOURED)),
    task="generate",
    fields_need={**_BOTH, "suffix": "infill", "system": "chat"},
)
EMBED: Final = _with_body(
    summary="Vectors of texts, as Ollama.",
    body=shapes.EmbedRequest,
    example={"model": "demo", "input": "Hello"},
    answer=shapes.EmbedReply,
    honoured=tuple(sorted(fields.EMBED_HONOURED)),
    task="embed",
    fields_need={"dimensions": "matryoshka"},
)
EMBEDDINGS: Final = _with_body(
    summary="The vector of a text, not scaled, as Ollama.",
    body=shapes.EmbeddingsRequest,
    example={"model": "demo", "prompt": "Hello"},
    answer=shapes.EmbeddingsReply,
    honoured=tuple(sorted(fields.EMBEDDINGS_HONOURED)),
    task="embed",
)
TAGS: Final = Operation(summary="The models, as Ollama lists them.", answer=shapes.Tags, error=ErrorBody)
SHOW: Final = _with_body(
    summary="One model, as Ollama shows it.",
    body=ShowBody,
    example={"model": "demo"},
    answer=shapes.Shown,
    honoured=tuple(sorted(fields.SHOW_HONOURED)),
)
PS: Final = Operation(summary="The loaded models, as Ollama lists them.", answer=shapes.Processes, error=ErrorBody)
VERSION: Final = Operation(summary="The version of Ollama whose API this is.", answer=shapes.Version, error=ErrorBody)
PROBE: Final = Operation(summary="Whether somebody speaks Ollama's API.", answer_content="text/plain", error=ErrorBody)
REFUSED: Final = Operation(
    summary="Refused: models are configured in plugins.toml.", answer=ErrorBody, error=ErrorBody, status=400
)
REFUSED_BLOB: Final = Operation(
    summary="Refused: models are configured in plugins.toml.",
    answer=ErrorBody,
    error=ErrorBody,
    status=400,
    parameters=(Parameter(name="digest", where="path", required=True),),
)
