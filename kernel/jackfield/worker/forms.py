"""What answers must look like: constraints, compiled, behind thoughts where the model thinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import UnsupportedField
from jackfield.worker.compiling import Costly
from jackfield.worker.engine.constraining import forcing
from jackfield.worker.engine.sequence import Form
from jackfield.worker.engine.thought_marks import ThoughtMarks
from jackfield.worker.engine.thoughts import ThinkingMatcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.constraint import Constraint, Matcher
    from jackfield.ports.dialect import ThinkingMarks
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.types import GenerateRequest, ThinkingLimit
    from jackfield.worker.constraints import NamedConstraintEngine
    from jackfield.worker.engine.sequence import PreparedRequest


class Forms:
    """Gives requests of one model their matchers.

    Parameters:
        tokenizer: The model's.
        constraints: Compiles what answers must look like; None where no plugin does.

    Made by the worker's main thread, used by the intake thread; what takes long is done by other threads.
    """

    def __init__(self, tokenizer: Tokenizer, constraints: NamedConstraintEngine | None) -> None:
        self._tokenizer = tokenizer
        self._constraints = constraints
        self._marks: dict[ThinkingMarks, ThoughtMarks] = {}
        """Of the model's dialect: one, unless that changes."""

    def formed(self, prepared: PreparedRequest, request: GenerateRequest) -> PreparedRequest | Costly[PreparedRequest]:
        """*prepared* with what its answers must look like; to be finished later where that takes long.

        Raises:
            InvalidRequest: The constraint is known to be refused.
            BackendFault: The constraint engine failed.
        """
        constraint, thinking = request.constraint, request.thinking
        if constraint is None:
            if thinking is None or thinking.budget is None:
                return prepared
            return self._with_form(prepared, request, ())
        engine = self._engine(constraint)
        count = request.n if thinking is None else 2 * request.n
        marks = None if thinking is None else self._marks_of(thinking)
        kept = engine.kept(constraint, count) if marks is None or marks.prepared else None
        if kept is not None:
            return self._with_form(prepared, request, kept)

        def finish() -> PreparedRequest:
            if marks is not None and not marks.prepared:
                marks.prepare()
            return self._with_form(prepared, request, engine.compiled(constraint, count))

        return Costly(prepared.standing.tenant, finish)

    def _engine(self, constraint: Constraint) -> NamedConstraintEngine:
        if self._constraints is None:
            raise UnsupportedField(
                "no enabled plugin compiles schemas and grammars; one that hands over jackfield_constraints is needed",
                param=constraint.param,
            )
        return self._constraints

    def _marks_of(self, thinking: ThinkingLimit) -> ThoughtMarks:
        marks = self._marks.get(thinking.marks)
        if marks is None:
            marks = self._marks[thinking.marks] = ThoughtMarks(self._tokenizer, thinking.marks)
        return marks

    def _with_form(
        self, prepared: PreparedRequest, request: GenerateRequest, matchers: Sequence[Matcher]
    ) -> PreparedRequest:
        """Tokens are not forced where the sampler must see them, or their probabilities are asked for."""
        seen = request.logprobs is not None or request.min_tokens or request.logit_bias
        form = Form(
            matchers=tuple(matchers if request.thinking is None else self._thinking(prepared, request, matchers)),
            forcing=not seen and forcing(request.sampling),
        )
        prepared.draws = msgspec.structs.replace(prepared.draws, form=form)
        return prepared

    def _thinking(
        self, prepared: PreparedRequest, request: GenerateRequest, matchers: Sequence[Matcher]
    ) -> list[ThinkingMatcher]:
        """A matcher for each answer, of two each of its constraint, if there is one."""
        thinking = request.thinking
        if thinking is None:
            return []
        marks = self._marks_of(thinking)
        begun = prepared.shown.prompt_end.rstrip().encode().endswith(marks.begin)
        ends = prepared.ends.stop_tokens | self._tokenizer.end_tokens
        pairs: list[tuple[Matcher | None, Matcher | None]] = [(None, None)] * request.n
        if matchers:
            pairs = list(zip(matchers[::2], matchers[1::2], strict=True))
        return [
            ThinkingMatcher(marks, thinking.budget, answer, None if begun else without, begun=begun, ends=ends)
            for answer, without in pairs
        ]
