"""Rules for marks: texts that are tokens of their own where the vocabulary has them, and free text between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def mark_rules(marks: Sequence[str], tokens: Mapping[str, int]) -> list[str]:
    """Lark rules ``mark_N``, and ``free_text``.

    Parameters:
        marks: Their texts, not empty.
        tokens: Ids of the vocabulary's special tokens, by name.
    """
    rules = [f"mark_{number}: {_mark(mark, tokens)}" for number, mark in enumerate(marks)]
    return [*rules, *_free_text(marks)]


def _mark(mark: str, tokens: Mapping[str, int]) -> str:
    token = tokens.get(mark)
    return f"/{_pattern(mark)}/" if token is None else f"<[{token}]>"


def _free_text(marks: Sequence[str]) -> list[str]:
    """Any text without marks.

    Lexemes are greedy: one for all of the text would run into a mark and could not step back. So a lexeme ends before
    each character that begins a mark, and the next one begins there; it may begin with anything but a mark.
    """
    if not marks:
        return [r"free_text: /(.|\n)+/"]
    begins = "".join(_pattern(character) for character in sorted({mark[0] for mark in marks}))
    whole = "|".join(map(_pattern, marks))
    part = f"/[{begins}][^{begins}]*/ & ~/({whole})(.|\\n)*/"
    # a mark that has such a character inside would be written in two lexemes
    halves = {mark[:place] for mark in marks for place in _places(mark, {mark[0] for mark in marks})}
    if halves:
        part += f" & ~/({'|'.join(map(_pattern, sorted(halves)))})/"
    return ["free_text: FREE_PLAIN FREE_PART* | FREE_PART+", f"FREE_PLAIN: /[^{begins}]+/", f"FREE_PART: {part}"]


def _places(mark: str, begins: set[str]) -> list[int]:
    return [place for place, character in enumerate(mark) if place and character in begins]


def _pattern(text: str) -> str:
    """*text* as a regular expression, also in brackets: by number, as Rust gives a meaning to some escapes."""
    return "".join(each if each.isascii() and each.isalnum() else f"\\x{{{ord(each):x}}}" for each in text)
