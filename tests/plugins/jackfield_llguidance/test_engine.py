"""What is kept between requests, small parts, and faults of the library."""

from __future__ import annotations

import numpy as np
import pytest

from jackfield import build_kernel
from jackfield.errors import BackendFault, InvalidRequest, ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.ports.constraint import Choice, Constraint, JsonObject, JsonSchema
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_llguidance import engine as engine_module
from jackfield_llguidance.cache import BoundedCache
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.cycles import cycle_through
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_llguidance.errors import explain

VOCABULARY = KitVocabulary()


def test_grammars_are_kept() -> None:
    """The same constraint gives the same grammar, until it makes room for others."""
    engine = LlguidanceEngine(VOCABULARY, LlguidanceConfig(cache_entries=2))
    first, second, third = (Choice((text,)) for text in ("a", "b", "c"))
    kept = engine.compile(first)
    engine.compile(second)
    assert engine.compile(Choice(("a",))) is kept
    engine.compile(third)
    assert engine.compile(first) is kept
    other = engine.compile(second)
    assert engine.compile(second) is other


def test_refusals_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again is refused at once, in the same words; each gets an error of its own. The oldest make room."""
    monkeypatch.setattr(engine_module, "REFUSALS", 2)
    engine = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
    asked = [JsonSchema(f'{{"not": {number}}}', "field") for number in range(3)]
    errors = []
    for constraint in (asked[0], asked[0], Choice(("\ud800",), "field")):
        with pytest.raises(InvalidRequest) as refused:
            engine.compile(constraint)
        errors.append(refused.value)
    with pytest.raises(InvalidRequest) as known:
        engine.kept(asked[0])
    assert known.value not in errors
    assert (known.value.message, known.value.param) == (errors[0].message, "field") == (errors[1].message, "field")
    assert engine.kept(JsonSchema(asked[0].schema, "other")) is None
    for constraint in asked[1:]:
        with pytest.raises(InvalidRequest):
            engine.compile(constraint)
    assert engine.kept(asked[0]) is None


@pytest.mark.parametrize("config", [LlguidanceConfig(cache_entries=0), LlguidanceConfig(cache_bytes=1000)])
def test_nothing_is_kept_where_there_is_no_room(config: LlguidanceConfig) -> None:
    """Each request compiles its own."""
    engine = LlguidanceEngine(VOCABULARY, config)
    assert engine.compile(JsonObject()) is not engine.compile(JsonObject())
    assert engine.kept(JsonObject()) is None


def test_what_was_used_last_is_kept() -> None:
    """The bound of bytes holds too, and one that is put again counts once."""
    cache: BoundedCache[str, int] = BoundedCache(entries=3, size=10)
    for key, size in (("a", 4), ("b", 4), ("a", 4)):
        cache.put(key, size, size)
    assert (cache.get("a"), cache.get("b")) == (4, 4)
    cache.get("a")
    cache.put("c", 4, 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (4, None, 4)
    cache.put("huge", 11, 11)
    assert cache.get("huge") is None


@pytest.mark.parametrize("name", ["cache_entries", "cache_bytes"])
def test_bad_options_are_start_errors(name: str) -> None:
    """They name the key."""
    manifest = Manifest(
        enabled=(InstanceRef("llguidance", "llguidance"),), kernel=KernelConfig(), config={"llguidance": {name: -1}}
    )
    with pytest.raises(ManifestError, match=name):
        build_kernel(manifest)


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({}, False),
        ({"a": ["b", "c"], "b": ["c"], "c": []}, False),
        ({"a": ["a"]}, True),
        ({"a": ["b"], "b": ["c", "d"], "c": [], "d": ["b"]}, True),
        ({str(n): [str(n + 1)] for n in range(5000)}, False),
        ({str(n): [str((n + 1) % 5000)] for n in range(5000)}, True),
    ],
)
def test_cycles(edges: dict[str, list[str]], found: bool) -> None:  # noqa: FBT001  # a table's column
    """Found where there is one, however long."""
    assert (cycle_through(edges) is not None) is found


def test_masks_must_lie_in_one_piece() -> None:
    """The library writes to the address it is given."""
    matcher = LlguidanceEngine(VOCABULARY, LlguidanceConfig()).compile(JsonObject()).matcher()
    with pytest.raises(ValueError, match="one piece"):
        matcher.mask(np.zeros(18, np.uint32)[::2])


@pytest.mark.parametrize("constraint", [JsonSchema('{"type": "array"}'), Choice(("ab", "cd"))])
def test_after_a_fault_there_is_nothing_but_faults(constraint: Constraint) -> None:
    """The request fails; nothing it does later is taken for an answer."""
    matcher = LlguidanceEngine(VOCABULARY, LlguidanceConfig()).compile(constraint).matcher()
    with pytest.raises(BackendFault, match="token 120 may not come here"):
        matcher.accept(ord("x"))
    assert not matcher.finished
    with pytest.raises(BackendFault):
        matcher.mask(np.zeros(9, np.uint32))
    with pytest.raises(BackendFault):
        matcher.forced()


@pytest.mark.parametrize(
    ("text", "keyword", "meaning"),
    [
        ("regex parse error:\n    (\n    ^\nerror: unclosed group", "pattern", "unclosed group"),
        ("Unsatisfiable schema: minItems (3) is greater than maxItems (2)", "", "no value satisfies it"),
        (
            'min/maxProperties only supported when all keys listed in "properties" are required',
            "minProperties",
            "named",
        ),
        ("patternProperties '^a' and '^ab' are not disjoint", "patternProperties", "same names"),
        ("Unable to determine if regex is empty: (And …)", "pattern", "too complex"),
        ("circular references with sibling keys are not supported: #/$defs/s0", "$ref", "alone"),
        ("oneOf constraints are not supported. Enable 'coerce_one_of'", "oneOf", "overlap"),
        ("lookarounds not supported yet; End in regex /a$b/", "pattern", "look-around"),
        ("invalid multiple of", "multipleOf", "invalid multiple of"),
        ("schema too large", "", "too large"),
        ("initial lexer configuration (grammar) too big (limit for this grammar: 1000000)", "", "too complex"),
        ("unknown special token: '<|x|>'; following special tokens are available: …", "", "special token"),
        ("Failed to generate regex for integer range: min=Some(3), max=None", "minimum", "no such number"),
        ("something new\n<state>\nTokens: ⟦⟧", "", "something new"),
    ],
)
def test_texts_of_the_library(text: str, keyword: str, meaning: str) -> None:
    """Each has a keyword and words that help, on one line, without dumps."""
    told = explain(text)
    assert told.keyword == keyword
    assert meaning in told.meaning
    assert "\n" not in told.meaning
    assert "state" not in told.meaning
