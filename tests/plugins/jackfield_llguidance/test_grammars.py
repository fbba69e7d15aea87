"""Patterns, choices and grammars: what is refused, and with what words; tool calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jackfield.errors import BackendFault, InvalidRequest
from jackfield.ports.constraint import GRAMMAR_LENGTH_MAX, Choice, Constraint, GrammarText, JsonSchema, Pattern
from jackfield.testing.kits.constraint_cases import HOSTILE, KitVocabulary
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_llguidance.gbnf import read_gbnf
from jackfield_llguidance.limits import (
    GBNF_NESTING_MAX,
    GBNF_RULES_MAX,
    LARK_RULES_MAX,
    PATTERN_MAX,
    PATTERNS_TOGETHER_MAX,
)

if TYPE_CHECKING:
    from jackfield.ports.constraint import Matcher

VOCABULARY = KitVocabulary()
ENGINE = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
END = VOCABULARY.END_TOKENS[0]


def accepts(constraint: Constraint, text: str) -> bool:
    """Whether *text*, in which marks count, may be written and ended."""
    tokens = [*VOCABULARY.encode(text, add_bos=False, parse_special=True), END]
    return ENGINE.compile(constraint).matcher().allows(tokens) == len(tokens)


CALL = """
call: "\\n" json "\\n"
json: %json {
    "type": "object",
    "properties": {"name": {"const": "weather"}, "arguments": {"$ref": "#/$defs/where"}},
    "required": ["name", "arguments"], "additionalProperties": false,
    "$defs": {"where": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}},
                        "required": ["city"], "additionalProperties": false}}
  }
"""
FORCED = "%llguidance {}\nstart: <|mark|> call" + CALL
FREE = '%llguidance {}\nstart: TEXT | TEXT? (<|mark|> call "." )+\nTEXT: /[^<](.|\\n)*/' + CALL
LAZY = '%llguidance {}\nstart: free call "</call>" | TEXT\nfree[lazy]: /(.|\\n)*<call>/\nTEXT: /(.|\\n)*/' + CALL
WORDS = '\n{"name": "weather", "arguments": {"city": "Rome"}}\n'


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        pytest.param(FORCED, ["<|mark|>" + WORDS], [WORDS, "Hello", "<|mark|>{}"], id="a call and nothing else"),
        pytest.param(
            FREE,
            ["Hello", f"<|mark|>{WORDS}.", f"I look.<|mark|>{WORDS}.<|mark|>{WORDS}."],
            ["<|mark|>Hello", "<Hello"],
            id="text or calls",
        ),
        pytest.param(LAZY, ["Hello", f"I look <call>{WORDS}</call>"], [f"<call>{WORDS}"], id="a call once it begins"),
    ],
)
def test_tool_calls(grammar: str, good: list[str], bad: list[str]) -> None:
    """The forms that models' templates use."""
    constraint = GrammarText("lark", grammar)
    assert [text for text in good if not accepts(constraint, text)] == []
    assert [text for text in bad if accepts(constraint, text)] == []


def test_what_must_come_is_forced() -> None:
    """From the mark on, up to where the tokenizer might cut otherwise than at the end of what is known."""
    tokens = ENGINE.compile(GrammarText("lark", FORCED)).matcher().forced()
    text = b"".join(VOCABULARY.name(token) for token in tokens).decode()
    assert text.startswith('<|mark|>\n{"name": "weather", "arguments": {"city')


def test_an_end_token_that_the_grammar_names() -> None:
    """It ends the answer there, and may come nowhere else."""
    matcher = ENGINE.compile(GrammarText("lark", "start: /[ab]+/ <|stop|>")).matcher()
    end, other = VOCABULARY.END_TOKENS[1], VOCABULARY.END_TOKENS[0]
    assert matcher.allows([end]) == 0
    matcher.accept(ord("a"))
    assert matcher.allows([end]) == 1
    assert matcher.allows([other]) == 0
    matcher.accept(end)
    assert matcher.finished
    with pytest.raises(BackendFault):
        matcher.accept(end)


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (GrammarText("lark", 'start: %json {"items": {"not": {}}}'), ["line 1", "'not'", "/items/not"]),
        (GrammarText("lark", 'start: a\n# c\na: %json {"x-guidance": {}}'), ["line 3", "x-guidance"]),
        (GrammarText("lark", "start: %json {"), ["line 1", "%json needs JSON"]),
        (GrammarText("lark", '%llguidance {"allow_invalid_utf8": true}\nstart: "a"'), ["line 1", "%llguidance takes"]),
        (GrammarText("lark", '%declare X\nstart: "a"'), ["line 1", "%declare"]),
        (GrammarText("lark", 'start: a\na[temperature=0.3]: "a"'), ["line 2", "temperature"]),
        (GrammarText("lark", 'start: a\na[capture]: "a"'), ["line 2", "capture"]),
        (GrammarText("lark", f"start: /{'a' * PATTERN_MAX}/"), ["line 1", "characters"]),
        (GrammarText("lark", "start: <|nobody|>"), ["special token"]),
        (GrammarText("lark", 'start: "a'), ["grammar: "]),
        (GrammarText("lark", "start: /(?=a)b/"), ["look-around"]),
        (GrammarText("lark", '{"grammars": []}'), ["grammar: "]),
        (GrammarText("lark", 'start: "a"\n' * (LARK_RULES_MAX + 1)), [f"line {LARK_RULES_MAX + 1}", "rules"]),
        (GrammarText("lark", "start: T\nT: /a/" + "&/a/" * PATTERNS_TOGETHER_MAX), ["line 2", "&"]),
        (GrammarText("gbnf", "root ::= a"), ["'a' not found"]),
        (GrammarText("gbnf", 'start: "lark"'), ["not a GBNF grammar"]),
        (GrammarText("gbnf", 'other ::= "a"'), ["root"]),
        (GrammarText("gbnf", 'root ::= "\\'), ["it breaks off"]),
        (GrammarText("gbnf", "root ::= " + "(" * (GBNF_NESTING_MAX + 1)), ["deep"]),
        (GrammarText("gbnf", 'a ::= "a"\n' * (GBNF_RULES_MAX + 1)), ["rules"]),
        (GrammarText("gbnf", 'root ::= "\ud800"'), ["surrogate"]),
        (Pattern("a" * (PATTERN_MAX + 1)), ["characters"]),
        (Pattern("(?<!a)b"), ["look"]),
        (Pattern("[b"), ["unclosed"]),
        (Pattern("\udc00"), ["surrogate"]),
        (Choice(("a" * (GRAMMAR_LENGTH_MAX // 2 + 1), "b" * (GRAMMAR_LENGTH_MAX // 2 + 1))), ["all texts together"]),
    ],
)
def test_what_is_refused(constraint: Constraint, words: list[str]) -> None:
    """With the parameter, and with words that help."""
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.compile(constraint)
    assert caught.value.param == constraint.param
    assert [word for word in words if word not in caught.value.message] == [], caught.value.message
    assert "backtrace" not in caught.value.message


def test_words_in_texts_patterns_and_comments_mean_nothing() -> None:
    """Only what the grammar says is read."""
    grammar = 'start: A B // %json {"not": 1}\nA: "%json {" # temperature=1\nB: /%declare x|capture=/'
    assert accepts(GrammarText("lark", grammar), "%json {%declare x")


def test_schemas_in_grammars_are_written_as_others_are() -> None:
    """With the same spaces."""
    schema = (
        '{"type": "object", "properties": {"a": {"const": [1, 2]}}, "required": ["a"], "additionalProperties": false}'
    )
    assert accepts(JsonSchema(schema), '{"a": [1, 2]}')
    assert accepts(GrammarText("lark", f"start: %json {schema}"), '{"a": [1, 2]}')
    assert not accepts(GrammarText("lark", f"start: %json {schema}"), '{"a":[1,2]}')


def test_a_choice_is_taken_letter_for_letter() -> None:
    """Whatever characters it has."""
    texts = ('"', "\\", "\n", "\x00\x7f", "é", "日本", "😀", "/", "a|b", "%json {}", "<|mark|>")
    constraint = Choice(texts)
    for text in texts:
        tokens = [*VOCABULARY.encode(text, add_bos=False, parse_special=False), END]
        assert ENGINE.compile(constraint).matcher().allows(tokens) == len(tokens), text
    assert not accepts(constraint, "a")


GBNF = r"""
# JSON as llama.cpp writes it
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""


def test_gbnf_that_may_go_on_is_not_finished() -> None:
    """Spaces may follow its last brace."""
    matcher = ENGINE.compile(GrammarText("gbnf", GBNF)).matcher()
    for token in VOCABULARY.encode(json.dumps({"a": [1, "b", None]}), add_bos=False, parse_special=False):
        matcher.accept(token)
    assert not matcher.finished
    assert matcher.allows([END]) == 1
    assert matcher.allows(list(b"\n ")) == 2


def test_gbnf_of_as_many_rules_as_may_be_is_read_in_time() -> None:
    """The worst order: each rule is told to be a terminal by the next one."""
    rules = "".join(f"r{n} ::= r{n + 1}\n" for n in range(GBNF_RULES_MAX - 2))
    assert read_gbnf(f'root ::= r0\n{rules}r{GBNF_RULES_MAX - 2} ::= "a"', "grammar")


@pytest.mark.parametrize(
    "constraint",
    [
        GrammarText("lark", 'start: s\ns: s s s | "a" | ""', "field"),
        GrammarText("lark", 'start: a\na: a a | b | "x"\nb: b a | a b | "x"', "field"),
        HOSTILE["doubling rules"],
        Pattern("((a{1,1000}){1,1000}){1,1000}", "field"),
    ],
    ids=["ambiguous", "more ambiguous", "doubling", "repetitions"],
)
def test_what_becomes_too_complex_is_the_clients_fault(constraint: Constraint) -> None:
    """Where no grammar is too large, but the texts that it may still become are too many."""
    matcher = ENGINE.compile(constraint).matcher()
    with pytest.raises(InvalidRequest, match="it is too complex") as refused:
        write(matcher, 2000)
    assert refused.value.param == constraint.param
    with pytest.raises(InvalidRequest):
        write(matcher, 1)


def write(matcher: Matcher, tokens: int) -> None:
    """Go on with what may come, whatever that is, but for the end."""
    mask = np.zeros(-(-VOCABULARY.vocabulary // 32), np.uint32)
    for _ in range(tokens):
        matcher.mask(mask)
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
        matcher.accept(int(next(token for token in allowed if token not in VOCABULARY.end_tokens)))
