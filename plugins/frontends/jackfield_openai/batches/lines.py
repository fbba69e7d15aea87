"""One line of a batch: what it asks, and its answer."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.malformed import malformed, not_of_kind
from jackfield.frontends.outputs import outputs
from jackfield.frontends.users import user_mark
from jackfield.types import PRIORITY_MAX
from jackfield_openai.additions import completed
from jackfield_openai.answers import ChatAnswer, CompletionAnswer
from jackfield_openai.chats.keeping import keeping
from jackfield_openai.decode import decode_chat, decode_completion, decode_embedding
from jackfield_openai.documents import check_documents
from jackfield_openai.embeddings import embedding_slices
from jackfield_openai.serving import whole
from jackfield_openai.tiers import BATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield_openai.answers import Answer
    from jackfield_openai.bodies import Call
    from jackfield_openai.config import OpenAIConfig

ENDPOINTS: Final[Mapping[str, str]] = {
    "/v1/chat/completions": "generate",
    "/v1/completions": "generate",
    "/v1/embeddings": "embed",
    "/v1/responses": "generate",
}
"""What lines may ask, and the scope that it needs."""

ID_MAX: Final = 512
"""Longest ``custom_id``, in characters."""


class LineRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an input file."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


_LINE: Final = msgspec.json.Decoder(LineRequest)


def read_line(data: bytes, endpoint: str) -> LineRequest:
    """Decode a line.

    Raises:
        InvalidRequest: It is no request to *endpoint*.
    """
    try:
        line = _LINE.decode(data)
    except msgspec.ValidationError as error:
        raise not_of_kind(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from error
    if not 0 < len(line.custom_id) <= ID_MAX:
        raise InvalidRequest(f"custom_id must have 1 to {ID_MAX} characters", param="custom_id")
    if line.method != "POST":
        raise InvalidRequest("method must be POST", param="method")
    if line.url != endpoint:
        raise InvalidRequest(f"url must be {endpoint}, as the batch says", param="url")
    return line


async def answered(gateway: Gateway, config: OpenAIConfig, context: RequestContext, line: LineRequest) -> bytes:
    """The answer to a line, as the same request over HTTP has it; it waits for everybody else's.

    Raises:
        JackfieldError: As over HTTP.
    """
    body = bytes(line.body)
    if line.url == "/v1/embeddings":
        asked = decode_embedding(body, config.unknown_fields)
        context.user = user_mark(asked.user)
        pooled = await gateway.pool(context, asked.request)
        slices = embedding_slices(pooled, context.model or asked.request.model, base64=asked.base64)
        return b"".join(slices)
    chat = line.url == "/v1/chat/completions"
    kind: type[Answer] = ChatAnswer if chat else CompletionAnswer
    call = (decode_chat if chat else decode_completion)(body, config.unknown_fields)
    call, keep = keeping(gateway, config.unknown_fields, context, _last(call))
    check_documents(gateway, context, call)
    context.whole = True
    context.user = user_mark(call.user)
    async with aclosing(outputs(gateway, context, call.requests)) as events:
        return await whole(call, kind, completed(call, events, context), context, keep)


def _last(call: Call) -> Call:
    if call.stream:
        raise UnsupportedField("stream: a line of a batch cannot be streamed", param="stream")
    requests = tuple(msgspec.structs.replace(request, priority=PRIORITY_MAX) for request in call.requests)
    return msgspec.structs.replace(call, requests=requests, tier=None if call.tier is None else BATCH)
