"""Compiles constraints for one vocabulary."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from llguidance import LLMatcher

from jackfield.errors import BackendFault, InvalidRequest
from jackfield.ports.constraint import Constraint, GrammarText, JsonSchema
from jackfield_llguidance.cache import BoundedCache
from jackfield_llguidance.document import below
from jackfield_llguidance.errors import Told, explain, refused
from jackfield_llguidance.grammars import GrammarWriter
from jackfield_llguidance.limits import GRAMMAR_ITEMS_MAX, SCHEMA_ITEMS_MAX, parser_limits
from jackfield_llguidance.matcher import LlguidanceMatcher
from jackfield_llguidance.schema import SchemaReader
from jackfield_llguidance.vocabulary import VocabularyAdapter, read_vocabulary

if TYPE_CHECKING:
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield_llguidance.config import LlguidanceConfig

GRAMMAR_BYTES: Final = 256 * 1024
"""Memory of the smallest grammar, about."""

CHARACTER_BYTES: Final = 100
"""Memory of each character of a grammar's text, about."""

PANIC: Final = "panic"
"""How errors begin that are llguidance's own."""

SEARCH_S: Final = 1.0
"""How long the place of an error is searched."""

REFUSALS: Final = 1000
"""Most refusals that are kept."""

REFUSAL_BYTES: Final = 2000
"""Memory of one, about."""


class Refusal(NamedTuple):
    """Why a constraint is refused."""

    kind: type[InvalidRequest]
    message: str
    param: str | None

    def error(self) -> InvalidRequest:
        """A new one: what is raised takes the frames along that it came through."""
        return self.kind(self.message, param=self.param)


class LlguidanceGrammar:
    """See ``jackfield.ports.constraint.Grammar``.

    Parameters:
        matcher: At the beginning of the text; it is only copied.
        end_tokens: All that end an answer.
        param: The constraint's, for errors.
    """

    def __init__(self, matcher: LLMatcher, end_tokens: frozenset[int], param: str) -> None:
        self._matcher = matcher
        self._end_tokens = end_tokens
        self._param = param

    def matcher(self) -> LlguidanceMatcher:
        """See the port."""
        return LlguidanceMatcher(self._matcher.deep_copy(), self._end_tokens, self._param)


class LlguidanceEngine:
    """See ``jackfield.ports.constraint.ConstraintEngine``.

    Parameters:
        tokenizer: The model's.
        config: The plugin's options.
    """

    def __init__(self, tokenizer: Tokenizer, config: LlguidanceConfig) -> None:
        adapter = VocabularyAdapter(tokenizer)
        self._vocabulary = read_vocabulary(adapter)
        self._end_tokens = tokenizer.end_tokens
        self._writer = GrammarWriter(config.whitespace, adapter.special_tokens)
        self._limits = parser_limits(SCHEMA_ITEMS_MAX)
        self._grammar_limits = parser_limits(GRAMMAR_ITEMS_MAX)
        self._cache: BoundedCache[Constraint, LlguidanceGrammar] = BoundedCache(
            config.cache_entries, config.cache_bytes
        )
        self._refusals: BoundedCache[bytes, Refusal] = BoundedCache(REFUSALS, REFUSALS * REFUSAL_BYTES)

    def kept(self, constraint: Constraint) -> LlguidanceGrammar | None:
        """See the port."""
        grammar = self._cache.get(constraint)
        refusal = self._refusals.get(_digest(constraint)) if grammar is None else None
        if refusal is not None:
            raise refusal.error()
        return grammar

    def compile(self, constraint: Constraint) -> LlguidanceGrammar:
        """See the port."""
        kept = self.kept(constraint)
        if kept is not None:
            return kept
        try:
            return self._compile(constraint)
        except InvalidRequest as error:
            refusal = Refusal(type(error), error.message, error.param)
            self._refusals.put(_digest(constraint), refusal, REFUSAL_BYTES)
            raise

    def _compile(self, constraint: Constraint) -> LlguidanceGrammar:
        text = self._writer.write(constraint)
        # those with schemas of their own are made of tools: as many rules may hold as there are properties
        written = isinstance(constraint, GrammarText) and not constraint.schemas
        matcher = self._matcher(text, grammar=written)
        if matcher.is_error():
            raise self._refusal(constraint, matcher.get_error())
        if not np.frombuffer(matcher.compute_bitmask(), np.uint8).any():
            raise self._refusal(constraint, matcher.get_error() or "Unsatisfiable schema")
        grammar = LlguidanceGrammar(matcher, self._end_tokens, constraint.param)
        self._cache.put(constraint, grammar, GRAMMAR_BYTES + CHARACTER_BYTES * len(text))
        return grammar

    def _matcher(self, text: str, *, grammar: bool = False) -> LLMatcher:
        limits = self._grammar_limits if grammar else self._limits
        return LLMatcher(self._vocabulary, text, log_level=0, limits=limits)

    def _refusal(self, constraint: Constraint, error: str) -> InvalidRequest:
        """What *error*, of llguidance, says to a client about its *constraint*."""
        if error.startswith(PANIC):
            raise BackendFault("the grammar could not be compiled")
        told = explain(error)
        if isinstance(constraint, JsonSchema):
            return refused(constraint.param, told.keyword, self._place(constraint, told), told.meaning)
        if isinstance(constraint, GrammarText):
            for path, schema in constraint.schemas:
                self._alone(JsonSchema(schema, path))
        return InvalidRequest(f"{constraint.param}: {told.meaning}", param=constraint.param)

    def _alone(self, constraint: JsonSchema) -> None:
        """Refuse a schema in a grammar in its own words, if it is what is wrong."""
        error = self._matcher(self._writer.write(constraint)).get_error()
        if error:
            raise self._refusal(constraint, error)

    def _place(self, constraint: JsonSchema, told: Told) -> str:
        """The pointer of the innermost schema that gives the same error by itself, or of the keyword in it."""
        reader = SchemaReader(constraint.schema, constraint.param)
        until = time.monotonic() + SEARCH_S
        for pointer in sorted(reader.schemas, key=lambda pointer: -pointer.count("/")):
            if time.monotonic() > until:
                break
            if explain(self._matcher(self._writer.json(reader.alone(pointer))).get_error()) == told:
                return below(pointer, told.keyword) if told.keyword in reader.schemas[pointer] else pointer
        return ""


def _digest(constraint: Constraint) -> bytes:
    """Stands for *constraint* where it is too large to be kept; lone surrogates and all."""
    return sha256(repr(constraint).encode()).digest()
