"""Conformance of constraint engines: ``jackfield.ports.constraint.ConstraintEngine``.

The kit brings a small vocabulary of its own, and plays the model: it draws any token that a mask allows, thousands of
times, and looks at what was written. How an engine writes JSON (spaces, line breaks) is its own business.
"""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from jackfield.errors import BackendFault, InvalidRequest
from jackfield.plugins import Kernel
from jackfield.ports.constraint import Choice, Constraint, GrammarText, JsonObject, JsonSchema, Pattern
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.ports.constraint import ConstraintEngine, Grammar, Matcher

PARAM: Final = "response_format.where_it_stood"
"""What refusals must name."""

DRAWS_MAX: Final = 400
"""Tokens after which a text is given up; the kit's grammars end long before, however badly they are drawn."""

TEXTS: Final = 25
"""Texts drawn from each grammar."""


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


def _schema(value: object) -> JsonSchema:
    return JsonSchema(json.dumps(value), param=PARAM)


def _json(check: Callable[[Any], bool]) -> Callable[[str], bool]:
    def satisfied(text: str) -> bool:
        return check(json.loads(text))

    return satisfied


PERSON: Final = _schema(
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


TREE: Final = _schema(
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
            _schema({"anyOf": [{"const": "yes"}, {"type": "integer", "minimum": 0, "maximum": 9}, {"type": "null"}]}),
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
        "a type nobody knows": _schema({"type": "strng"}),
        "a keyword of the wrong type": _schema({"type": "object", "required": "name"}),
        "a reference to nothing": _schema({"$ref": "#/$defs/nothing"}),
        "a reference to itself": _schema({"$ref": "#"}),
        "a reference to another machine": _schema({"$ref": "http://example.org/schema.json"}),
        "nothing satisfies it": _schema({"enum": []}),
        "a broken pattern": Pattern("a(", param=PARAM),
        "a broken grammar": GrammarText("lark", "start: nothing", param=PARAM),
        "no grammar": GrammarText("lark", "((((", param=PARAM),
        "a broken GBNF grammar": GrammarText("gbnf", "root ::= nothing", param=PARAM),
        "no GBNF grammar": GrammarText("gbnf", '"', param=PARAM),
        "a broken schema in a grammar": GrammarText("lark", 'start: %json {"type": 1}', param=PARAM),
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
        "many values": _schema({"enum": [f"value {number}" for number in range(15_000)]}),
        "many properties": _schema({"properties": {f"p{number}": {} for number in range(15_000)}}),
        "many items": _schema({"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}}),
        "long texts": _schema({"type": "string", "minLength": 10**9}),
        "huge numbers": JsonSchema('{"minimum": 1' + "0" * 10_000 + "}", param=PARAM),
        "remainders": _schema({"type": "integer", "allOf": [{"multipleOf": n} for n in (99991, 99989, 99971)]}),
        "products": _schema({"allOf": [{"anyOf": [{"required": [f"{a}{b}"]} for b in range(9)]} for a in range(9)]}),
        "a ring of references": _schema(
            {"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{(n + 1) % 500}"} for n in range(500)}}
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


class ConstraintKit(Kit):
    """Subclass it as ``Test…`` and say which plugin it is about."""

    @pytest.fixture
    def vocabulary(self) -> KitVocabulary:
        """The kit's own."""
        return KitVocabulary()

    @pytest.fixture
    def engine(self, vocabulary: KitVocabulary) -> ConstraintEngine:
        """What the plugin makes for it."""
        return self.make_engine(vocabulary)

    def make_engine(self, vocabulary: KitVocabulary) -> ConstraintEngine:
        """A new engine."""
        engine: ConstraintEngine = self.made(Kernel.constraints)(vocabulary)
        return engine

    @pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
    def test_whatever_is_drawn_satisfies(self, engine: ConstraintEngine, vocabulary: KitVocabulary, case: Case) -> None:
        """Any token that a mask allows may be drawn; a text that was ended satisfies its constraint."""
        grammar = engine.compile(case.constraint)
        ended = 0
        for seed in range(TEXTS):
            text = _draw(grammar.matcher(), vocabulary, random.Random(seed))
            if text is not None:
                ended += 1
                assert case.satisfied(text), f"the masks allowed {text!r}"
        assert ended, "no text was ever ended"

    @pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
    def test_good_texts_can_be_drawn(self, engine: ConstraintEngine, vocabulary: KitVocabulary, case: Case) -> None:
        """In tokens that the masks allow, with any end token behind."""
        grammar = engine.compile(case.constraint)
        for text in case.good:
            possible = [_written(grammar.matcher(), vocabulary, way) for way in _ways(text)]
            assert any(possible), f"{text!r} is impossible"

    @pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
    def test_bad_texts_cannot_be_drawn(self, engine: ConstraintEngine, vocabulary: KitVocabulary, case: Case) -> None:
        """Neither by the masks, nor by what ``allows`` says of any way to cut them into tokens."""
        grammar = engine.compile(case.constraint)
        for text in case.bad:
            for way in _ways(text):
                assert not _written(grammar.matcher(), vocabulary, way), f"{text!r} is possible"
                assert not _foreseen(grammar.matcher(), vocabulary, way), f"{text!r} is called possible"

    @pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
    def test_what_masks_allow_may_come(self, engine: ConstraintEngine, vocabulary: KitVocabulary, case: Case) -> None:
        """``allows`` says so of each token, and of tokens one after another; looking ahead moves nothing."""
        matcher = engine.compile(case.constraint).matcher()
        ahead = engine.compile(case.constraint).matcher()
        tokens: list[int] = []
        dice = random.Random(5)
        for _ in range(30):
            allowed = np.flatnonzero(_allowed(matcher)).tolist()
            assert all(matcher.allows([token]) == 1 for token in allowed)
            assert ahead.allows(tokens) == len(tokens)
            tokens.append(dice.choice(allowed))
            matcher.accept(tokens[-1])
            if tokens[-1] in vocabulary.end_tokens:
                break
        assert ahead.allows(tokens) == len(tokens)

    @pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
    def test_forced_tokens_are_allowed_and_alone(
        self, engine: ConstraintEngine, vocabulary: KitVocabulary, case: Case
    ) -> None:
        """Accepted one after another, at any place of any text."""
        grammar = engine.compile(case.constraint)
        dice = random.Random(0)
        for _ in range(5):
            matcher = grammar.matcher()
            for _ in range(DRAWS_MAX):
                for token in matcher.forced():
                    assert _allowed(matcher)[token], "a forced token is not allowed"
                    matcher.accept(token)
                token = dice.choice(np.flatnonzero(_allowed(matcher)).tolist())
                matcher.accept(token)
                if token in vocabulary.end_tokens:
                    break

    @pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
    def test_bits_past_the_vocabulary_are_never_set(
        self, engine: ConstraintEngine, vocabulary: KitVocabulary, case: Case
    ) -> None:
        """Whatever was in the mask before."""
        mask = np.full(-(-vocabulary.vocabulary // 32), 0xFFFFFFFF, np.uint32)
        engine.compile(case.constraint).matcher().mask(mask)
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
        assert not bits[vocabulary.vocabulary :].any()
        assert bits.any()

    def test_a_finished_text_takes_nothing_but_an_end(
        self, engine: ConstraintEngine, vocabulary: KitVocabulary
    ) -> None:
        """``finished`` says so; before that it does not."""
        matcher = engine.compile(Choice(("no", "maybe"), param=PARAM)).matcher()
        for token in vocabulary.encode("maybe", add_bos=False, parse_special=False):
            assert not matcher.finished
            matcher.accept(token)
        assert matcher.finished
        assert set(np.flatnonzero(_allowed(matcher)).tolist()) == set(vocabulary.END_TOKENS)
        assert not matcher.forced()
        matcher.accept(vocabulary.END_TOKENS[1])
        assert matcher.finished

    def test_a_text_that_may_go_on_is_not_finished(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """It may be ended, and it may be continued."""
        matcher = engine.compile(Choice(("may", "maybe"), param=PARAM)).matcher()
        for token in vocabulary.encode("may", add_bos=False, parse_special=False):
            matcher.accept(token)
        assert not matcher.finished
        allowed = set(np.flatnonzero(_allowed(matcher)).tolist())
        assert set(vocabulary.END_TOKENS) < allowed

    def test_matchers_are_independent(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """Answers of one grammar stand at places of their own; looking ahead moves none."""
        grammar = engine.compile(PERSON)
        alone = _draw(grammar.matcher(), vocabulary, random.Random(1))
        other, again = grammar.matcher(), grammar.matcher()
        _draw(other, vocabulary, random.Random(2))
        again.allows(vocabulary.encode('{"name', add_bos=False, parse_special=False))
        assert _draw(again, vocabulary, random.Random(1)) == alone

    def test_the_same_constraint_again(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """Whether or not it was kept, it means the same; another one of the same name means something else."""
        texts = {_draw(engine.compile(PERSON).matcher(), vocabulary, random.Random(3)) for _ in range(3)}
        assert len(texts) == 1
        yes, no = (engine.compile(Choice((text,), param=PARAM)).matcher() for text in ("yes", "no"))
        assert not np.array_equal(_allowed(yes), _allowed(no))

    def test_a_token_that_may_not_come_is_a_fault(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """The engine loop never draws one; if it did, the request would fail and nothing else."""
        matcher = engine.compile(Choice(("yes",), param=PARAM)).matcher()
        (wrong,) = vocabulary.encode("x", add_bos=False, parse_special=False)
        with pytest.raises(BackendFault):
            matcher.accept(wrong)
        early = engine.compile(Choice(("yes",), param=PARAM)).matcher()
        with pytest.raises(BackendFault):
            early.accept(vocabulary.END_TOKENS[0])

    def test_marks_and_schemas_in_grammars(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """What tool calls need: a control token, and JSON that a schema describes."""
        call = '{"type": "object", "properties": {"city": {"type": "string", "maxLength": 4}}, "required": ["city"]}'
        text = f'start: <|mark|> "yes" call\ncall: %json {call[:-1]}, "additionalProperties": false}}'
        grammar = engine.compile(GrammarText("lark", text, param=PARAM))
        matcher = grammar.matcher()
        assert np.flatnonzero(_allowed(matcher)).tolist() == [vocabulary.MARK]
        for seed in range(TEXTS):
            written = _draw(grammar.matcher(), vocabulary, random.Random(seed))
            if written is not None:
                assert written.startswith("yes")
                assert len(json.loads(written[3:])["city"]) <= 4

    @pytest.mark.parametrize("constraint", MALFORMED.values(), ids=list(MALFORMED))
    def test_what_is_malformed_is_refused(self, engine: ConstraintEngine, constraint: Constraint) -> None:
        """With the parameter's name."""
        with pytest.raises(InvalidRequest) as refusal:
            engine.compile(constraint)
        assert refusal.value.param == PARAM
        assert refusal.value.message

    @pytest.mark.parametrize("unusual", UNUSUAL, ids=lambda unusual: unusual.keyword)
    def test_what_cannot_be_enforced_is_refused_by_name(
        self, engine: ConstraintEngine, vocabulary: KitVocabulary, unusual: Unusual
    ) -> None:
        """Keyword and JSON pointer; an engine that takes the keyword enforces it."""
        grammar = _compiled(engine, _schema(unusual.schema))
        if isinstance(grammar, InvalidRequest):
            assert grammar.param == PARAM
            assert unusual.keyword in grammar.message
            assert unusual.pointer in grammar.message
            return
        for way in _ways(unusual.forbidden):
            assert not _written(grammar.matcher(), vocabulary, way), f"{unusual.keyword} is ignored"

    @pytest.mark.parametrize("constraint", HOSTILE.values(), ids=list(HOSTILE))
    def test_hostile_input_is_refused_or_compiled(self, engine: ConstraintEngine, constraint: Constraint) -> None:
        """And nothing else comes out of it; its first masks can be computed, or the request fails alone."""
        grammar = _compiled(engine, constraint)
        if isinstance(grammar, InvalidRequest):
            assert grammar.param == PARAM
            assert len(grammar.message) < 1000
            return
        matcher = grammar.matcher()
        with suppress(BackendFault):
            for _ in range(3):
                matcher.accept(int(np.flatnonzero(_allowed(matcher))[0]))


def _compiled(engine: ConstraintEngine, constraint: Constraint) -> Grammar | InvalidRequest:
    try:
        return engine.compile(constraint)
    except InvalidRequest as refusal:
        return refusal


def _allowed(matcher: Matcher) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros(-(-KitVocabulary.vocabulary // 32), np.uint32)
    matcher.mask(mask)
    return np.unpackbits(mask.view(np.uint8), bitorder="little").astype(np.bool_)


def _draw(matcher: Matcher, vocabulary: KitVocabulary, dice: random.Random) -> str | None:
    """A text of random allowed tokens; None where it does not end. Ends are drawn as soon as they may come, mostly."""
    text = b""
    for _ in range(DRAWS_MAX):
        allowed = np.flatnonzero(_allowed(matcher)).tolist()
        assert allowed, f"nothing may follow {text!r}"
        ends = [token for token in allowed if token in vocabulary.end_tokens]
        token = dice.choice(ends if ends and dice.random() < 0.7 else allowed)
        matcher.accept(token)
        if token in vocabulary.end_tokens:
            return text.decode()
        text += vocabulary.piece(token)
    return None


def _written(matcher: Matcher, vocabulary: KitVocabulary, text: str) -> bool:
    """Whether the masks let *text* be written, longest tokens first, and ended."""
    rest = text.encode()
    while rest:
        pieces = {vocabulary.piece(token): token for token in np.flatnonzero(_allowed(matcher)).tolist()}
        fitting = [piece for piece in pieces if piece and rest.startswith(piece)]
        if not fitting:
            return False
        longest = max(fitting, key=len)
        matcher.accept(pieces[longest])
        rest = rest[len(longest) :]
    ends = {bool(_allowed(matcher)[token]) for token in vocabulary.END_TOKENS}
    assert len(ends) == 1, "either all end tokens may come, or none"
    return ends == {True}


def _foreseen(matcher: Matcher, vocabulary: KitVocabulary, text: str) -> bool:
    tokens = [*vocabulary.encode(text, add_bos=False, parse_special=False), vocabulary.END_TOKENS[0]]
    return matcher.allows(tokens) == len(tokens)


def _ways(text: str) -> list[str]:
    """Ways to write *text*: as it is and, where it is JSON, with spaces."""
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    return list(dict.fromkeys([text, json.dumps(value, ensure_ascii=False)]))
