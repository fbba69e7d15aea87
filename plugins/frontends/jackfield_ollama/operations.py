"""What each route does, for the server's description of itself."""

from __future__ import annotations

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

CHAT: Final = Operation(
    summary="Answer a conversation, as Ollama.",
    body=shapes.ChatRequest,
    example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "stream": False},
    answer=shapes.ChatReply,
    events=shapes.ChatReply,
    events_content=_LINES,
    error=ErrorBody,
    headers=(IGNORED,),
    honoured=tuple(sorted(fields.CHAT_HONOURED)),
    task="generate",
    needs=("chat",),
    fields_need={**_BOTH, "tools": "tools"},
)
GENERATE: Final = Operation(
    summary="Answer or continue a text, as Ollama.",
    body=shapes.GenerateRequest,
    example={"model": "demo", "prompt": "Hello", "stream": False},
    answer=shapes.GenerateReply,
    events=shapes.GenerateReply,
    events_content=_LINES,
    error=ErrorBody,
    headers=(IGNORED,),
    honoured=tuple(sorted(fields.GENERATE_HONOURED)),
    task="generate",
    fields_need={**_BOTH, "suffix": "infill", "system": "chat"},
)
EMBED: Final = Operation(
    summary="Vectors of texts, as Ollama.",
    body=shapes.EmbedRequest,
    example={"model": "demo", "input": "Hello"},
    answer=shapes.EmbedReply,
    error=ErrorBody,
    headers=(IGNORED,),
    honoured=tuple(sorted(fields.EMBED_HONOURED)),
    task="embed",
    fields_need={"dimensions": "matryoshka"},
)
EMBEDDINGS: Final = Operation(
    summary="The vector of a text, not scaled, as Ollama.",
    body=shapes.EmbeddingsRequest,
    example={"model": "demo", "prompt": "Hello"},
    answer=shapes.EmbeddingsReply,
    error=ErrorBody,
    headers=(IGNORED,),
    honoured=tuple(sorted(fields.EMBEDDINGS_HONOURED)),
    task="embed",
)
TAGS: Final = Operation(summary="The models, as Ollama lists them.", answer=shapes.Tags, error=ErrorBody)
SHOW: Final = Operation(
    summary="One model, as Ollama shows it.",
    body=ShowBody,
    example={"model": "demo"},
    answer=shapes.Shown,
    error=ErrorBody,
    headers=(IGNORED,),
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
