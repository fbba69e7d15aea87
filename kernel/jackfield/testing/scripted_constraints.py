"""A constraint engine of texts to choose from, which fails on demand: the counterpart of the scripted backend.

It is a stranger's plugin too (``enabled = ["scripted_constraints=/…/scripted_constraints.py"]``). It takes
``choice``, and ``grammar`` whose text is alternatives between bars. A grammar may begin with a directive:

=====================  ===============================================================================================
``[fault:METHOD]``     this method (``kept``, ``compile``, ``matcher``, ``mask``, ``accept``, ``forced``) raises
                       ``BackendFault``
``[refuse:METHOD]``    it raises ``InvalidRequest``
``[crash:METHOD]``     it raises something that it must not
=====================  ===============================================================================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield import hookimpl
from jackfield.errors import BackendFault, InvalidRequest, UnsupportedField
from jackfield.ports.constraint import Choice, GrammarText

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from jackfield import PluginInstance
    from jackfield.ports.constraint import Constraint, ConstraintEngineFactory, ConstraintKind
    from jackfield.ports.tokenizer import Tokenizer

_DIRECTIVE: Final = re.compile(r"\[(fault|refuse|crash):(\w+)\]")

_RAISED: Final[dict[str, type[Exception]]] = {"fault": BackendFault, "refuse": InvalidRequest, "crash": KeyError}


class Trouble:
    """What a grammar asks to fail."""

    def __init__(self, kind: str = "", method: str = "") -> None:
        self._kind = kind
        self._method = method

    def at(self, method: str) -> None:
        """*method* is called."""
        if method == self._method:
            raise _RAISED[self._kind](f"{method} fails as it was told")


class Vocabulary:
    """Tokens by the bytes they stand for."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.pieces = {token: tokenizer.piece(token) for token in range(tokenizer.vocabulary)}
        self.bytes = {piece: token for token, piece in self.pieces.items() if len(piece) == 1}
        self.end_tokens = tokenizer.end_tokens


class ChoiceMatcher:
    """See ``jackfield.ports.constraint.Matcher``; *rests* is what may follow."""

    def __init__(self, vocabulary: Vocabulary, rests: frozenset[bytes], trouble: Trouble) -> None:
        self._vocabulary = vocabulary
        self._rests = rests
        self._trouble = trouble

    @property
    def finished(self) -> bool:
        """Whether nothing may follow."""
        return self._rests == {b""}

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        """Every token that begins a rest."""
        self._trouble.at("mask")
        out[:] = 0
        for token in self._vocabulary.pieces:
            if self._after(self._rests, token) is not None:
                out[token // 32] |= 1 << token % 32

    def accept(self, token: int) -> None:
        """What follows *token*."""
        self._trouble.at("accept")
        rests = self._after(self._rests, token)
        if rests is None:
            raise BackendFault(f"token {token} may not come here")
        self._rests = rests

    def forced(self) -> Sequence[int]:
        """What all rests begin with, byte by byte."""
        self._trouble.at("forced")
        first, last = min(self._rests), max(self._rests)
        common = next((place for place, byte in enumerate(first) if byte != last[place]), len(first))
        return [self._vocabulary.bytes[first[place : place + 1]] for place in range(common)]

    def allows(self, tokens: Sequence[int]) -> int:
        """How far one of the texts goes with them."""
        rests = self._rests
        for count, token in enumerate(tokens):
            after = self._after(rests, token)
            if after is None:
                return count
            rests = after
        return len(tokens)

    def _after(self, rests: frozenset[bytes], token: int) -> frozenset[bytes] | None:
        if token in self._vocabulary.end_tokens:
            return frozenset({b""}) if b"" in rests else None
        piece = self._vocabulary.pieces.get(token, b"")
        if not piece:
            return None
        return frozenset(rest[len(piece) :] for rest in rests if rest.startswith(piece)) or None


class ChoiceGrammar:
    """See ``jackfield.ports.constraint.Grammar``."""

    def __init__(self, vocabulary: Vocabulary, texts: Sequence[str], trouble: Trouble) -> None:
        self._vocabulary = vocabulary
        self._texts = frozenset(text.encode() for text in texts)
        self._trouble = trouble

    def matcher(self) -> ChoiceMatcher:
        """At the beginning."""
        self._trouble.at("matcher")
        return ChoiceMatcher(self._vocabulary, self._texts, self._trouble)


class ChoiceEngine:
    """See ``jackfield.ports.constraint.ConstraintEngine``."""

    kinds: Final[tuple[ConstraintKind, ...]] = ("choice", "grammar")

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._vocabulary = Vocabulary(tokenizer)

    def kept(self, constraint: Constraint) -> None:
        """Nothing ever is."""
        if isinstance(constraint, GrammarText):
            _trouble(constraint).at("kept")

    def compile(self, constraint: Constraint) -> ChoiceGrammar:
        """The texts of *constraint*, or its trouble."""
        if isinstance(constraint, Choice):
            return ChoiceGrammar(self._vocabulary, constraint.choices, Trouble())
        if not isinstance(constraint, GrammarText) or constraint.marks or constraint.schemas:
            raise UnsupportedField("the scripted engine takes choices only", param=constraint.param)
        trouble = _trouble(constraint)
        trouble.at("compile")
        return ChoiceGrammar(self._vocabulary, _DIRECTIVE.sub("", constraint.text).split("|"), trouble)


def _trouble(grammar: GrammarText) -> Trouble:
    directive = _DIRECTIVE.match(grammar.text)
    return Trouble(*directive.groups()) if directive else Trouble()


@hookimpl
def jackfield_constraints(instance: PluginInstance) -> dict[str, ConstraintEngineFactory]:
    """One engine, under the instance's name."""
    return {instance.name: ChoiceEngine}
