"""Where an answer stands in its grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import BackendFault, InvalidRequest
from jackfield_llguidance.errors import TOO_COMPLEX, explain, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from llguidance import LLMatcher


class LlguidanceMatcher:
    """See ``jackfield.ports.constraint.Matcher``.

    Parameters:
        matcher: llguidance's, of this answer alone.
        end_tokens: All that end an answer.
        param: The constraint's, for errors.
    """

    def __init__(self, matcher: LLMatcher, end_tokens: frozenset[int], param: str) -> None:
        self._matcher = matcher
        self._end_tokens = end_tokens
        self._param = param
        self._ended = False

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        """See the port. *out* must lie in one piece."""
        if not out.flags.c_contiguous:
            raise ValueError("the mask must lie in one piece")
        self._matcher.unsafe_compute_mask_ptr(out.ctypes.data, out.nbytes)
        if self._matcher.is_error():
            raise self._fault("no mask can be computed")

    def accept(self, token: int) -> None:
        """See the port."""
        if self._ended:
            raise BackendFault(f"the answer has ended; token {token} may not follow")
        ends = token in self._end_tokens
        # once the text can only end, llguidance takes no token at all
        if not (ends and self._matcher.is_accepting()) and not self._matcher.consume_token(token):
            raise self._fault(f"token {token} may not come here")
        self._ended = ends

    def forced(self) -> Sequence[int]:
        """See the port."""
        if self._ended:
            return ()
        tokens = self._matcher.compute_ff_tokens()
        if self._matcher.is_error():
            raise self._fault("what must come next is unknown")
        # the tokenizer may write forced text with a mark's token, which the grammar does not take for that text
        return tokens[: self._matcher.validate_tokens(tokens)] if tokens else ()

    @property
    def finished(self) -> bool:
        """See the port."""
        return self._ended or (self._matcher.is_stopped() and not self._matcher.is_error())

    def allows(self, tokens: Sequence[int]) -> int:
        """See the port."""
        if self._ended:
            return 0
        text = list(tokens)
        allowed = self._matcher.validate_tokens(text)
        ends = allowed < len(text) and text[allowed] in self._end_tokens
        return allowed + 1 if ends and self._may_end(text[:allowed], text[allowed]) else allowed

    def _may_end(self, tokens: list[int], end: int) -> bool:
        """Whether *end* may come behind *tokens*: because the text is complete, or the grammar names it."""
        ahead = self._matcher.deep_copy()
        return ahead.try_consume_tokens(tokens) == len(tokens) and (ahead.is_accepting() or ahead.consume_token(end))

    def _fault(self, what: str) -> BackendFault | InvalidRequest:
        """Why *what*: llguidance gives up where too many rules, or too many states, hold at once."""
        error = self._matcher.get_error()
        if explain(error).meaning == TOO_COMPLEX:
            return InvalidRequest(f"{self._param}: {TOO_COMPLEX}", param=self._param)
        return BackendFault(f"structured output: {what} ({one_line(error)})")
