"""What JSON types a tool's parameters may have, as far as its schema says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield.parsing.json_text import is_json, mended
from jackfield.parsing.shaping import parameters_of

if TYPE_CHECKING:
    from jackfield.chat import JsonValue, Tool

ALL_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
"""Of a parameter of which the schema says nothing."""

_DEPTH_MAX: Final = 16
"""Longest chain of ``$ref`` and ``anyOf`` that is followed."""


def parameter_types(tool: Tool) -> dict[str, frozenset[str]]:
    """The types of the parameters that the schema of *tool* names: ``{"city": {"string"}}``. Any thread."""
    try:
        schema: JsonValue = parameters_of(tool)
    except InvalidRequest:  # whoever enforces it refuses it
        return {}
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return {}
    return {name: types_of(one, schema) for name, one in properties.items()}


def types_of(schema: JsonValue, root: JsonValue) -> frozenset[str]:
    """The JSON types of what *schema*, a part of *root*, describes."""
    return _types(schema, root, set(), 0) or ALL_TYPES


def _types(schema: JsonValue, root: JsonValue, seen: set[str], depth: int) -> frozenset[str]:
    if not isinstance(schema, dict) or depth > _DEPTH_MAX:
        return ALL_TYPES
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen:  # its types are counted already; otherwise a small schema could take hours
            return frozenset()
        seen.add(reference)
        return _types(_referred(reference, root), root, seen, depth + 1)
    if "type" in schema:
        given = schema["type"]
        return ALL_TYPES.intersection(
            each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)
        )
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return frozenset().union(*(_types(each, root, seen, depth + 1) for each in schema[key]))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return frozenset(map(type_of, values)) if isinstance(values, list) else ALL_TYPES


def type_of(value: JsonValue) -> str:
    """The JSON type of *value*; a number without a fraction is an integer."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if value == value // 1 else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def typed_json(text: str, types: frozenset[str]) -> str:
    """*text*, which a model wrote for a parameter of one of *types*, as JSON.

    It is JSON already where it is JSON of one of the types; otherwise it is a string.
    """
    plain = text.strip()
    plain = _PYTHON.get(plain, plain)
    if not is_json(plain):
        return json.dumps(text, ensure_ascii=False)
    plain = mended(plain)
    type_ = type_of(json.loads(plain))
    fits = type_ in types or (type_ == "integer" and "number" in types)
    # what is of no type that may come is for the tool to refuse, unless the text itself may come
    return plain if fits or "string" not in types else json.dumps(text, ensure_ascii=False)


_PYTHON: Final = {"True": "true", "False": "false", "None": "null"}
"""Templates that print values without a filter teach models to write them as Python does."""


def _referred(reference: str, root: JsonValue) -> JsonValue:
    """What a ``$ref`` within *root* points at; None where that is not there."""
    if not reference.startswith("#"):
        return None
    found = root
    for step in reference.split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
