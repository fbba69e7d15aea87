"""What the constraint kit asks for: constraints with texts that satisfy them and that do not, bad and hostile ones."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from jackfield.ports.constraint import Choice, Constraint, GrammarText, JsonObject, JsonSchema, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.ports.tokenizer import InfillTokens

PARAM: Final = "response_format.where_it_stood"
"""What refusals must name."""


class KitVocabulary:
    """A ``Tokenizer``: all bytes, some words, one mark, two end tokens; the longest match is taken."""

    WORDS: Final = (
        *(b'{"', b'": ', b'":', b'", "', b',"', b'"}', b'": "', b'"', b"], ", b"[]", b"\n "),
        *(b"true", b"false", b"null", b"name", b"kind", b"the ", b"10", b"20", b"yes", b"maybe", b"ay", b"<mark"),
        *("é".encode(), "日本".encode()),
    )
    MARK: Final = 281
    END_TOKENS: Final = (282, 283)
    NAMES: Final = (b"<|mark|>", b"<|end|>", b"<|stop|>")

    vocabulary = 284
    end_tokens = frozenset(END_TOKENS)
    chat_template: str | None = None
    template_tokens: Mapping[str, str] = MappingProxyType({})
    infill: InfillTokens | None = None

    def __init__(self) -> None:
        self._pieces = [bytes((byte,)) for byte in range(256)] + list(self.WORDS)
        self._ids = {piece: token for token, piece in reversed(list(enumerate(self._pieces)))}
        self._special = dict(zip(self.NAMES, (self.MARK, *self.END_TOKENS), strict=True))
        self._longest = max(map(len, self._ids))

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """The longest pieces, from left to right."""
        known = self._ids | (self._special if parse_special else {})
        data, tokens, at = text.encode(), [], 0
        while at < len(data):
            size = next(size for size in range(self._longest + 2, 0, -1) if data[at : at + size] in known)
            tokens.append(known[data[at : at + size]])
            at += size
        return tokens

    def piece(self, token: int) -> bytes:
        """Control tokens have none."""
        return self._pieces[token] if token < len(self._pieces) else b""

    def name(self, token: int) -> bytes:
        """Control tokens have one."""
        return self.piece(token) or self.NAMES[token - self.MARK]


@dataclass(frozen=True)
class Case:
    """A constraint, and what is known of the texts that satisfy it."""

    constraint: Constraint
    satisfied: Callable[[str], bool]
    good: Sequence[str]
    bad: Sequence[str]


def schema(value: object) -> JsonSchema:
    """The constraint of a schema."""
    return JsonSchema(json.dumps(value), param=PARAM)


def _json(check: Callable[[Any], bool]) -> Callable[[str], bool]:
    def satisfied(text: str) -> bool:
        return check(json.loads(text))

    return satisfied


PERSON: Final = schema(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 6},
            "kind": {"enum": ["alpha", "bêta", 3, None, True]},
            "tags": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
            "age": {"type": "integer", "minimum": 10, "maximum": 20},
        },
        "required": ["name", "kind", "age"],
        "additionalProperties": False,
    }
)


def _is_person(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"name", "kind", "tags", "age"}
        and isinstance(value["name"], str)
        and len(value["name"]) <= 6
        and value["kind"] in ["alpha", "bêta", 3, None, True]
        and isinstance(value["age"], int)
        and 10 <= value["age"] <= 20
        and ("tags" not in value or 1 <= len([flag for flag in value["tags"] if isinstance(flag, bool)]) <= 3)
    )


TREE: Final = schema(
    {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                "required": ["left"],
                "additionalProperties": False,
            }
        },
    }
)


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"left"} and (value["left"] is None or _is_tree(value["left"]))


_MARKS: Final = (
    ("<|mark|>", "<tool>"),
    (("tools[0].parameters", '{"type": "integer", "minimum": 10, "maximum": 20}'),),
)


def _is_marked(text: str) -> bool:
    """Free text, and perhaps a call behind it."""
    free, mark, call = text.partition("<tool>")
    return "<|mark|>" not in free and (not mark or json.loads(call) in range(10, 21))


CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {
        "an object": Case(
            JsonObject(), _json(lambda value: isinstance(value, dict)), ["{}", '{"a":[1,null]}'], ["[]", "1", '"a"']
        ),
        "a schema": Case(
            PERSON,
            _json(_is_person),
            ['{"name":"a","kind":"alpha","age":10}', '{"name":"","kind":null,"tags":[true],"age":20}'],
            ['{"name":"a"}', '{"name":"a","kind":"beta","age":10}', '{"name":"a","kind":3,"age":21}', "[]"],
        ),
        "a recursive schema": Case(
            TREE, _json(_is_tree), ['{"left":{"left":null}}'], ["{}", '{"left":1}', '{"left":{"left":null}']
        ),
        "a union": Case(
            schema({"anyOf": [{"const": "yes"}, {"type": "integer", "minimum": 0, "maximum": 9}, {"type": "null"}]}),
            _json(lambda value: value == "yes" or value is None or value in range(10)),
            ['"yes"', "7", "null"],
            ['"no"', "10", "true"],
        ),
        "a pattern": Case(
            Pattern("[A-Z][a-z]{1,5}-(10|20)", param=PARAM),
            lambda text: re.fullmatch("[A-Z][a-z]{1,5}-(10|20)", text) is not None,
            ["Anna-10", "Bo-20"],
            ["anna-10", "Anna-1", "Anna-100"],
        ),
        "a choice": Case(
            Choice(("yes", "no", "maybe", "may", "日本\n\"'\\"), param=PARAM),
            lambda text: text in {"yes", "no", "maybe", "may", "日本\n\"'\\"},
            ["yes", "may", "maybe", "日本\n\"'\\"],
            ["ye", "noyes", "perhaps"],
        ),
        "a grammar": Case(
            GrammarText("lark", 'start: "<" item ("," item){0,2} ">"\nitem: /[a-c]/ | "日本"', param=PARAM),
            lambda text: re.fullmatch("<([a-c]|日本)(,([a-c]|日本)){0,2}>", text) is not None,
            ["<a>", "<a,日本,c>"],
            ["<>", "<a,>", "<d>"],
        ),
        "marks": Case(
            GrammarText("lark", "start: free_text? | free_text? call\ncall: mark_1 json_0", PARAM, *_MARKS),
            _is_marked,
            ["hello", "<", "<tools> <tool <<t> ", "hello <tool>10", "<tool>12", "<<tool>20", "<|mark> [a]"],
            ["<tool>", "<tool>a", "a <tool>9", "a <|mark|>", "<tool>10<tool>10"],
        ),
        "marks in marks": Case(
            GrammarText("lark", "start: free_text (mark_0 | mark_1)", PARAM, ("a[b", "[")),
            lambda text: re.fullmatch(r"((?!a\[b|\[)(.|\n))+(a\[b|\[)", text) is not None,
            ["xa[b", "x[", "b]["],
            ["a[b", "[", "x", "[[", "a[b[", "xa[ba"],
        ),
        "a GBNF grammar": Case(
            GrammarText("gbnf", 'root ::= item ("-" item)? [0-9]\nitem ::= "yes" | "no"', param=PARAM),
            lambda text: re.fullmatch("(yes|no)(-(yes|no))?[0-9]", text) is not None,
            ["yes1", "no-yes2"],
            ["yes", "-no1", "yes-1"],
        ),
    }
)
"""One of each kind, and of each what makes engines stumble."""

MALFORMED: Final[Mapping[str, Constraint]] = MappingProxyType(
    {
        "no JSON": JsonSchema("{", param=PARAM),
        "no schema": JsonSchema("[]", param=PARAM),
        "a type nobody knows": schema({"type": "strng"}),
        "a keyword of the wrong type": schema({"type": "object", "required": "name"}),
        "a reference to nothing": schema({"$ref": "#/$defs/nothing"}),
        "a reference to itself": schema({"$ref": "#"}),
        "a reference to another machine": schema({"$ref": "http://example.org/schema.json"}),
        "nothing satisfies it": schema({"enum": []}),
        "a broken pattern": Pattern("a(", param=PARAM),
        "a broken grammar": GrammarText("lark", "start: nothing", param=PARAM),
        "no grammar": GrammarText("lark", "((((", param=PARAM),
        "a broken GBNF grammar": GrammarText("gbnf", "root ::= nothing", param=PARAM),
        "no GBNF grammar": GrammarText("gbnf", '"', param=PARAM),
        "a broken schema in a grammar": GrammarText("lark", 'start: %json {"type": 1}', param=PARAM),
        "a broken schema of a grammar": GrammarText(
            "lark", "start: mark_0 json_1", "tools", ("<tool>",), (("x", "{}"), (PARAM, '{"pattern": "("}'))
        ),
        "a schema of a grammar that nothing satisfies": GrammarText(
            "lark", "start: mark_0 json_0", "tools", ("<tool>",), ((PARAM, '{"enum": []}'),)
        ),
        "a token nobody has": GrammarText("lark", "start: <|no-such-token|>", param=PARAM),
    }
)


@dataclass(frozen=True)
class Unusual:
    """A schema that few engines enforce, and a text that it forbids."""

    keyword: str
    pointer: str
    schema: object
    forbidden: str


UNUSUAL: Final = (
    Unusual("not", "/not", {"type": "integer", "not": {"const": 3}}, "3"),
    Unusual(
        "uniqueItems", "/uniqueItems", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "[1,1]"
    ),
    Unusual("contains", "/contains", {"type": "array", "contains": {"const": 1}}, "[2]"),
    Unusual("if", "/properties/a/if", {"properties": {"a": {"if": {"const": 1}, "then": False}}}, '{"a":1}'),
    Unusual("dependentRequired", "/dependentRequired", {"dependentRequired": {"a": ["b"]}}, '{"a":1}'),
    Unusual("propertyNames", "/propertyNames", {"propertyNames": {"maxLength": 1}}, '{"ab":1}'),
    Unusual("unevaluatedProperties", "/unevaluatedProperties", {"unevaluatedProperties": False}, '{"a":1}'),
    Unusual("format", "/items/format", {"type": "array", "items": {"format": "no-such-format"}}, '["x"]'),
    Unusual("nullable", "/nullable", {"type": "string", "nullable": True}, "null"),
    Unusual("no~such/word", "/no~0such~1word", {"no~such/word": 1, "type": "null"}, "1"),
    Unusual("oneOf", "/oneOf", {"oneOf": [{"type": "integer"}, {"type": "number"}]}, "1"),
    Unusual("pattern", "/pattern", {"type": "string", "pattern": "^(?!a)"}, '"a"'),
    Unusual("minProperties", "/minProperties", {"type": "object", "minProperties": 2}, '{"a":1,"a":2}'),
)

HOSTILE: Final[Mapping[str, Constraint]] = MappingProxyType(
    {
        "brackets": JsonSchema("[" * 200_000, param=PARAM),
        "deep schemas": JsonSchema('{"items":' * 10_000 + "{}" + "}" * 10_000, param=PARAM),
        "many values": schema({"enum": [f"value {number}" for number in range(15_000)]}),
        "many properties": schema({"properties": {f"p{number}": {} for number in range(15_000)}}),
        "many items": schema({"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}}),
        "long texts": schema({"type": "string", "minLength": 10**9}),
        "huge numbers": JsonSchema('{"minimum": 1' + "0" * 10_000 + "}", param=PARAM),
        "remainders": schema({"type": "integer", "allOf": [{"multipleOf": n} for n in (99991, 99989, 99971)]}),
        "products": schema({"allOf": [{"anyOf": [{"required": [f"{a}{b}"]} for b in range(9)]} for a in range(9)]}),
        "a ring of references": schema(
            {"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{(n + 1) % 500}"} for n in range(500)}}
        ),
        "a chain of references": schema(
            {"$ref": "#/$defs/0"}
            | {
                "$defs": {str(n): {"properties": {"a": {"$ref": f"#/$defs/{n + 1}"}}} for n in range(4000)}
                | {"4000": {}}
            }
        ),
        "many patterns for one text": schema({"allOf": [{"type": "string", "pattern": f".*{n}.*"} for n in range(60)]}),
        "many patterns for names": schema({"patternProperties": {f"^a{n}b.*$": {"const": n} for n in range(2000)}}),
        "optional properties": schema({"type": "object", "properties": {f"p{n}": {"const": n} for n in range(1000)}}),
        "joined terminals": GrammarText(
            "lark", "start: T\nT: " + " & ".join(f"/(.|\\n)*x{n}(.|\\n){{30}}/" for n in range(60)), param=PARAM
        ),
        "a chain of rules": GrammarText(
            "lark",
            "start: r0\n" + "".join(f'r{n}: "a" r{n + 1} "b"\n' for n in range(8000)) + 'r8000: "c"',
            param=PARAM,
        ),
        "repeated repetitions": Pattern("((a{1,1000}){1,1000}){1,1000}", param=PARAM),
        "overlapping repetitions": Pattern("(a|aa){1,1000000}", param=PARAM),
        "many options": Pattern("a?" * 60_000, param=PARAM),
        "exponential automaton": Pattern("(a|b)*a(a|b){30}", param=PARAM),
        "parentheses": Pattern("(" * 50_000 + "a" + ")" * 50_000, param=PARAM),
        "doubling rules": GrammarText(
            "lark", "start: r0\n" + "\n".join(f"r{n}: r{n + 1} r{n + 1}" for n in range(60)) + '\nr60: "a"', param=PARAM
        ),
        "doubling terminals": GrammarText(
            "lark", "start: T0\n" + "\n".join(f"T{n}: T{n + 1} T{n + 1}" for n in range(60)) + '\nT60: "a"', param=PARAM
        ),
        "an ambiguous rule": GrammarText("lark", 'start: s\ns: s s | "a" | ""', param=PARAM),
        "many rules": GrammarText("gbnf", "".join(f"r{n} ::= r{n + 1}\n" for n in range(15_000)), param=PARAM),
        "deep rules": GrammarText("gbnf", "root ::= " + "(" * 50_000, param=PARAM),
        "lone surrogates": Choice(("\ud800",), param=PARAM),
    }
)
"""What must be refused or compiled in time, and never break anything. The engine's deadline is for each of them."""
