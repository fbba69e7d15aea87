"""GBNF, llama.cpp's notation, as Lark."""

from __future__ import annotations

import re
from typing import Final

from llguidance.gbnf_to_lark import gbnf_to_lark

from jackfield.errors import InvalidRequest
from jackfield_llguidance.errors import one_line
from jackfield_llguidance.limits import GBNF_NESTING_MAX, GBNF_RULES_MAX

_WORD: Final = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*|::=|[()]', re.DOTALL)


def read_gbnf(text: str, param: str) -> str:
    """*text* in Lark's syntax.

    Raises:
        InvalidRequest: It is malformed, or too large to be converted in time.
    """
    words = [word[0] for word in _WORD.finditer(text)]
    if words.count("::=") > GBNF_RULES_MAX:
        raise InvalidRequest(f"{param}: a GBNF grammar may have {GBNF_RULES_MAX} rules", param=param)
    if _nesting(words) > GBNF_NESTING_MAX:
        raise InvalidRequest(f"{param}: parentheses may be nested {GBNF_NESTING_MAX} deep", param=param)
    try:
        return gbnf_to_lark(text)
    except Exception as error:  # noqa: BLE001  # it raises plain exceptions, and IndexError where the text breaks off
        reason = "it breaks off" if isinstance(error, IndexError) else one_line(str(error))
        raise InvalidRequest(f"{param}: not a GBNF grammar: {reason}", param=param) from None


def _nesting(words: list[str]) -> int:
    deepest = depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        deepest = max(deepest, depth)
    return deepest
