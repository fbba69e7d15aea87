"""Conformance of constraint engines: ``jackfield.ports.constraint.ConstraintEngine``.

The kit brings a small vocabulary of its own, and plays the model: it draws any token that a mask allows, thousands of
times, and looks at what was written. How an engine writes JSON (spaces, line breaks) is its own business.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pytest

from jackfield.errors import BackendFault, InvalidRequest
from jackfield.plugins import Kernel
from jackfield.ports.constraint import Choice, GrammarText
from jackfield.testing.kits.constraint_cases import (
    CASES,
    HOSTILE,
    MALFORMED,
    PARAM,
    PERSON,
    UNUSUAL,
    Case,
    KitVocabulary,
    Unusual,
    schema,
)
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint, ConstraintEngine, Matcher

Found = TypeVar("Found")

DRAWS_MAX: Final = 400
"""Tokens after which a text is given up; the kit's grammars end long before, however badly they are drawn."""

TEXTS: Final = 25
"""Texts drawn from each grammar."""


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

    def test_what_is_kept_is_what_was_compiled(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """Nothing at first; then the same grammar, or none."""
        assert engine.kept(PERSON) is None
        compiled = engine.compile(PERSON)
        kept = engine.kept(PERSON)
        if kept is not None:
            texts = [_draw(grammar.matcher(), vocabulary, random.Random(3)) for grammar in (compiled, kept)]
            assert texts[0] == texts[1]
        assert engine.kept(Choice(("never compiled",), param=PARAM)) is None

    def test_several_threads_compile_at_once(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """Each gets its own grammar, while others look for what is kept; what it means is what it means alone."""

        def drawn(case: Case) -> tuple[str | None, ...]:
            engine.kept(case.constraint)
            grammar = engine.compile(case.constraint)
            return tuple(_draw(grammar.matcher(), vocabulary, random.Random(seed)) for seed in range(3))

        asked = [case for case in CASES.values() for _ in range(3)]
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(drawn, asked))
        alone = self.make_engine(vocabulary)
        for case, texts in zip(asked, together, strict=True):
            grammar = alone.compile(case.constraint)
            assert texts == tuple(_draw(grammar.matcher(), vocabulary, random.Random(seed)) for seed in range(3))

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

    def test_marks_are_tokens_where_there_are_such(self, engine: ConstraintEngine, vocabulary: KitVocabulary) -> None:
        """Otherwise texts; and free text is neither."""
        marks = ("<|mark|>", "<tool>")
        grammar = engine.compile(GrammarText("lark", 'start: free_text? mark_0 "yes" mark_1', PARAM, marks))
        tokens = vocabulary.encode("hello <|mark|>yes<tool>", add_bos=False, parse_special=True)
        assert grammar.matcher().allows(tokens) == len(tokens)
        spelt = vocabulary.encode("hello <|mark|>", add_bos=False, parse_special=False)
        assert grammar.matcher().allows(spelt) == len(spelt) - len(">")

    @pytest.mark.parametrize("constraint", MALFORMED.values(), ids=list(MALFORMED))
    def test_what_is_malformed_is_refused(self, engine: ConstraintEngine, constraint: Constraint) -> None:
        """With the parameter's name; if it is known to be refused the next time, then in the same words."""
        with pytest.raises(InvalidRequest) as refusal:
            engine.compile(constraint)
        assert refusal.value.param == PARAM
        assert refusal.value.message
        known = _found(engine.kept, constraint)
        assert known is None or (isinstance(known, InvalidRequest) and str(known) == str(refusal.value))

    @pytest.mark.parametrize("unusual", UNUSUAL, ids=lambda unusual: unusual.keyword)
    def test_what_cannot_be_enforced_is_refused_by_name(
        self, engine: ConstraintEngine, vocabulary: KitVocabulary, unusual: Unusual
    ) -> None:
        """Keyword and JSON pointer; an engine that takes the keyword enforces it."""
        grammar = _found(engine.compile, schema(unusual.schema))
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
        grammar = _found(engine.compile, constraint)
        if isinstance(grammar, InvalidRequest):
            assert grammar.param == PARAM
            assert len(grammar.message) < 1000
            return
        matcher = grammar.matcher()
        with suppress(BackendFault, InvalidRequest):
            for _ in range(3):
                matcher.accept(int(np.flatnonzero(_allowed(matcher))[0]))


def _found(find: Callable[[Constraint], Found], constraint: Constraint) -> Found | InvalidRequest:
    """What ``compile`` or ``kept`` says of *constraint*, or why it is refused."""
    try:
        return find(constraint)
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
