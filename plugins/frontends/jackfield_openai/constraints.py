"""What an answer must look like: the fields of OpenAI, llama-server, vLLM and SGLang that demand a shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.malformed import not_of_kind
from jackfield.frontends.rules import Names, NamesDecoder, present, shown
from jackfield.ports.constraint import (
    CHOICES_MAX,
    Choice,
    Constraint,
    GrammarText,
    JsonObject,
    JsonSchema,
    Pattern,
)
from jackfield_openai import fields

if TYPE_CHECKING:
    from jackfield.frontends.rules import Screening

Demand: TypeAlias = tuple[str, Constraint]
"""A field's path, and what it demands."""
Reader: TypeAlias = Callable[[msgspec.Raw, str], Constraint | None]
"""Turns a field's value and path into what it demands; None where it demands nothing."""

_NAMES: Final = NamesDecoder(Names)
_TEXT: Final = msgspec.json.Decoder(str)
_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])
_FLAG: Final = msgspec.json.Decoder(bool)

_STRING: Final = ord('"')
_EMPTY: Final = re.compile(rb"\{\s*\}")
_COMMENT: Final = re.compile(r"(#|//).*")
_LLGUIDANCE: Final = "%llguidance"
"""How a Lark grammar begins where llama-server takes it for one."""


def read_constraint(given: Mapping[str, msgspec.Raw], screening: Screening) -> Constraint | None:
    """What the answer must look like; None if nothing is demanded.

    Parameters:
        given: The fields of the body that are not null.
        screening: Judges the inner fields that are not honoured.

    Raises:
        InvalidRequest: A value cannot be used, ``param`` is its path; or two fields demand something.
        UnsupportedField: A format that this server does not have.
    """
    if given.keys().isdisjoint(fields.SHAPING):
        return None
    asked = list(_demands(given, screening))
    if len(asked) > 1:
        first, second = asked[0][0], asked[1][0]
        raise InvalidRequest(
            f"{first} and {second} both say what the answer must look like; give one of them", param=second
        )
    return asked[0][1] if asked else None


def _demands(given: Mapping[str, msgspec.Raw], screening: Screening) -> Iterator[Demand]:
    if (raw := given.get("response_format")) is not None:
        yield from _formatted(_inner(raw, "response_format", screening), screening)
    if (raw := given.get("structured_outputs")) is not None:
        yield from _read(_inner(raw, "structured_outputs", screening), _STRUCTURED, "structured_outputs.")
    yield from _read(given, _PLAIN)


def _read(given: Mapping[str, msgspec.Raw], readers: Mapping[str, Reader], prefix: str = "") -> Iterator[Demand]:
    for name, reader in readers.items():
        raw = given.get(name)
        constraint = None if raw is None else reader(raw, prefix + name)
        if constraint is not None:
            yield prefix + name, constraint


def _inner(raw: msgspec.Raw, path: str, screening: Screening) -> Mapping[str, msgspec.Raw]:
    """The fields of an object, screened, that are not null."""
    names = _NAMES.decode(raw, path)
    honoured, rules = fields.INNER[path]
    screening.screen(names, honoured, rules, path + ".")
    return present(names)


# --- response_format -------------------------------------------------------------------------------------------------


def _formatted(given: Mapping[str, msgspec.Raw], screening: Screening) -> Iterator[Demand]:
    path = "response_format.type"
    if "type" not in given:
        raise InvalidRequest(f"{path} is required", param=path)
    kind = typed(_TEXT, given["type"], path)
    if kind not in _FORMATS:
        if kind == "structural_tag":
            raise UnsupportedField(f"{path}: structural_tag is not supported", param=path)
        raise InvalidRequest(f"{path}: {shown(kind)!r} is none of {', '.join(_FORMATS)}", param=path)
    stray = given.keys() - {"type", *_FORMATS[kind]}
    for name in sorted(stray & {"json_schema", "schema"}):
        raise InvalidRequest(
            f"response_format.{name} does not go with the type {kind}", param=f"response_format.{name}"
        )
    if kind == "json_schema":
        yield _named_schema(given, screening)
    elif kind == "json_object":
        yield from [*_read(given, {"schema": _some_schema}, "response_format.")] or [("response_format", JsonObject())]


_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": (),
    "json_object": ("schema",),
    "json_schema": ("json_schema", "schema"),
}
"""Kinds of ``response_format``, with what belongs to each."""


def _named_schema(given: Mapping[str, msgspec.Raw], screening: Screening) -> Demand:
    """OpenAI's: a schema with a name. ``strict`` may say what it likes: every schema is enforced."""
    if "schema" in given and "json_schema" not in given:
        path = "response_format.schema"
        return path, _schema(given["schema"], path)
    path = "response_format.json_schema"
    if "json_schema" not in given:
        raise InvalidRequest(f"{path} is required", param=path)
    if "schema" in given:
        raise InvalidRequest(f"response_format.schema and {path} differ in name only; give one of them", param=path)
    inner = _inner(given["json_schema"], path, screening)
    for name in ("name", "description"):
        if name in inner:
            typed(_TEXT, inner[name], f"{path}.{name}")
    if "strict" in inner:
        typed(_FLAG, inner["strict"], f"{path}.strict")
    path += ".schema"
    if "schema" not in inner:
        raise InvalidRequest(f"{path} is required", param=path)
    return path, _schema(inner["schema"], path)


# --- single fields ---------------------------------------------------------------------------------------------------


def _schema(raw: msgspec.Raw, path: str) -> Constraint:
    if not _is_object(raw):
        raise InvalidRequest(f"{path} must be an object", param=path)
    try:
        return JsonSchema(bytes(raw).decode(), path)
    except UnicodeDecodeError as error:
        raise not_of_kind(error, path) from error


def _some_schema(raw: msgspec.Raw, path: str) -> Constraint:
    """llama-server's: an empty schema is any object."""
    return JsonObject() if _EMPTY.fullmatch(memoryview(raw)) else _schema(raw, path)


def _schema_or_text(raw: msgspec.Raw, path: str) -> Constraint:
    """vLLM's and SGLang's: a schema, or its text."""
    return JsonSchema(typed(_TEXT, raw, path), path) if _is_string(raw) else _schema(raw, path)


def _json_schema(raw: msgspec.Raw, path: str) -> Constraint:
    """llama-server's is an object, SGLang's a text."""
    return _schema_or_text(raw, path) if _is_string(raw) else _some_schema(raw, path)


def _any_object(raw: msgspec.Raw, path: str) -> Constraint | None:
    return JsonObject() if typed(_FLAG, raw, path) else None


def _regex(raw: msgspec.Raw, path: str) -> Constraint:
    return Pattern(typed(_TEXT, raw, path), path)


def _choice(raw: msgspec.Raw, path: str) -> Constraint:
    # the array is one of those that are counted
    if exceeds(raw, CHOICES_MAX + 1):
        raise InvalidRequest(f"{path} may have at most {CHOICES_MAX} entries", param=path)
    return Choice(typed(_TEXTS, raw, path), path)


def _gbnf(raw: msgspec.Raw, path: str) -> Constraint:
    return GrammarText("gbnf", typed(_TEXT, raw, path), path)


def _llama_grammar(raw: msgspec.Raw, path: str) -> Constraint | None:
    """llama-server's: GBNF, or Lark where it says so; empty is none."""
    text = typed(_TEXT, raw, path)
    if not text:
        return None
    return GrammarText("lark" if text.startswith(_LLGUIDANCE) else "gbnf", text, path)


def _either_grammar(raw: msgspec.Raw, path: str) -> Constraint:
    """vLLM's, which tells its two notations apart as it does: rules with ``::=`` are GBNF, and Lark has none."""
    text = typed(_TEXT, raw, path)
    rules = any("::=" in _COMMENT.sub("", line) for line in text.split("\n"))
    return GrammarText("gbnf" if rules else "lark", text, path)


def _is_object(raw: msgspec.Raw) -> bool:
    return memoryview(raw)[0] == ord("{")


def _is_string(raw: msgspec.Raw) -> bool:
    return memoryview(raw)[0] == _STRING


_PLAIN: Final[Mapping[str, Reader]] = {
    "grammar": _llama_grammar,
    "json_schema": _json_schema,
    "regex": _regex,
    "ebnf": _gbnf,
    "guided_json": _schema_or_text,
    "guided_regex": _regex,
    "guided_choice": _choice,
    "guided_grammar": _either_grammar,
}
"""Fields of the body."""

_STRUCTURED: Final[Mapping[str, Reader]] = {
    "json": _schema_or_text,
    "json_object": _any_object,
    "regex": _regex,
    "choice": _choice,
    "grammar": _either_grammar,
}
"""Fields of ``structured_outputs``."""
