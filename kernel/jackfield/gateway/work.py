"""Work for a model, as the stages around it see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from jackfield.gateway.backlog import CHARACTERS, estimated_tokens, size_of
from jackfield.pooled import PairPrompt, PoolRequest
from jackfield.ports.limiter import Claim
from jackfield.types import GenerateRequest

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.gateway.replica import Replica
    from jackfield.ports.policy import Obligations
    from jackfield.types import TextPrompt, TokenPrompt

Work: TypeAlias = GenerateRequest | PoolRequest
WorkT = TypeVar("WorkT", GenerateRequest, PoolRequest)


def action_of(work: Work) -> str:
    """The scope that it needs."""
    if isinstance(work, GenerateRequest):
        return "generate"
    return "embed" if work.task == "embed" else "rerank"


def prompt_tokens(work: Work) -> int:
    """About how many tokens its prompts have; nothing is tokenised yet."""
    if isinstance(work, GenerateRequest):
        return estimated_tokens(work.prompt)
    return sum(max(1, _input_tokens(each)) for each in work.inputs)


def _input_tokens(prompt: TextPrompt | TokenPrompt | PairPrompt) -> int:
    if isinstance(prompt, PairPrompt):
        return (size_of(prompt.query) + size_of(prompt.document)) // CHARACTERS
    return estimated_tokens(prompt)


def claim(context: RequestContext, replica: Replica, work: Work, default_max_tokens: int) -> Claim:
    """What *work* may take, for limiters.

    Parameters:
        context: Of the request.
        replica: The model that is asked.
        work: What is asked.
        default_max_tokens: ``kernel.default_max_tokens``.
    """
    answers, tokens = 1, 0
    if isinstance(work, GenerateRequest):
        answers = work.n
        tokens = answers * _longest(replica, default_max_tokens if work.max_tokens is None else work.max_tokens)
    return Claim(
        request_id=context.request_id,
        principal=context.principal,
        user=context.user,
        model=replica.name,
        action=action_of(work),
        prompt_tokens=prompt_tokens(work),
        completion_tokens=tokens,
        answers=answers,
        queue=replica.admission.queue,
    )


def _longest(replica: Replica, wanted: int) -> int:
    """How many of *wanted* tokens an answer of that model can have at most."""
    limits = replica.status.limits
    return wanted if limits is None or replica.config.context_shift else min(wanted, limits.context)


def obliged(request: WorkT, obligations: Obligations, default_max_tokens: int) -> WorkT:
    """*request* as *obligations* let it be."""
    if not isinstance(request, GenerateRequest):
        return request
    most, priority = obligations.max_tokens, obligations.priority
    if most is not None:
        asked = default_max_tokens if request.max_tokens is None else request.max_tokens
        if asked > most:
            least = min(request.min_tokens, most)
            request = msgspec.structs.replace(request, max_tokens=most, min_tokens=least)
    if priority is not None:
        request = msgspec.structs.replace(request, priority=priority)
    return request
