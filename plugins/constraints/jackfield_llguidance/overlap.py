"""Whether two schemas can accept the same value: ``oneOf`` is enforced as ``anyOf`` where they cannot.

Everything here errs on one side: what is called disjoint is disjoint.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield_llguidance.document import Document, JsonValue

KINDS: Final = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
"""Types of JSON that do not overlap; ``number`` is two of them."""

_DEPTH_MAX: Final = 8
_LOOKS_MAX: Final = 100_000
"""Schemas looked at before a question counts as unanswered."""

_UNIONS: Final = ("anyOf", "oneOf")


class Overlap:
    """Answers questions about the schemas of one document.

    Parameters:
        document: Where references lead.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._looks = 0

    def disjoint(self, first: JsonValue, second: JsonValue, within: frozenset[str] = KINDS, depth: int = 0) -> bool:
        """Whether no value of the kinds *within* satisfies both for certain."""
        if depth > _DEPTH_MAX:
            return False
        for one, other in ((first, second), (second, first)):
            branches = self._branches(one)
            if branches:
                return all(self.disjoint(branch, other, within, depth + 1) for branch in branches)
        kinds = within & self.kinds(first) & self.kinds(second)
        if not kinds:
            return True
        if self._different_values(first, second):
            return True
        return kinds == {"object"} and self._different_members(first, second, depth)

    def kinds(self, schema: JsonValue, depth: int = 0) -> frozenset[str]:
        """Kinds of values that *schema* may accept: these, or fewer."""
        self._looks += 1
        if schema is False:
            return frozenset()
        if not isinstance(schema, dict) or depth > _DEPTH_MAX or self._looks > _LOOKS_MAX:
            return KINDS
        found = KINDS & _typed(schema.get("type"))
        if (values := _values(schema)) is not None:
            found &= frozenset(_kind(value) for value in values)
        for part in self._parts(schema):
            found &= self.kinds(part, depth + 1)
        for name in _UNIONS:
            if isinstance(branches := schema.get(name), list):
                found &= frozenset().union(*(self.kinds(branch, depth + 1) for branch in branches))
        return found

    def _branches(self, schema: JsonValue) -> list[JsonValue]:
        """The schemas of which *schema* is the union; none where it is not a union and no more."""
        for part in self._conjuncts(schema):
            for name in _UNIONS:
                branches = part.get(name)
                if isinstance(branches, list):
                    return branches
        return []

    def _parts(self, schema: dict[str, JsonValue]) -> Iterator[JsonValue]:
        """What must hold besides *schema*'s own keywords."""
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield self._document.resolve(reference, "")[1]
        parts = schema.get("allOf")
        if isinstance(parts, list):
            yield from parts

    def _conjuncts(self, schema: JsonValue, depth: int = 0) -> Iterator[dict[str, JsonValue]]:
        """*schema* and everything that must hold together with it."""
        self._looks += 1
        if not isinstance(schema, dict) or depth > _DEPTH_MAX or self._looks > _LOOKS_MAX:
            return
        yield schema
        for part in self._parts(schema):
            yield from self._conjuncts(part, depth + 1)

    def _different_values(self, first: JsonValue, second: JsonValue) -> bool:
        """Whether both list their values, and share none."""
        one, other = self._listed(first), self._listed(second)
        return one is not None and other is not None and not one & other

    def _listed(self, schema: JsonValue) -> frozenset[str] | None:
        for part in self._conjuncts(schema):
            values = _values(part)
            if values is not None:
                return frozenset(_canonical(value) for value in values)
        return None

    def _different_members(self, first: JsonValue, second: JsonValue, depth: int) -> bool:
        """Whether both are about objects with a member that cannot satisfy both, and one of them requires it."""
        return any(
            self.disjoint(one, other, depth=depth + 1)
            for name in sorted(self._required(first) | self._required(second))
            for one in self._member_schemas(first, name)
            for other in self._member_schemas(second, name)
        )

    def _required(self, schema: JsonValue) -> set[str]:
        names: set[str] = set()
        for part in self._conjuncts(schema):
            required = part.get("required")
            if isinstance(required, list):
                names.update(name for name in required if isinstance(name, str))
        return names

    def _member_schemas(self, schema: JsonValue, name: str) -> Iterator[JsonValue]:
        for part in self._conjuncts(schema):
            properties = part.get("properties")
            if isinstance(properties, dict) and name in properties:
                yield properties[name]
            elif "additionalProperties" in part and "patternProperties" not in part:
                yield part["additionalProperties"]
            else:
                yield {}


def _typed(types: JsonValue) -> frozenset[str]:
    names = [types] if isinstance(types, str) else types if isinstance(types, list) else None
    if names is None:
        return KINDS
    found = frozenset(name for name in names if isinstance(name, str))
    return found | {"integer", "fraction"} if "number" in found else found


def _values(schema: dict[str, JsonValue]) -> list[JsonValue] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _kind(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if value == int(value) else "fraction"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _canonical(value: JsonValue) -> str:
    """The same text for values that JSON Schema calls equal: 1 and 1.0, whatever the order of members."""

    def plain(value: JsonValue) -> JsonValue:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {name: plain(member) for name, member in value.items()}
        return value

    return json.dumps(plain(value), sort_keys=True)
