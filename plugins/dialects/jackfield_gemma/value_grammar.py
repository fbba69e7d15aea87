"""Grammars of Gemma 4's arguments, which are JSON with other quotes, and bare keys."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield.parsing.grammars import lark_text
from jackfield.parsing.shaping import parameters_of
from jackfield_gemma.marks import QUOTE

if TYPE_CHECKING:
    from jackfield.chat import JsonValue, Tool
    from jackfield.parsing.grammars import CallGrammar

_NOTES: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "$schema", "$id", "$comment", "$defs", "definitions"}
)
_KNOWN: Final[dict[str, frozenset[str]]] = {
    "string": frozenset(),
    "integer": frozenset(),
    "number": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset({"items"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
"""Keywords that can be enforced, besides ``type``, by type."""

_KINDS: Final = {
    "$ref": str,
    "anyOf": list,
    "enum": list,
    "oneOf": list,
    "properties": dict,
    "required": list,
    "type": str | list,
}
_BARE: Final = re.compile(r"[A-Za-z0-9_.-]+")
_INTEGER: Final = "/-?(0|[1-9][0-9]*)/"
_NUMBER: Final = r"/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/"
_DEPTH_MAX: Final = 64


class ValueGrammar:
    """Writes the rules of arguments. Event loop thread of the gateway.

    Parameters:
        grammar: Of the whole answer.
    """

    def __init__(self, grammar: CallGrammar) -> None:
        self._grammar = grammar
        self._quote = grammar.mark(QUOTE)
        self._count = 0
        self._any = ""

    def arguments(self, tool: Tool) -> str:
        """Lark for the arguments of *tool*: its schema where it is strict, any object otherwise.

        Members come in the order of the schema.

        Raises:
            InvalidRequest: The schema is strict, and says what cannot be enforced in this form; the message names it.
        """
        if not (tool.strict and tool.parameters):
            self.anything()
            return "any_object"
        return _Strict(self, tool).value(parameters_of(tool), 0)

    def name(self) -> str:
        """A name for a rule."""
        self._count += 1
        return f"value_{self._count}"

    def rule(self, body: str, name: str = "") -> str:
        """Add a rule; gives its name."""
        return self._grammar.rule(name or self.name(), body)

    def string(self, text: str | None = None) -> str:
        """Lark for a string: *text*, or any."""
        inside = "free_text?" if text is None else lark_text(text) if text else ""
        return f"{self._quote} {inside} {self._quote}"

    def anything(self) -> str:
        """The rule for any value; that for any object is ``any_object`` then."""
        if not self._any:
            self._any = "any_value"
            self._grammar.rule("any_key", "/[A-Za-z0-9_.-]{1,64}/")
            self._grammar.rule("any_member", 'any_key ":" any_value')
            self._grammar.rule("any_object", '"{" (any_member ("," any_member)*)? "}"')
            self._grammar.rule("any_list", '"[" (any_value ("," any_value)*)? "]"')
            self._grammar.rule("any_number", _NUMBER)
            words = '"true" | "false" | "null"'
            self._grammar.rule(self._any, f"{self.string()} | any_number | {words} | any_object | any_list")
        return self._any


class _Strict:
    """The rules of one tool's schema."""

    def __init__(self, grammar: ValueGrammar, tool: Tool) -> None:
        self._grammar = grammar
        self._tool = tool
        self._root = parameters_of(tool)
        self._referred: dict[str, str] = {}

    def value(self, schema: JsonValue, depth: int) -> str:
        """Lark for what *schema* describes."""
        if schema is True or schema == {}:
            return self._grammar.anything()
        if not isinstance(schema, dict) or depth > _DEPTH_MAX:
            raise self._refused("a schema that is nested so deep, or is no object,")
        self._check(schema)
        if "$ref" in schema:
            return self._reference(schema, depth)
        if "const" in schema or "enum" in schema:
            return self._one_of(schema)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                self._only(schema, frozenset({key}))
                return self._grammar.rule(" | ".join(self.value(each, depth + 1) for each in schema[key]))
        given = schema.get("type", [*_KNOWN])
        types = given if isinstance(given, list) else [given]
        self._only(schema, frozenset({"type"}).union(*(_KNOWN.get(each, frozenset()) for each in types)))
        return self._grammar.rule(" | ".join(self._typed(each, schema, depth) for each in types))

    def _typed(self, name: str, schema: dict[str, JsonValue], depth: int) -> str:
        if name == "object":
            return self._object(schema, depth)
        if name == "array":
            item = self.value(schema.get("items", {}), depth + 1)
            return f'"[" ({item} ("," {item})*)? "]"'
        plain = {"string": self._grammar.string(), "integer": _INTEGER, "number": _NUMBER, "null": '"null"'}
        plain["boolean"] = '("true" | "false")'
        if name not in plain:
            raise self._refused(f"the type {name!r}")
        return plain[name]

    def _object(self, schema: dict[str, JsonValue], depth: int) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if schema.get("additionalProperties"):
            raise self._refused("additionalProperties")
        if not (properties or required or "additionalProperties" in schema):
            self._grammar.anything()
            return "any_object"
        missing = [name for name in required if name not in properties]
        if missing:
            raise self._refused(f"required, of {missing[0]!r}, which is not among properties,")
        return f'"{{" {self._members(properties, required, depth)} "}}"'

    def _members(self, properties: dict[str, JsonValue], required: list[str], depth: int) -> str:
        """Members from the last to the first: each rule is what may follow, with a comma before or not."""
        after_one = after_none = '""'
        for name, schema in reversed(properties.items()):
            key = lark_text(name) if _BARE.fullmatch(name) else self._grammar.string(name)
            member = f'{key} ":" {self.value(schema, depth + 1)} {after_one}'
            left_out = name not in required
            after_none = self._grammar.rule(f"{member} | {after_none}" if left_out else member)
            after_one = self._grammar.rule(f'"," {member} | {after_one}' if left_out else f'"," {member}')
        return after_none

    def _one_of(self, schema: dict[str, JsonValue]) -> str:
        self._only(schema, frozenset({"const", "enum", "type"}))
        values = [schema["const"]] if "const" in schema else schema["enum"]
        return self._grammar.rule(" | ".join(map(self._written, values)))

    def _written(self, value: JsonValue) -> str:
        if isinstance(value, str) and QUOTE not in value:
            return self._grammar.string(value)
        if value is None or isinstance(value, bool | int):
            return lark_text(json.dumps(value))
        raise self._refused("const or enum of other than strings, integers, booleans and null")

    def _reference(self, schema: dict[str, JsonValue], depth: int) -> str:
        self._only(schema, frozenset({"$ref"}))
        path: str = schema["$ref"]
        if path not in self._referred:  # known before it is written, since it may refer to itself
            self._referred[path] = self._grammar.name()
            self._grammar.rule(self.value(self._found(path), depth + 1), self._referred[path])
        return self._referred[path]

    def _found(self, path: str) -> JsonValue:
        found: JsonValue = self._root
        for step in path.split("/")[1:] if path.startswith("#") else [""]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise self._refused("$ref to what is not there")
        return found

    def _check(self, schema: dict[str, JsonValue]) -> None:
        """Keywords have values of the kinds that they must have."""
        for key, kind in _KINDS.items():
            if key in schema and not isinstance(schema[key], kind):
                raise self._refused(f"{key}, which is malformed,")
        for key in ("enum", "anyOf", "oneOf", "type"):
            if schema.get(key) == []:
                raise self._refused(f"{key}, which is empty,")
        for key in ("required", "type"):
            if isinstance(schema.get(key), list) and not all(isinstance(each, str) for each in schema[key]):
                raise self._refused(f"{key}, which is malformed,")

    def _only(self, schema: dict[str, JsonValue], known: frozenset[str]) -> None:
        unknown = [key for key in schema if key not in known | _NOTES]
        if unknown:
            raise self._refused(unknown[0])

    def _refused(self, what: str) -> InvalidRequest:
        why = "cannot be enforced: this model writes arguments in a form of its own"
        path = self._tool.param
        return InvalidRequest(f"{path}: {what} {why}; without strict it is taken", param=path)
