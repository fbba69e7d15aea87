"""``generation_settings``: how an answer is made, under llama-server's names (``task_params::to_json``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.frontends.arrays import INT32_MAX
from jackfield.ports.constraint import GrammarText
from jackfield.sampling import SEED_MAX
from jackfield_llamacpp.samplers import SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.chat import JsonValue
    from jackfield.sampling import SamplingParams
    from jackfield.types import GenerateRequest
    from jackfield_llamacpp.bodies import SharedBody

_FIXED: Final[Mapping[str, JsonValue]] = {
    "adaptive_target": -1.0,
    "adaptive_decay": 0.9,
    "n_keep": 0,
    "n_discard": 0,
    "min_keep": 0,
    "chat_format": "Content-only",
    "reasoning_format": "none",
    "reasoning_in_content": False,
    "generation_prompt": "",
    "speculative.types": "none",
    "post_sampling_probs": False,
    "backend_sampling": False,
    "lora": [],
}
"""What no request can change."""


def default_settings(params: SamplingParams) -> dict[str, JsonValue]:
    """What holds for requests that say nothing, as ``/props`` has it: without what has no default worth a word."""
    return {
        **_drawing(params, SAMPLERS),
        "max_tokens": -1,
        "n_predict": -1,
        "ignore_eos": False,
        "stream": False,
        "n_probs": 0,
        "timings_per_token": False,
    }


def generation_settings(request: GenerateRequest, body: SharedBody, samplers: Sequence[str]) -> Mapping[str, JsonValue]:
    """How an answer to *request* is made.

    Parameters:
        request: What is computed.
        body: What was asked.
        samplers: Which filters a token goes through, and in which order.
    """
    limit = -1 if request.max_tokens in {None, INT32_MAX} else request.max_tokens
    grammar = request.constraint.text if isinstance(request.constraint, GrammarText) else ""
    return {
        **_drawing(request.sampling, samplers),
        "dry_sequence_breakers": list(request.sampling.dry_sequence_breakers),
        "stop": list(request.stop),
        "max_tokens": limit,
        "n_predict": limit,
        "ignore_eos": request.ignore_eos,
        "stream": bool(body.stream),
        "logit_bias": [{"bias": max(each.bias, LOWEST), "token": each.token} for each in request.logit_bias],
        "n_probs": request.logprobs or 0,
        "grammar": grammar,
        "grammar_lazy": False,
        "grammar_triggers": [],
        "preserved_tokens": [],
        "timings_per_token": bool(body.timings_per_token),
    }


LOWEST: Final = -3.4028234663852886e38
"""Of what cannot be drawn, as there: the least float32, because JSON has no infinity."""


def _drawing(params: SamplingParams, samplers: Sequence[str]) -> dict[str, JsonValue]:
    drawn: dict[str, JsonValue] = msgspec.structs.asdict(params)
    del drawn["dry_sequence_breakers"], drawn["infill"]
    return {
        **drawn,
        **_FIXED,
        "seed": SEED_MAX if params.seed is None else params.seed,
        "top_n_sigma": params.top_n_sigma or -1.0,
        "samplers": list(samplers),
    }
