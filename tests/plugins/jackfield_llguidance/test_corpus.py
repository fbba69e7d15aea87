"""Schemas as people write them, through the whole server: what comes out is valid, or a beginning of something valid.

``schemas/`` has those that were written by hand; others are made from seeds, out of every keyword that is enforced.
``JACKFIELD_CORPUS_ROUNDS=10`` asks ten times as often, each time with other seeds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import jsonschema
import pytest

from jackfield.ports.constraint import JsonSchema
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield.testing.openai_shapes import ChatCompletion
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_llguidance.formats import FORMATS
from jackfield_llguidance.keywords import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jackfield.testing.target import Target

Schema: TypeAlias = "dict[str, Any]"

MADE: Final = 80
"""Schemas made from seeds."""
AT_ONCE: Final = 8
ROUNDS: Final = int(os.environ.get("JACKFIELD_CORPUS_ROUNDS", "1"))
ENDED_MIN: Final = 0.8
"""Share of the answers of bounded length that end by themselves."""
CUT: Final = 12
"""Most tokens of answers that are to be cut: few schemas are satisfied by so little."""
CUT_EVERY: Final = 3
"""Each third schema is also asked for with ``CUT`` tokens."""

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"

MODELS: Final = {
    "demo": ("jackfield:demo", 400, 0.0),
    "random weights": (str(FIXTURES / "base.gguf"), 500, 1.5),
}
"""Source, most tokens of an answer, and temperature."""


class Entry(NamedTuple):
    """A schema of the corpus."""

    name: str
    schema: Schema
    bounded: bool
    """Whether what satisfies it has at most a few hundred characters."""


# --- made schemas ----------------------------------------------------------------------------------------------------


def _scalar(dice: random.Random) -> Schema:
    low = dice.randint(-200, 100)
    return dice.choice(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": "string", "minLength": dice.randint(0, 3), "maxLength": dice.randint(3, 12)},
            {"type": "integer", "minimum": low, "maximum": low + dice.randint(1, 500)},
            {
                "type": "integer",
                "exclusiveMinimum": low,
                "exclusiveMaximum": low + dice.randint(30, 90),
                "multipleOf": 7,
            },
            {"type": "number", "minimum": low / 8, "maximum": low / 8 + dice.randint(1, 9), "multipleOf": 0.25},
            {
                "type": "string",
                "pattern": dice.choice(["^[a-z]{2,5}$", r"^\d{1,3}(,\d{3}){0,2}$", "^(ab?|c)+$", "é{1,2}"]),
            }
            | {"maxLength": 10},
            {"type": "string", "format": dice.choice(sorted(FORMATS.keys() - {"uri", "json-pointer"}))},
            {"const": dice.choice(["fix", 7, None, {"a": [1]}, -0.5])},
            {"enum": dice.sample(["red", "grün", "青", 1, 2.5, None, False, [], {"k": "v"}], 4)},
            {"type": ["integer", "null"], "minimum": 0, "maximum": 9},
        ]
    )


def _object(dice: random.Random, depth: int) -> Schema:
    names = dice.sample(["id", "name", "größe", "名前", "a b", 'q"t', "x/y", "value", "0", "_"], dice.randint(1, 4))
    schema: Schema = {
        "type": "object",
        "properties": {name: _made(dice, depth - 1) for name in names},
        "required": dice.sample(names, dice.randint(0, len(names))),
        "additionalProperties": False,
    }
    if dice.random() < 0.2:
        schema["patternProperties"] = {"^extra_[a-z]{1,3}$": _scalar(dice)}
        schema["required"] = names
        schema["maxProperties"] = len(names) + 1
    elif dice.random() < 0.2:
        schema["minProperties"] = 1
    return schema


def _array(dice: random.Random, depth: int) -> Schema:
    schema: Schema = {"type": "array", "items": _made(dice, depth - 1), "maxItems": dice.randint(1, 3)}
    if dice.random() < 0.3:
        schema["prefixItems"] = [_scalar(dice) for _ in range(dice.randint(1, 2))]
    schema["minItems"] = dice.randint(0, schema["maxItems"])
    return schema


def _union(dice: random.Random, depth: int) -> Schema:
    if dice.random() < 0.5:
        return {"anyOf": [_made(dice, depth - 1) for _ in range(dice.randint(1, 3))]}
    kinds = dice.sample(["create", "update", "delete", "noop"], 3)
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": kind}, "with": _made(dice, depth - 1)},
                "required": ["kind"],
                "additionalProperties": False,
            }
            for kind in kinds
        ]
    }


def _together(dice: random.Random, _depth: int) -> Schema:
    low = dice.randint(0, 50)
    return {
        "$ref": "#/$defs/whole",
        "allOf": [{"minimum": low}, {"anyOf": [{"maximum": low + 9}, {"const": low + 12}]}],
        "title": "made",
    }


def _made(dice: random.Random, depth: int) -> Schema:
    if depth <= 0 or dice.random() < 0.3:
        return _scalar(dice)
    return dice.choice([_object, _object, _array, _union, _together])(dice, depth)


def made(seed: int) -> Schema:
    """A schema, always the same one for *seed*."""
    schema = _made(random.Random(seed), 3)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"whole": {"type": "integer"}}} | schema


def corpus() -> Iterator[Entry]:
    """All schemas."""
    for file in sorted((Path(__file__).parent / "schemas").glob("*.json")):
        for part, schemas in json.loads(file.read_text()).items():
            for name, schema in schemas.items():
                yield Entry(f"{file.stem}: {name}", schema, part == "bounded")
    for seed in range(MADE):
        yield Entry(f"made: {seed}", made(seed), bounded=True)


CORPUS: Final = tuple(corpus())


# --- validity, independent of what enforces it -----------------------------------------------------------------------

_CHECKER: Final = jsonschema.FormatChecker(["date", "email", "ipv4", "ipv6", "uuid"])
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_DURATION: Final = re.compile(
    r"P(?!$)(\d+W|(\d+Y(?=\d+M|T|$))?(\d+M(?=\d+D|T|$))?(\d+D)?(T(?=\d)(\d+H(?!\d+S))?(\d+M)?(\d+S)?)?)"
)


@_CHECKER.checks("date-time", ValueError)
def _date_time(text: object) -> bool:
    return not isinstance(text, str) or ("T" in text and datetime.fromisoformat(text).tzinfo is not None)


@_CHECKER.checks("time", ValueError)
def _time(text: object) -> bool:
    return not isinstance(text, str) or _date_time(f"2000-01-01T{text}")


@_CHECKER.checks("duration")
def _duration(text: object) -> bool:
    return not isinstance(text, str) or _DURATION.fullmatch(text) is not None


@_CHECKER.checks("hostname")
def _hostname(text: object) -> bool:
    return not isinstance(text, str) or (len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split(".")))


def _validator(schema: Schema) -> jsonschema.Draft202012Validator:
    text = (
        json.dumps(schema).replace("(?<year>", "(?:").replace(r"\\p{L}", r"[^\\W\\d_]")
    )  # Python's patterns lack these
    exact = json.loads(text, parse_float=Decimal)  # 19.99 is a multiple of 0.01, and no float says so
    return jsonschema.Draft202012Validator(exact, format_checker=_CHECKER)


# --- the tests -------------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    """What is asked."""

    entry: Entry
    max_tokens: int
    temperature: float
    seed: int


class Outcome(NamedTuple):
    """What came of one question."""

    question: Question
    text: str
    reason: str


@pytest.fixture(params=MODELS.values(), ids=list(MODELS))
def outcomes(request: pytest.FixtureRequest, servers: Callable[[str], Target]) -> list[Outcome]:
    """Of all schemas, eight at once."""
    pytest.importorskip("llama_cpp")
    source, max_tokens, temperature = request.param
    target = servers(
        'enabled = ["llama-cpu", "openai", "fcfs", "llguidance"]\n'
        f'[models.m]\nsource = "{source}"\ncontext = 768\nmax_sequences = {AT_ONCE}\nkv_tokens = {768 * AT_ONCE}\n'
    )
    asked = [*_questions(max_tokens, temperature)]
    found: list[Outcome] = []
    for start in range(0, len(asked), 4 * AT_ONCE):
        found += target.run(_ask(target, asked[start : start + 4 * AT_ONCE]))
    return found


def _questions(max_tokens: int, temperature: float) -> Iterator[Question]:
    for round_ in range(ROUNDS):
        warmth = 1.5 if round_ else temperature
        for number, entry in enumerate(CORPUS):
            yield Question(entry, max_tokens, warmth, round_)
            if number % CUT_EVERY == 0:
                yield Question(entry, CUT, warmth, round_)


async def _ask(target: Target, asked: list[Question]) -> list[Outcome]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(question: Question) -> Outcome:
        name, schema, _ = question.entry
        fields: Mapping[str, Any] = {
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
            "max_tokens": question.max_tokens,
            "temperature": question.temperature,
            "seed": question.seed,
        }
        async with slots:
            reply = await target.client.ask(f"Write {name} as JSON.", **fields)
        assert reply.status == 200, (name, reply.summary)
        assert isinstance(reply.completion, ChatCompletion)
        return Outcome(question, reply.text, reply.finish_reason)

    return await asyncio.gather(*map(one, asked))


@pytest.mark.slow
@pytest.mark.timeout(120 * ROUNDS)
def test_every_answer_satisfies_its_schema(
    outcomes: list[Outcome],
) -> None:
    """Those that ended; the others are beginnings, and most of those that can end do."""
    assert len(outcomes) > ROUNDS * len(CORPUS)
    ended = [outcome for outcome in outcomes if outcome.reason == "stop"]
    cut = [outcome for outcome in outcomes if outcome.reason == "length"]
    assert len(ended) + len(cut) == len(outcomes)
    assert [outcome for outcome in ended if not _satisfies(outcome.question.entry.schema, outcome.text)] == []
    engine = LlguidanceEngine(KitVocabulary(), LlguidanceConfig())
    assert [outcome for outcome in cut if not _begins(engine, outcome.question.entry.schema, outcome.text)] == []
    assert any(outcome.text for outcome in cut), "no answer was cut"
    bounded = [
        outcome.reason for outcome in outcomes if outcome.question.entry.bounded and outcome.question.max_tokens > CUT
    ]
    assert bounded.count("stop") >= ENDED_MIN * len(bounded)


def _satisfies(schema: Schema, text: str) -> bool:
    """Whether *text* is JSON that *schema* describes."""
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError:
        return False
    valid: bool = _validator(schema).is_valid(value)
    return valid


def _begins(engine: LlguidanceEngine, schema: Schema, text: str) -> bool:
    """Whether *text* is the beginning of what satisfies *schema*; a character that was cut off does not count."""
    tokens = KitVocabulary().encode(text.rstrip("\ufffd"), add_bos=False, parse_special=False)
    return engine.compile(JsonSchema(json.dumps(schema))).matcher().allows(tokens) == len(tokens)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"enum": [1, "é"]}, '"é"', '"e"'),
        ({"type": "number", "multipleOf": 0.01}, "19.99", "19.999"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, "[1, 2]", "[1, 2, 3]"),
        ({"type": "string", "format": "duration"}, '"P1DT2H"', '"P1H"'),
        ({"type": "string", "format": "date-time"}, '"2024-02-29T00:00:00Z"', '"2023-02-29T00:00:00Z"'),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False},
            '{"a": null}',
            '{"b": null}',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_found(schema: Schema, good: str, bad: str) -> None:
    """By both checks: of answers that ended, and of those that were cut."""
    engine = LlguidanceEngine(KitVocabulary(), LlguidanceConfig())
    assert _satisfies(schema, good)
    assert not _satisfies(schema, bad)
    assert not _satisfies(schema, good + "}")
    assert all(_begins(engine, schema, good[:end]) for end in range(len(good)))
    assert not _begins(engine, schema, bad)


def test_the_corpus_has_every_keyword() -> None:
    """At least once, and 200 schemas."""
    assert len(CORPUS) >= 200
    assert len({entry.name for entry in CORPUS}) == len(CORPUS)
    enforced = {keyword for keyword, support in KEYWORDS.items() if support == "enforced"}
    assert enforced <= {keyword for entry in CORPUS for keyword in _keywords(entry.schema)}
    formats = {value["format"] for entry in CORPUS for value in _schemas(entry.schema) if "format" in value}
    assert formats >= FORMATS.keys() - {"json-pointer"}


def _schemas(value: object) -> Iterator[Schema]:
    if isinstance(value, dict):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _schemas(member)


def _keywords(schema: Schema) -> set[str]:
    return {name for value in _schemas(schema) for name in value}
