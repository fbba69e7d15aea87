"""Log probabilities of tokens, as clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.types import TokenLogprob, TopLogprob

if TYPE_CHECKING:
    from jackfield.ports.backend import Runner
    from jackfield.worker.engine.sequence import Sequence

LOGPROB_MIN: Final = -9999.0
"""Stands for impossible, as in OpenAI's API: minus infinity cannot be written in JSON."""


def score(runner: Runner, row: int, token: int, top: int) -> TokenLogprob:
    """How likely *token* was after *row* of the last step, with the *top* likeliest.

    Raises:
        BackendFault: The row has no usable logits.
    """
    scores = runner.scores(row, token, top)
    name = runner.tokenizer.name
    return TokenLogprob(
        token,
        name(token),
        max(scores.logprob, LOGPROB_MIN),
        tuple([TopLogprob(each, name(each), max(logprob, LOGPROB_MIN)) for each, logprob in scores.top]),
    )


def unscored(runner: Runner, token: int) -> TokenLogprob:
    """*token* for those who want to know nothing else of it."""
    return TokenLogprob(token, runner.tokenizer.name(token), None)


def echo_scored(runner: Runner, sequence: Sequence, first_row: int, count: int) -> None:
    """Show as much of *sequence*'s prompt as its last *count* tokens, now computed, say the probabilities of.

    Parameters:
        runner: Has computed them.
        sequence: With ``computed`` already risen.
        first_row: Row of the first of them; each row has logits, and predicts the token after its own.
        count: How many.

    Raises:
        BackendFault: A row has no usable logits.
    """
    request = sequence.request
    prompt, echo, top = request.prompt, request.shown.echo or (), request.shown.logprobs or 0
    began = sequence.computed - count
    known = min(sequence.computed + 1, len(prompt))
    scores: list[TokenLogprob] = []
    for index in range(sequence.scored, known):
        token = prompt[index]
        if index:
            scores.append(score(runner, first_row + index - 1 - began, token, top))
        else:
            scores.append(TokenLogprob(token, runner.tokenizer.name(token), None))
    pieces = echo[sequence.scored : known]
    sequence.scored = max(sequence.scored, known)
    sequence.unscored = sequence.scored < len(prompt)
    if scores:
        sequence.output.echo(pieces, scores)
