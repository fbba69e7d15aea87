"""How much of everything a client may ask for.

llguidance counts most of what it does and gives up by itself; what it does not count is bounded here. Together they
keep the worst grammar below a second or two of a compiling thread and about 100 MB of memory.
"""

from __future__ import annotations

from typing import Final

from llguidance import LLParserLimits

DEPTH_MAX: Final = 64
"""Schemas in schemas, and values in values of ``enum`` and ``const``."""

LEVELS_MAX: Final = 600
"""The same, of all places that references lead to, together: llguidance follows them by recursion, and 8 MB of stack
last for about 1,100 of the most costly."""

PATTERN_MAX: Final = 4096
"""Characters of one regular expression; memory and time grow with their square."""

PATTERNS_TOGETHER_MAX: Final = 8
"""Regular expressions that must all match the same text: each may double time and memory."""

PATTERN_PROPERTIES_MAX: Final = 100
"""Patterns for names of properties in a schema: llguidance's time grows with their number's cube."""

OPTIONAL_MAX: Final = 400
"""Properties of one object that are not required: masks take time with the square of their number."""

PROPERTIES_MAX: Final = 1000
"""Properties of one object."""

PROPERTIES_TOTAL_MAX: Final = 10_000
"""Properties of all objects of a schema."""

MULTIPLE_MAX: Final = 10_000
"""Largest ``multipleOf``, as a number of its smallest decimal unit: each remainder is a state."""

NUMBER_MAX: Final = 2**53
"""Largest number whose neighbours are told from it."""

DECIMALS_MAX: Final = 12
"""Most decimals of a number."""

SIZE_MAX: Final = 1_000_000_000
"""Largest length or number of items."""

LARK_RULES_MAX: Final = 1000
"""Rules and terminals of a Lark grammar, which llguidance follows by recursion."""

GBNF_RULES_MAX: Final = 500
"""Rules of a GBNF grammar; those that only name others cost the square of their number."""

GBNF_NESTING_MAX: Final = 100
"""Parentheses in parentheses of a GBNF grammar."""

LEXER_STATES_MAX: Final = 50_000
"""States of one answer's lexer; each takes one to two kilobytes."""


SCHEMA_ITEMS_MAX: Final = 2000
"""Rules that may hold at one place of a text (Earley items): four for each property that is not required."""

GRAMMAR_ITEMS_MAX: Final = 500
"""The same for grammars, which may be ambiguous: there a token takes time with the square of their number, and more."""


def parser_limits(items: int) -> LLParserLimits:
    """What llguidance bounds itself; *items* may hold at one place."""
    return LLParserLimits(
        max_items_in_row=items, max_lexer_states=LEXER_STATES_MAX, max_grammar_size=200_000, verbose_errors=False
    )
