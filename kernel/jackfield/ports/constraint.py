"""Structured output: what an answer must look like, as a mask over the vocabulary for each token.

``jackfield_constraints`` hands over factories of ``ConstraintEngine``. A worker makes one for its model's tokenizer.
A request's ``Constraint`` is compiled into a ``Grammar``; each answer gets a ``Matcher`` of its own, which the engine
asks for a mask before each draw and tells what was drawn. Compiling has threads of its own, so that nobody else waits
for it; what an engine has ``kept`` does not go there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.tokenizer import Tokenizer

GRAMMAR_LENGTH_MAX: Final = 256 * 1024
"""Longest schema, pattern or grammar, in characters; OpenAI takes schemas up to 120,000."""

CHOICES_MAX: Final = 4096
"""Most alternatives of one choice."""


def _bounded(param: str, text: str) -> None:
    if not 0 < len(text) <= GRAMMAR_LENGTH_MAX:
        raise InvalidRequest(f"{param} must have 1 to {GRAMMAR_LENGTH_MAX} characters", param=param)


class JsonObject(msgspec.Struct, frozen=True, tag="json_object"):
    """Any JSON object."""

    param: str = "response_format"
    """Path of what asks for it in the client's request, for errors."""


class JsonSchema(msgspec.Struct, frozen=True, tag="json_schema"):
    """JSON that a schema describes."""

    schema: str
    """The schema (JSON Schema, draft 2020-12), as JSON text."""
    param: str = "json_schema"
    """Path of the schema in the client's request, for errors: ``response_format.json_schema.schema``."""

    def __post_init__(self) -> None:
        _bounded(self.param, self.schema)


class Pattern(msgspec.Struct, frozen=True, tag="regex"):
    """Text that a regular expression matches as a whole."""

    regex: str
    param: str = "regex"

    def __post_init__(self) -> None:
        _bounded(self.param, self.regex)


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """One of several texts."""

    choices: tuple[str, ...]
    param: str = "choice"

    def __post_init__(self) -> None:
        if not 0 < len(self.choices) <= CHOICES_MAX:
            raise InvalidRequest(f"{self.param} must have 1 to {CHOICES_MAX} entries", param=self.param)
        for text in self.choices:
            _bounded(self.param, text)


class GrammarText(msgspec.Struct, frozen=True, tag="grammar"):
    """Text that a grammar derives."""

    syntax: Literal["lark", "gbnf"]
    """``gbnf`` is llama.cpp's; ``lark`` may name special tokens (``<|im_end|>``) and embed schemas (``%json {…}``),
    which is what tool calls need."""
    text: str
    param: str = "grammar"
    marks: tuple[str, ...] = ()
    """Of a Lark grammar: texts that are tokens of their own where the vocabulary has them (``<tool_call>``). The engine
    adds a rule ``mark_N`` for each, which is that token, or the text; and a rule ``free_text``: any text, of one
    character or more, in which none of them stands."""
    schemas: tuple[tuple[str, str], ...] = ()
    """Of a Lark grammar: JSON Schemas, each behind its path in the client's request. The engine adds a rule ``json_N``
    for each; errors in one have its path."""

    def __post_init__(self) -> None:
        _bounded(self.param, self.text)


Constraint: TypeAlias = JsonObject | JsonSchema | Pattern | Choice | GrammarText
"""What an answer must look like."""


class Matcher(Protocol):
    """Where one answer stands in its grammar.

    Used by one thread at a time: the mask thread while a step is computed, the engine loop thread otherwise. Any of its
    methods may raise ``InvalidRequest``, with the constraint's ``param``, where only now the constraint turns out to be
    more than can be followed: the request fails with that.
    """

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        """Write which tokens may come next.

        Where the grammar is complete, end tokens may come too.

        Parameters:
            out: One bit a token, least significant first: bit ``t % 32`` of word ``t // 32``; ``ceil(vocabulary / 32)``
                words. Bits past the vocabulary are left 0.

        Process and thread: worker, mask thread or engine loop thread. Deadline: 2 ms at 152 k tokens, 60 µs usually.
        Failure policy: closed; ``BackendFault`` and ``InvalidRequest`` fail the request, anything else ends the worker.
        """
        ...

    def accept(self, token: int) -> None:
        """*token* was drawn, an end token included.

        Raises:
            BackendFault: It may not come here.

        Process and thread: worker, engine loop thread. Deadline: 100 µs. Failure policy: closed.
        """
        ...

    def forced(self) -> Sequence[int]:
        """The tokens that must come next whatever is drawn, and how a tokenizer would write them; often none.

        They are not accepted yet. The engine takes them over without drawing them. It does not ask where that would
        change anything else: where log probabilities, penalties, biases, mirostat or a least length are asked for.

        Process and thread: worker, engine loop thread. Deadline: 300 µs. Failure policy: closed.
        """
        ...

    @property
    def finished(self) -> bool:
        """Whether the text is complete and nothing but an end token could follow."""
        ...

    def allows(self, tokens: Sequence[int]) -> int:
        """How many of *tokens*, from the first one on, may come next, one after another. Changes nothing.

        Process and thread: worker, engine loop thread. Deadline: 1 ms for 100 tokens. Failure policy: closed.
        """
        ...


class Grammar(Protocol):
    """A compiled ``Constraint``; several answers may use it."""

    def matcher(self) -> Matcher:
        """A matcher at the beginning of the text.

        Process and thread: worker, intake or compiling threads, also at the same time. Deadline: 1 ms. Failure
        policy: closed; the request fails.
        """
        ...


ConstraintKind: TypeAlias = Literal["json_object", "json_schema", "regex", "choice", "grammar"]
"""Kinds of ``Constraint``, by their tags."""

KINDS: Final[tuple[ConstraintKind, ...]] = ("json_object", "json_schema", "regex", "choice", "grammar")


class ConstraintEngine(Protocol):
    """Compiles constraints for one vocabulary.

    It takes all ``KINDS``, unless it says in an attribute ``kinds`` which; see ``LimitedEngine``.
    """

    def kept(self, constraint: Constraint) -> Grammar | None:
        """What ``compile`` has made of an equal *constraint* before; None where it would have to work for it.

        An engine that keeps nothing always says None.

        Raises:
            InvalidRequest: It is known to be refused; the same as by ``compile``.

        Process and thread: worker, intake thread, while others compile. Deadline: 1 ms. Failure policy: closed; the
        request fails.
        """
        ...

    def compile(self, constraint: Constraint) -> Grammar:
        """Turn *constraint* into masks' source; the engine keeps what it likes, for whoever asks next.

        Raises:
            InvalidRequest: It is malformed, or uses a feature that cannot be enforced. The message names the keyword
                and where it stands (for schemas a JSON pointer); ``param`` is the constraint's own. Nothing that a
                client wrote may be quietly ignored.

        Process and thread: worker, compiling threads, several at the same time. Deadline: 5 s for hostile input, 10 ms
        usually. Failure policy: closed; the request fails.
        """
        ...


@runtime_checkable
class LimitedEngine(Protocol):
    """A ``ConstraintEngine`` that does not take all kinds of constraints; it refuses the others."""

    @property
    def kinds(self) -> tuple[ConstraintKind, ...]:
        """Those that it takes, for capability records."""
        ...


ConstraintEngineFactory: TypeAlias = Callable[["Tokenizer"], ConstraintEngine]
"""What ``jackfield_constraints`` hands over: makes an engine for a vocabulary; heavy imports belong in it. Called once
by the worker's main thread when the model is loaded."""
