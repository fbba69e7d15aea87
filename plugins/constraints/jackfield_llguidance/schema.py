"""Schemas as llguidance gets them: every keyword that a client wrote is enforced, or the schema is refused.

llguidance passes over keywords it does not know, reads some of them loosely, and reports without places. So a schema is
read here first, keyword by keyword, and written anew with nothing but what it enforces.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from jackfield_llguidance.conjunctions import most_patterns
from jackfield_llguidance.cycles import cycle_through
from jackfield_llguidance.document import Document, InexactNumber, JsonValue, below
from jackfield_llguidance.formats import FORMATS
from jackfield_llguidance.growth import Growth
from jackfield_llguidance.keywords import DIALECTS, EXTENSION, KEYWORDS, NOTHING, OPTIONS
from jackfield_llguidance.limits import (
    DECIMALS_MAX,
    DEPTH_MAX,
    NUMBER_MAX,
    PATTERNS_TOGETHER_MAX,
    SIZE_MAX,
)
from jackfield_llguidance.overlap import KINDS, Overlap
from jackfield_llguidance.patterns import PatternRefused, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TYPES: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


class SchemaReader:
    """Reads one schema.

    Parameters:
        text: JSON.
        param: The constraint's, for errors.
        where: Where in that it stands, where it is not the whole.

    Raises:
        InvalidRequest: It is malformed or cannot be enforced; the message has keyword and pointer.
    """

    def __init__(self, text: str, param: str, where: str = "") -> None:
        self.document = Document(text, param, where)
        self.schemas: dict[str, dict[str, JsonValue]] = {}
        """What is enforced of each schema in it, by pointer; the whole at the empty one."""
        self.growth = Growth()
        self._overlap = Overlap(self.document)
        self._names: dict[str, str] = {}
        self._waiting: list[tuple[str, JsonValue]] = []
        self._together: dict[str, list[str]] = {}
        self._deepest = 0
        self._read()

    @property
    def enforced(self) -> dict[str, JsonValue]:
        """The schema for llguidance."""
        return self.alone("")

    def alone(self, pointer: str) -> dict[str, JsonValue]:
        """The schema at *pointer*, with all it refers to."""
        definitions: dict[str, JsonValue] = {name: self.schemas[place] for place, name in self._names.items()}
        if pointer in self._names:
            return {"$ref": f"#/$defs/{self._names[pointer]}", "$defs": definitions}
        return self.schemas[pointer] | {"$defs": definitions}

    def _read(self) -> None:
        if self.document.root is False:
            raise self._refused("", "", "nothing satisfies it")
        self._name_of("", self.document.root)
        while self._waiting:
            pointer, schema = self._waiting.pop()
            self._deepest = 0
            if isinstance(self.subschema(schema, pointer, 0), bool):
                self.schemas[pointer] = {} if schema else {"enum": []}
            self.growth.levels(self._deepest + 1, partial(self._refused, "", pointer))
        loop = cycle_through(self._together)
        if loop is not None:
            raise self._refused("$ref", below(loop, "$ref"), "it leads back to itself before anything is written")
        self._check_patterns()

    def _check_patterns(self) -> None:
        definitions = {name: self.schemas[pointer] for pointer, name in self._names.items()}
        together = most_patterns(definitions, PATTERNS_TOGETHER_MAX + 1)
        for pointer, name in self._names.items():
            if together[name] > PATTERNS_TOGETHER_MAX:
                why = f"{PATTERNS_TOGETHER_MAX} patterns and formats may hold for one text"
                raise self._refused("pattern", pointer, why)

    def _name_of(self, pointer: str, schema: JsonValue) -> str:
        if pointer not in self._names:
            self._names[pointer] = f"s{len(self._names)}"
            self._waiting.append((pointer, schema))
        return self._names[pointer]

    def _refused(self, keyword: str, pointer: str, why: str) -> Exception:
        return self.document.refused(keyword, pointer, why)

    # --- one schema --------------------------------------------------------------------------------------------------

    def subschema(self, schema: JsonValue, pointer: str, depth: int) -> JsonValue:
        """What is enforced of *schema*, which stands at *pointer*."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise self._refused("", pointer, "it must be an object or a boolean")
        if depth > DEPTH_MAX:
            raise self._refused("", pointer, f"schemas may be nested {DEPTH_MAX} deep")
        self._deepest = max(self._deepest, depth)
        self._together.setdefault(pointer, [])
        kept: dict[str, JsonValue] = {}
        for keyword, value in schema.items():
            self._keyword(kept, keyword, value, (schema, pointer, depth))
        self._count_members(kept, pointer)
        self.schemas[pointer] = kept
        return kept

    def _keyword(
        self, kept: dict[str, JsonValue], keyword: str, value: JsonValue, at: tuple[dict[str, JsonValue], str, int]
    ) -> None:
        schema, pointer, depth = at
        place = below(pointer, keyword)
        support = KEYWORDS.get(keyword)
        if support == "annotation":
            self._annotation(keyword, value, place, depth)
        elif support == "enforced":
            _READ[keyword](_Place(self, schema, keyword, place, depth), value, kept)
        elif support is None and keyword.startswith(EXTENSION) and keyword != OPTIONS:
            return
        elif not any(type(value) is type(nothing) and value == nothing for nothing in NOTHING.get(keyword, ())):
            why = "it cannot be enforced" if support else "it is not a keyword of JSON Schema that is known here"
            raise self._refused(keyword, place, why)

    def _annotation(self, keyword: str, value: JsonValue, place: str, depth: int) -> None:
        if keyword == "$schema" and not (isinstance(value, str) and value.removesuffix("#") in DIALECTS):
            raise self._refused(keyword, place, "this dialect is unknown; use draft 2020-12")
        if keyword == "$id" and depth:
            raise self._refused(keyword, place, "only the whole schema may have one")
        if keyword in {"$defs", "definitions"}:
            if not isinstance(value, dict):
                raise self._refused(keyword, place, "it must be an object")
            for name, schema in value.items():  # one that nobody refers to must be in order too
                self.subschema(schema, below(place, name), depth + 1)

    def _count_members(self, kept: dict[str, JsonValue], pointer: str) -> None:
        """Members are counted by llguidance as they are written, also one that is written twice."""
        required, properties = kept.get("required", []), kept.get("properties", {})
        if isinstance(properties, dict) and isinstance(required, list):
            optional = len(properties.keys() - set(required))
            self.growth.optional(optional, partial(self._refused, "properties", below(pointer, "properties")))
        least = kept.get("minProperties", 0)
        if isinstance(required, list) and isinstance(least, int) and least > max(1, len(set(required)) + 1):
            closed = kept.get("additionalProperties") is False and "patternProperties" not in kept
            if not closed:
                raise self._refused(
                    "minProperties", below(pointer, "minProperties"), "it may exceed the number of required ones by one"
                )

    # --- for the keywords --------------------------------------------------------------------------------------------

    def reference(self, value: str, place: _Place) -> str:
        """llguidance's name of what *value* leads to."""
        pointer, schema = self.document.resolve(value, place.pointer)
        self.join(place.parent, pointer)
        return self._name_of(pointer, schema)

    def join(self, pointer: str, other: str) -> None:
        """Both places hold for the same part of the text."""
        self._together.setdefault(pointer, []).append(other)

    def disjoint(self, place: _Place, branches: list[JsonValue]) -> None:
        """Refuse ``oneOf`` where two of *branches* may accept the same value."""
        others = {name: value for name, value in place.schema.items() if name != "oneOf"}
        within = self._overlap.kinds(others) if others else KINDS
        for index, first in enumerate(branches):
            for other, second in enumerate(branches[:index]):
                if not self._overlap.disjoint(first, second, within):
                    raise place.refused(f"its schemas {other} and {index} may accept the same value")


class _Place:
    """A keyword of a schema, being read."""

    def __init__(
        self, reader: SchemaReader, schema: dict[str, JsonValue], keyword: str, pointer: str, depth: int
    ) -> None:
        self.reader = reader
        self.schema = schema
        self.keyword = keyword
        self.pointer = pointer
        self._depth = depth

    @property
    def parent(self) -> str:
        """Where the schema is."""
        return self.pointer[: -len(below("", self.keyword))]

    def refused(self, why: str) -> Exception:
        """The error for this keyword."""
        return self.reader.document.refused(self.keyword, self.pointer, why)

    def child(self, value: JsonValue, *names: str | int) -> JsonValue:
        """A schema in this keyword."""
        return self.reader.subschema(value, below(self.pointer, *names), self._depth + 1)


# --- what each keyword says ------------------------------------------------------------------------------------------


def _reference(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, str):
        raise place.refused("it must be a text")
    kept["$ref"] = f"#/$defs/{place.reader.reference(value, place)}"


def _branches(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, list) or not value:
        raise place.refused("it must be a list of schemas")
    found = [place.child(branch, index) for index, branch in enumerate(value)]
    for index in range(len(value)):
        place.reader.join(place.parent, below(place.pointer, index))
    name = place.keyword
    if name == "oneOf":
        place.reader.disjoint(place, value)
        name = "anyOf"
    if name == "allOf":
        found = [*_list(kept.get("allOf")), *found]
    elif name in kept:
        kept["allOf"] = [*_list(kept.get("allOf")), {"anyOf": found}]
        return
    kept[name] = found


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _constant(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    _check_literal(place, value, 0)
    kept["const"] = value


def _choice(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, list) or not value:
        raise place.refused("it must be a list of values")
    _check_literal(place, value, 0)
    kept["enum"] = value


def _check_literal(place: _Place, value: JsonValue, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise place.refused(f"values may be nested {DEPTH_MAX} deep")
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(place, value)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        _check_literal(place, member, depth + 1)


def _check_number(place: _Place, value: float) -> None:
    if isinstance(value, InexactNumber) or abs(value) > NUMBER_MAX or round(value, DECIMALS_MAX) != value:
        raise place.refused(f"a number may be ±{NUMBER_MAX} and have {DECIMALS_MAX} decimals")


def _types(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name in TYPES for name in names):
        raise place.refused(f"it must be one or several of {', '.join(sorted(TYPES))}")
    kept["type"] = value


def _number(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    kept[place.keyword] = _a_number(place, value)


def _a_number(place: _Place, value: JsonValue) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refused("it must be a number")
    _check_number(place, value)
    return value


def _multiple(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    number = _a_number(place, value)
    if number <= 0:
        raise place.refused("it must be above 0")
    place.reader.growth.multiple(Fraction(repr(number)), place.refused)
    kept["multipleOf"] = number


def _size(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    number = _a_number(place, value)
    if number != int(number) or not 0 <= number <= SIZE_MAX:
        raise place.refused(f"it must be a whole number from 0 to {SIZE_MAX}")
    kept[place.keyword] = int(number)


def _pattern(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, str):
        raise place.refused("it must be a text")
    _add_pattern(kept, _translated(place, value))


def _translated(place: _Place, pattern: str) -> str:
    try:
        return translate(pattern)
    except PatternRefused as error:
        raise place.refused(str(error)) from None


def _format(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, str) or value not in FORMATS:
        raise place.refused(f"it is enforced for {', '.join(sorted(FORMATS))}")
    _add_pattern(kept, f"^(?:{FORMATS[value]})$")


def _add_pattern(kept: dict[str, JsonValue], pattern: str) -> None:
    if "pattern" in kept:
        kept["allOf"] = [*_list(kept.get("allOf")), {"pattern": pattern}]
    else:
        kept["pattern"] = pattern


def _schema(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if isinstance(value, list):
        raise place.refused("it must be a schema; a list of schemas is prefixItems")
    kept[place.keyword] = place.child(value)


def _prefix(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, list) or not value:
        raise place.refused("it must be a list of schemas")
    kept["prefixItems"] = [place.child(schema, index) for index, schema in enumerate(value)]


def _properties(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, dict):
        raise place.refused("it must be an object of schemas")
    place.reader.growth.properties(len(value), place.refused)
    kept["properties"] = {name: place.child(schema, name) for name, schema in value.items()}


def _pattern_properties(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, dict):
        raise place.refused("it must be an object of schemas")
    place.reader.growth.pattern_properties(len(value), place.refused)
    schemas: dict[str, JsonValue] = {}
    for pattern, schema in value.items():
        translated = _translated(place, pattern)
        if translated in schemas:
            raise place.refused("two patterns are the same")
        schemas[translated] = place.child(schema, pattern)
    kept["patternProperties"] = schemas


def _required(place: _Place, value: JsonValue, kept: dict[str, JsonValue]) -> None:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise place.refused("it must be a list of names")
    place.reader.growth.properties(len(value), place.refused)
    kept["required"] = value


_READ: Final[Mapping[str, Callable[[_Place, Any, dict[str, JsonValue]], None]]] = {
    "$ref": _reference,
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _branches),
    "const": _constant,
    "enum": _choice,
    "type": _types,
    "format": _format,
    "pattern": _pattern,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    "multipleOf": _multiple,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _size),
    **dict.fromkeys(("items", "additionalProperties"), _schema),
    "prefixItems": _prefix,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "required": _required,
}
"""How each enforced keyword is read into what llguidance gets."""
