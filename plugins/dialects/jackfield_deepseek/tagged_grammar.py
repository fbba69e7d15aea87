"""Grammars of calls whose parameters stand between tags, with an attribute that says whether they are strings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield.parsing.grammars import lark_text
from jackfield.parsing.parameter_types import types_of
from jackfield.parsing.shaping import parameters_of
from jackfield_deepseek.marks import DSML, TAG, TAG_END

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, JsonValue, Tool
    from jackfield.parsing.grammars import CallGrammar

_NOTES: Final = frozenset({"title", "description", "default", "examples", "deprecated", "$schema", "$id", "$comment"})
_OF_OBJECTS: Final = _NOTES | {"type", "properties", "required", "additionalProperties", "$defs", "definitions"}
_DEFINITIONS: Final = ("$defs", "definitions")
_PARAMETER: Final = 'parameter name="'
_NEWLINE: Final = "\n"


def tagged_calls(grammar: CallGrammar, chat: ChatPrompt, block: str) -> str:
    """The rule of all calls of an answer to *chat*, in a *block*.

    Raises:
        InvalidRequest: A strict schema has a keyword of its whole that the form cannot be held to.
    """
    return _Tags(grammar).calls(chat, block)


class _Tags:
    """Writes rules of tags.

    Within a tag the mark is one token, and what stands in front of it another. Where the vocabulary does not have the
    mark, both are one text: a lexeme cannot end before the first byte of a character.
    """

    def __init__(self, grammar: CallGrammar) -> None:
        self._grammar = grammar
        mark = grammar.mark(DSML)
        self._begin = f"({lark_text('<')} {mark} | {grammar.mark(TAG)})"
        self._end = f"({lark_text('</')} {mark} | {grammar.mark(TAG_END)})"
        self._free = ""

    def calls(self, chat: ChatPrompt, block: str) -> str:
        call = self._grammar.any_of("call", [self._call(tool) for tool in chat.callable])
        several = f"{call}+" if chat.parallel_tool_calls else call
        return self._grammar.rule("calls", f"{self._open(f'{block}>', _NEWLINE)} {several} {self._close(f'{block}>')}")

    def _open(self, *parts: str) -> str:
        return f"{self._begin} {lark_text(''.join(parts))}"

    def _close(self, *parts: str) -> str:
        return f"{self._end} {lark_text(''.join(parts))}"

    def _call(self, tool: Tool) -> str:
        parameters = self._strict(tool) if tool.strict and tool.parameters else self._any()
        begin = self._open(f'invoke name="{tool.name}">', _NEWLINE)
        return f"{begin} {parameters} {self._close('invoke>', _NEWLINE)}"

    def _strict(self, tool: Tool) -> str:
        schema = parameters_of(tool)
        unknown = next((key for key in schema if key not in _OF_OBJECTS), None)
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        if unknown is not None:
            raise _refused(tool, unknown)
        if not (isinstance(properties, dict) and isinstance(required, list) and properties.keys() >= {*required}):
            raise _refused(tool, "required")
        return " ".join(
            f"({self._parameter(lark_text(name), self._value(tool, one, schema))}){'' if name in required else '?'}"
            for name, one in properties.items()
        )

    def _any(self) -> str:
        if not self._free:
            name = self._grammar.rule("NAME", r"/[A-Za-z0-9_.$-]{1,64}/")
            value = f"({_text()} | {_json(self._grammar.json('tools', '{}'))})"
            self._free = self._grammar.rule("parameter", self._parameter(name, value))
        return f"{self._free}*"

    def _parameter(self, name: str, value: str) -> str:
        attribute = lark_text('" string="')
        return f"{self._open(_PARAMETER)} {name} {attribute} {value} {self._close('parameter>', _NEWLINE)}"

    def _value(self, tool: Tool, schema: JsonValue, root: dict[str, JsonValue]) -> str:
        if isinstance(schema, dict) and types_of(schema, root) == {"string"} and not schema.keys() - _NOTES - {"type"}:
            return _text()
        alone = schema
        if isinstance(schema, dict):
            alone = {**{key: root[key] for key in _DEFINITIONS if key in root}, **schema}
        return _json(self._grammar.json(tool.param, json.dumps(alone)))


def _text() -> str:
    return lark_text('true">') + " free_text?"


def _json(rule: str) -> str:
    """JSON, also of strings whose schema says more than that they are some."""
    return lark_text('false">') + f" {rule}"


def _refused(tool: Tool, key: str) -> InvalidRequest:
    why = "cannot be enforced: this model writes each argument by itself; without strict it is taken"
    return InvalidRequest(f"{tool.param}: {key} of the whole arguments {why}", param=tool.param)
