"""``/v1/moderations``: what the guardrails that are on find (``CreateModeration`` of OpenAI's description 2.3.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import typed
from jackfield.frontends.exchange import IGNORED, ignored_header, json_answer, read_body
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Screening
from jackfield.ports.frontend import Operation, Route
from jackfield_openai.records import new_id
from jackfield_openai.shapes import ErrorBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.moderation import Moderation
    from jackfield.ports.frontend import Gateway
    from jackfield_openai.config import OpenAIConfig

TEXTS_MAX: Final = 1024
"""Most texts of one request."""

MODEL: Final = "guardrails"
"""What answers say has judged, where the request names nobody; whatever it names judges nothing."""


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A text among other things."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    """An image, which nobody here looks at."""

    image_url: dict[str, str]


Input: TypeAlias = str | Annotated[list[str | TextPart | ImagePart], Meta(min_length=1, max_length=TEXTS_MAX)]


class ModerationBody(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/v1/moderations`` takes."""

    input: Input
    """One text, or several; parts of one input, where they say of which type they are."""
    model: str | None = None
    """Accepted, and told back: the guardrails that are on judge."""


class ModerationResult(msgspec.Struct, kw_only=True):
    """What was found in one input."""

    flagged: bool
    categories: dict[str, bool]
    """All that the guardrails look for."""
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text"]]]


class ModerationAnswer(msgspec.Struct, kw_only=True):
    """One result for each text."""

    id: str
    model: str
    results: list[ModerationResult]


MODERATE: Final = Operation(
    summary="Have texts judged by the guardrails that are on",
    body=ModerationBody,
    example={"input": "Hello"},
    answer=ModerationAnswer,
    headers=(IGNORED,),
    error=ErrorBody,
    refusals=(UnsupportedField("no guardrail is enabled here that moderates", param="input"),),
    honoured=("input", "model"),
)

_NAMES: Final = NamesDecoder(Names)
_BODY: Final = msgspec.json.Decoder(ModerationBody)
_HONOURED: Final = frozenset({"input", "model"})


class Moderations:
    """The route's handler.

    Parameters:
        gateway: Has the guardrails.
        config: ``[config.openai]``.
    """

    def __init__(self, gateway: Gateway, config: OpenAIConfig) -> None:
        self._gateway = gateway
        self._config = config

    def routes(self) -> Sequence[Route]:
        """The path."""
        return (Route("POST", "/v1/moderations", self.moderate, scope="moderate", operation=MODERATE),)

    async def moderate(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/moderations``."""
        body, ignored = decode_moderation(await read_body(request), self._config.unknown_fields)
        found = await self._gateway.moderate(context, texts_of(body.input))
        answer = ModerationAnswer(
            id=new_id("modr-"), model=body.model or MODEL, results=[_result(each) for each in found]
        )
        return json_answer(msgspec.json.encode(answer), ignored_header(ignored))


def decode_moderation(data: bytes, mode: Mode) -> tuple[ModerationBody, Sequence[str]]:
    """The body, and the names of fields that were ignored.

    Raises:
        ClientError: It is no body of this route; ``param`` names the field.
    """
    screening = Screening(mode)
    screening.screen(_NAMES.decode(data), _HONOURED, {})
    return typed(_BODY, data), tuple(screening.ignored)


def texts_of(given: Input) -> Sequence[str]:
    """The texts to judge: parts of one input are one text.

    Raises:
        UnsupportedField: There is an image.
        InvalidRequest: Texts and parts are mixed.
    """
    if isinstance(given, str):
        return [given]
    if any(isinstance(each, ImagePart) for each in given):
        raise UnsupportedField("input: images are not judged here", param="input")
    parts = [each.text for each in given if isinstance(each, TextPart)]
    if not parts:
        return [each for each in given if isinstance(each, str)]
    if len(parts) < len(given):
        raise InvalidRequest("input must have either texts or parts", param="input")
    return ["\n".join(parts)]


def _result(found: Moderation) -> ModerationResult:
    return ModerationResult(
        flagged=found.flagged,
        categories=dict(found.categories),
        category_scores=dict(found.scores),
        category_applied_input_types={name: ["text"] for name in found.categories},
    )
