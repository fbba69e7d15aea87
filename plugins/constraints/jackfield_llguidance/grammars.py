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
from jackfield_llguidance.marks import mark_rules
from jackfield_llguidance.schema import SchemaReader

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        tokens: Ids of the vocabulary's special tokens, by name.
    """

    def __init__(self, whitespace: Literal["spaced", "compact", "flexible"], tokens: Mapping[str, int]) -> None:
        self._options = WHITESPACE[whitespace]
        self._tokens = tokens

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
        _encodable("".join((constraint.text, *constraint.marks)), constraint.param)
        text, param = constraint.text, constraint.param
        if constraint.syntax == "gbnf":
            return LLMatcher.grammar_from_lark(read_gbnf(text, param))
        rules = [read_lark(text, param, lambda schema, where: self._embedded(schema, param, where))]
        if constraint.marks or constraint.schemas:
            rules += mark_rules(constraint.marks, self._tokens)
            rules += [
                f"json_{number}: %json {self._embedded(schema, path)}"
                for number, (path, schema) in enumerate(constraint.schemas)
            ]
        return LLMatcher.grammar_from_lark("\n".join(rules))

    def _embedded(self, schema: str, param: str, where: str = "") -> str:
        """What llguidance gets for a *schema* that stands, in a grammar, at *where* of *param*."""
        return json.dumps({OPTIONS: self._options, **SchemaReader(schema, param, where).enforced}, ensure_ascii=False)


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
