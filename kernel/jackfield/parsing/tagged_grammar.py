"""Grammars of arguments that stand as text between tags: the other side of ``tagged_calls``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import InvalidRequest
from jackfield.parsing.grammars import lark_text
from jackfield.parsing.parameter_types import types_of
from jackfield.parsing.shaping import parameters_of

if TYPE_CHECKING:
    from jackfield.chat import JsonValue, Tool
    from jackfield.parsing.grammars import CallGrammar

_NOTES: Final = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"})
_OF_OBJECTS: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "$defs", "definitions", "$schema", "$id", "$comment"}
)
_OF_STRINGS: Final = frozenset({"type", "minLength", "maxLength"})


class TagForm(NamedTuple):
    r"""How a family writes a parameter: ``<parameter=city>\n`` … ``\n</parameter>\n``."""

    before: str
    """With ``{}`` where the name stands."""
    after: str
    """Up to the next parameter."""
    marks: tuple[str, ...] = ()
    """What of both is a mark of the family: a token of its own where the vocabulary has it."""


class TaggedGrammar:
    """Writes the rules of parameters. Event loop thread of the gateway.

    Parameters:
        grammar: Of the whole answer.
        form: The family's.
    """

    def __init__(self, grammar: CallGrammar, form: TagForm) -> None:
        self._grammar = grammar
        self._form = form
        self._rules = 0
        self._free = ""
        self._marked_end = form.after.startswith(form.marks)

    def parameters(self, tool: Tool) -> str:
        """Lark for all parameters of a call of *tool*: what its schema says where it is strict, any otherwise.

        Parameters come in the order of the schema.

        Raises:
            InvalidRequest: The schema is strict, and says what cannot be held in this form; the message names it.
        """
        if not (tool.strict and tool.parameters):
            return f"{self._any()}*"
        schema = parameters_of(tool)
        unknown = [key for key in schema if key not in _OF_OBJECTS | _NOTES]
        if unknown or schema.get("additionalProperties"):
            key = unknown[0] if unknown else "additionalProperties"
            raise self._refused(tool, f"{key} of the whole arguments")
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise InvalidRequest(f"{tool.param}: its properties or required are malformed", param=tool.param)
        missing = [name for name in required if name not in properties]
        if missing:
            raise self._refused(tool, f"required, of {missing[0]!r}, which is not among properties,")
        return " ".join(
            self._parameter(tool, name, one, schema) + ("" if name in required else "?")
            for name, one in properties.items()
        )

    def _parameter(self, tool: Tool, name: str, schema: JsonValue, root: dict[str, JsonValue]) -> str:
        before = self._lark(self._form.before.format(name))
        if isinstance(schema, dict) and "string" in types_of(schema, root):
            value = self._texts(tool, name, schema)
        else:
            value = f"{self._grammar.json(tool.param, self._alone(schema, root))} {self._lark(self._form.after)}"
        return self._rule(f"{before} {value}")

    def _texts(self, tool: Tool, name: str, schema: dict[str, JsonValue]) -> str:
        """What a string may be. It stands there as it is, so JSON's rules do not describe it."""
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
            return f"({' | '.join(map(lark_text, values))}) {self._lark(self._form.after)}"
        unknown = [key for key in schema if key not in _OF_STRINGS | _NOTES]
        if schema.get("type") != "string" or unknown:
            what = unknown[0] if unknown else "type"
            raise self._refused(tool, f"{what} of {name!r}")
        least, most = schema.get("minLength", 0), schema.get("maxLength", "")
        if not isinstance(least, int) or not isinstance(most, int | str):
            raise InvalidRequest(f"{tool.param}: the lengths of {name!r} are malformed", param=tool.param)
        if self._marked_end and (least or most):
            raise self._refused(tool, f"the length of {name!r}")
        return self._text(f"{{{least},{most}}}")

    def _any(self) -> str:
        """The rule for a parameter of which nothing is known."""
        if not self._free:
            before, after = map(self._lark, self._form.before.split("{}"))
            name = self._grammar.rule("parameter_name", "/[A-Za-z0-9_.-]{1,64}/")
            self._free = self._rule(f"{before} {name} {after} {self._text()}")
        return self._free

    def _text(self, length: str = "*") -> str:
        """Lark for text of some *length*, up to the end of its parameter."""
        if self._marked_end:
            return f"free_text? {self._lark(self._form.after)}"
        self._rules += 1
        name = f"value_{self._rules}"
        self._grammar.rule(f"{name}[suffix={lark_text(self._form.after)}]", f"/(?s:.){length}/")
        return name

    def _lark(self, text: str) -> str:
        """Lark for *text*, in which marks may stand."""
        marks = self._form.marks
        parts = re.split(f"({'|'.join(map(re.escape, marks))})", text) if marks else [text]
        return " ".join(self._grammar.mark(part) if part in marks else lark_text(part) for part in parts if part)

    def _rule(self, body: str) -> str:
        self._rules += 1
        return self._grammar.rule(f"parameter_{self._rules}", body)

    @staticmethod
    def _alone(schema: JsonValue, root: dict[str, JsonValue]) -> str:
        """*schema* with the definitions it may refer to."""
        if not isinstance(schema, dict):
            return json.dumps(schema)
        return json.dumps({**{key: root[key] for key in ("$defs", "definitions") if key in root}, **schema})

    @staticmethod
    def _refused(tool: Tool, what: str) -> InvalidRequest:
        why = "cannot be enforced: this model writes arguments as text between tags"
        return InvalidRequest(f"{tool.param}: {what} {why}; without strict it is taken", param=tool.param)
