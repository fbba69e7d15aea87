"""What all bodies have in common: screening, typed decoding, the model that is asked, what an answer must look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from jackfield.errors import InvalidRequest, MalformedBody, ModelNotFound
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.exchange import ignored_header
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Rules, Screening, present
from jackfield.ports.constraint import Constraint, GrammarText, JsonObject, JsonSchema
from jackfield.sampling import BREAKERS_MAX
from jackfield.types import STOP_MAX
from jackfield_llamacpp.samplers import NAMES_MAX

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway, ModelCard

Body = TypeVar("Body")
Given: TypeAlias = Mapping[str, msgspec.Raw]
"""The fields of a body that are not null, as they were sent."""
Headers: TypeAlias = Mapping[str, str]
"""Headers of an answer."""

RESPONSE_FIELDS_MAX: Final = 256
"""Most entries of ``response_fields``: an answer has a fifth of that."""

_NAMES: Final = NamesDecoder(Names)
_TEXT: Final = msgspec.json.Decoder(str)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXTS_MAX: Final[Mapping[str, int]] = {
    "stop": STOP_MAX,
    "dry_sequence_breakers": BREAKERS_MAX,
    "response_fields": RESPONSE_FIELDS_MAX,
    "samplers": NAMES_MAX,
}
"""Most strings of arrays: more are refused before they are built."""
_LLGUIDANCE: Final = "%llguidance"
"""How a grammar begins that is written in Lark."""


class Fields(NamedTuple):
    """A body that was screened."""

    data: bytes
    given: Given
    """Those that are not null."""
    screening: Screening

    @property
    def headers(self) -> Headers:
        """Those that list the fields that were left out."""
        return ignored_header(self.screening.ignored)


def screened(data: bytes, mode: Mode, honoured: frozenset[str], rules: Rules) -> Fields:
    """Look at the fields of *data*.

    Parameters:
        data: The body as it came.
        mode: What becomes of fields that cannot be honoured.
        honoured: Names of those that can.
        rules: The other documented ones.

    Raises:
        MalformedBody: Not a JSON object.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, honoured, rules)
    given = present(names)
    for name, most in _TEXTS_MAX.items():
        # an array is one of those that are counted
        if name in given and exceeds(given[name], most + 1):
            raise InvalidRequest(f"{name} may have at most {most} strings", param=name)
    return Fields(data, given, screening)


def decoded(decoder: msgspec.json.Decoder[Body], fields: Fields) -> Body:
    """The fields as a Struct; raises as ``typed``."""
    return typed(decoder, fields.data)


def chosen_card(
    gateway: Gateway, context: RequestContext, named: str | None, default: str, *tasks: str
) -> tuple[str, ModelCard | None]:
    """The name of the model that is asked, and its card where the caller may use it.

    Parameters:
        gateway: Knows the models.
        context: Of the request.
        named: What the request says.
        default: What the operator says of requests that name none; may be empty.
        tasks: What the model must be able to do, of those it can be chosen from; one that can do the first is best.

    Raises:
        ModelNotFound: There is none that the caller may use and that can do it.
    """
    cards = gateway.models(context)
    name = named or default
    if name:
        return name, next((each for each in cards if name in (each.name, *each.aliases)), None)
    for task in tasks:
        for card in cards:
            if card.info is None or task in card.info.tasks:
                return card.name, card
    raise ModelNotFound("no model can do this", param="model")


def chosen_model(gateway: Gateway, context: RequestContext, named: str | None, default: str, *tasks: str) -> str:
    """The name of the model that is asked; as ``chosen_card``."""
    return named or default or chosen_card(gateway, context, named, default, *tasks)[0]


def read_constraint(given: Given) -> Constraint | None:
    """``grammar`` or ``json_schema``; None where neither demands anything.

    Raises:
        InvalidRequest: Both do, or one has a value of the wrong type.
    """
    grammar = typed(_TEXT, given["grammar"], "grammar") if "grammar" in given else ""
    if "json_schema" not in given:
        if not grammar:
            return None
        return GrammarText("lark" if grammar.startswith(_LLGUIDANCE) else "gbnf", grammar, "grammar")
    if grammar:
        raise InvalidRequest("grammar and json_schema both say what the answer must look like", param="json_schema")
    schema = given["json_schema"]
    if not typed(_OBJECT, schema, "json_schema"):
        return JsonObject("json_schema")
    try:
        return JsonSchema(bytes(schema).decode(), "json_schema")
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8", param="json_schema") from error
