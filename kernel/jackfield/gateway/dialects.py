"""Which chat dialect serves which model, and what a conversation becomes before it goes to the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from jackfield.errors import InvalidRequest, JackfieldError, ManifestError, UnsupportedField
from jackfield.gateway.chat_reading import ChatReading
from jackfield.gateway.foreign import NamedDialect
from jackfield.parsing.shaping import template_variables
from jackfield.types import STOP_MAX, GenerateRequest, TemplatePrompt, ThinkingLimit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.manifest import ModelConfig
    from jackfield.ports.dialect import DialectFactory, Opening

AUTO: Final = "auto"
NONE: Final = "none"


class Opened(NamedTuple):
    """A request as the worker gets it, and what reads the answers."""

    request: GenerateRequest
    reading: ChatReading | None
    """None where answers are read as they are."""


class Dialects:
    """The enabled dialects. Event loop thread.

    Parameters:
        factories: By name, in manifest order.
        models: ``[models]``.

    Raises:
        ManifestError: A model names a dialect that nobody hands over.
    """

    def __init__(self, factories: Mapping[str, DialectFactory], models: Mapping[str, ModelConfig]) -> None:
        self._factories = factories
        for name, model in models.items():
            if model.dialect not in {AUTO, NONE, *factories}:
                key = f"models.{name}.dialect"
                raise ManifestError(
                    f"{key}: no enabled plugin hands over the dialect {model.dialect!r};"
                    f" there are {', '.join(sorted(factories)) or 'none'}",
                    param=key,
                )

    def choose(self, wanted: str, chat_format: ChatFormat | None) -> NamedDialect | None:
        """The dialect of a model with *chat_format*; *wanted* is ``[models.NAME] dialect``."""
        if chat_format is None or wanted == NONE:
            return None
        for name, factory in self._factories.items():
            if wanted in {AUTO, name}:
                found = _made(name, factory, chat_format, named=wanted != AUTO)
                if found is not None:
                    return found
        return None


def open_chat(request: GenerateRequest, chat: ChatPrompt, dialect: NamedDialect | None) -> Opened:
    """What *request*, which asks *chat*, becomes for a model that *dialect* serves.

    Raises:
        InvalidRequest: The model's family cannot do what is asked; ``param`` is the field's.
        UnsupportedField: The model has no dialect, and what is asked needs one.
    """
    if dialect is None:
        _refuse_without_dialect(chat)
        prompt = TemplatePrompt(msgspec.json.encode(template_variables(chat)), chat.continue_final)
        return Opened(msgspec.structs.replace(request, prompt=prompt), None)
    _refuse_what_it_cannot(chat, dialect)
    opening = dialect.open(chat, request.constraint)
    return Opened(_worded(request, chat, opening), ChatReading(dialect, chat, request))


def _made(name: str, factory: DialectFactory, chat_format: ChatFormat, *, named: bool) -> NamedDialect | None:
    try:
        dialect = factory(chat_format, named=named)
    except Exception as error:  # noqa: BLE001 -- one that breaks on a model's template must not take the others along
        problem = error.message if isinstance(error, JackfieldError) else type(error).__name__
        structlog.get_logger("jackfield.gateway").error("a chat dialect failed", plugin=name, error=problem)
        return None
    return None if dialect is None else NamedDialect(name, dialect)


def _worded(request: GenerateRequest, chat: ChatPrompt, opening: Opening) -> GenerateRequest:
    thinking = opening.thinking and ThinkingLimit(marks=opening.thinking, budget=chat.thinking.budget)
    return msgspec.structs.replace(
        request,
        prompt=TemplatePrompt(msgspec.json.encode(opening.variables), chat.continue_final),
        constraint=opening.constraint,
        thinking=thinking,
        shown_tokens=opening.shown_tokens,
        stop=_stops(request.stop, opening.stop),
    )


def _stops(asked: tuple[str, ...], needed: tuple[str, ...]) -> tuple[str, ...]:
    stops = (*asked, *(each for each in needed if each not in asked))
    if len(stops) > STOP_MAX:
        raise InvalidRequest(
            f"stop may have at most {STOP_MAX - len(needed)} strings here: the model's own way of calls needs"
            f" {len(needed)}",
            param="stop",
        )
    return stops


def _refuse_without_dialect(chat: ChatPrompt) -> None:
    if chat.callable:
        raise UnsupportedField("this model has no chat dialect, so its calls of tools could not be read", param="tools")
    if chat.thinking.asked and (chat.thinking.enabled is not False or chat.thinking.budget):
        raise UnsupportedField(
            "this model has no chat dialect, so nothing is known of its thoughts", param=chat.thinking.param
        )


def _refuse_what_it_cannot(chat: ChatPrompt, dialect: NamedDialect) -> None:
    traits, thinking = dialect.traits, chat.thinking
    if chat.callable and not traits.tools:
        raise UnsupportedField("this model does not call tools", param="tools")
    if traits.reasoning == "none" and (thinking.enabled or thinking.budget or thinking.effort):
        raise UnsupportedField("this model does not think before it answers", param=thinking.param)
    if traits.reasoning == "always" and thinking.enabled is False:
        raise UnsupportedField("this model always thinks before it answers", param=thinking.param)
