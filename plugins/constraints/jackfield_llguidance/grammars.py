"""From a ``Constraint`` to the text that llguidance compiles."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from llguidance import LLMatcher

from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import (
    GRAMMAR_LENGTH_MAX,
    Choice,
    Constraint,
    GrammarText,
    JsonObject,
    JsonSchema,
    Pattern,
)
from jackfield_llguidance.gbnf import read_gbnf
from jackfield_llguidance.keywords import OPTIONS
from jackfield_llguidance.lark import read_lark
from jackfield_llguidance.limits import PATTERN_MAX
from jackfield_llguidance.schema import SchemaReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llguidance._lib import JsonCompileOptions

    from jackfield_llguidance.document import JsonValue

WHITESPACE: Final[Mapping[str, JsonCompileOptions]] = MappingProxyType(
    {
        "spaced": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
        "compact": {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"},
        "flexible": {"whitespace_flexible": True, "item_separator": ",", "key_separator": ":"},
    }
)
"""llguidance's options by ours."""


class GrammarWriter:
    """Writes grammars for llguidance.

    Parameters:
        whitespace: As in the plugin's options.
    """

    def __init__(self, whitespace: Literal["spaced", "compact", "flexible"]) -> None:
        self._options = WHITESPACE[whitespace]

    def write(self, constraint: Constraint) -> str:
        """The text for *constraint*.

        Raises:
            InvalidRequest: See ``ConstraintEngine.compile``.
        """
        if isinstance(constraint, JsonObject):
            return self.json({"type": "object"})
        if isinstance(constraint, JsonSchema):
            return self.json(SchemaReader(constraint.schema, constraint.param).enforced)
        if isinstance(constraint, Pattern):
            return _regex(constraint)
        if isinstance(constraint, Choice):
            return _choice(constraint)
        return self._grammar(constraint)

    def json(self, schema: Mapping[str, JsonValue]) -> str:
        """The text for a schema that was read."""
        return LLMatcher.grammar_from_json_schema(json.dumps(schema, ensure_ascii=False), overrides=self._options)

    def _grammar(self, constraint: GrammarText) -> str:
        _encodable(constraint.text, constraint.param)
        text, param = constraint.text, constraint.param
        if constraint.syntax == "gbnf":
            return LLMatcher.grammar_from_lark(read_gbnf(text, param))
        return LLMatcher.grammar_from_lark(read_lark(text, param, self._embedded(param)))

    def _embedded(self, param: str) -> Callable[[str, str], str]:
        def schema(text: str, where: str) -> str:
            enforced = SchemaReader(text, param, where).enforced
            return json.dumps({OPTIONS: self._options, **enforced}, ensure_ascii=False)

        return schema


def _regex(constraint: Pattern) -> str:
    _encodable(constraint.regex, constraint.param)
    if len(constraint.regex) > PATTERN_MAX:
        raise InvalidRequest(f"{constraint.param}: a pattern may have {PATTERN_MAX} characters", param=constraint.param)
    return LLMatcher.grammar_from_regex(constraint.regex)


def _choice(constraint: Choice) -> str:
    if sum(map(len, constraint.choices)) > GRAMMAR_LENGTH_MAX:
        why = f"all texts together may have {GRAMMAR_LENGTH_MAX} characters"
        raise InvalidRequest(f"{constraint.param}: {why}", param=constraint.param)
    for text in constraint.choices:
        _encodable(text, constraint.param)
    # one terminal, so that they are one automaton; in Lark's texts a DEL must be escaped, which JSON's need not
    texts = " | ".join(json.dumps(text).replace("\x7f", "\\u007f") for text in constraint.choices)
    return LLMatcher.grammar_from_lark(f"start: CHOICE\nCHOICE: {texts}")


def _encodable(text: str, param: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{param}: it has a lone surrogate", param=param) from None
