"""How tokens are drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED_MAX: Final = 2**32 - 1
"""Seeds are unsigned 32-bit in llama.cpp (``LLAMA_DEFAULT_SEED`` is ``0xFFFFFFFF`` and means random)."""

BREAKERS_MAX: Final = 16
"""Most sequence breakers of one request; llama.cpp's default has 4."""

BREAKER_LENGTH_MAX: Final = 40
"""Longest sequence breaker that llama.cpp keeps whole, in characters (``llama_sampler_init_dry``)."""

BIAS_MAX: Final = 100.0
"""Largest logit bias (OpenAI's range)."""

BIAS_LENGTH_MAX: Final = 256
"""Longest text of a logit bias, in characters."""

BIASES_MAX: Final = 1024
"""Most logit biases of one request; OpenAI documents 300, and a ban of a small vocabulary must be possible."""


def in_range(param: str, value: float, low: float, high: float) -> None:
    """Raise ``InvalidRequest`` for a *value* of the field *param* that is not between *low* and *high*."""
    if math.isfinite(value) and low <= value <= high:
        return
    raise InvalidRequest(f"{param} must be between {low:g} and {high:g}", param=param)


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn from the logits; the neutral value of each field switches its filter off.

    Names, meaning and order are llama.cpp's (``common_sampler``, ``tools/server/README.md``): logit bias, penalties,
    dry, top_n_sigma, top_k, typical_p, top_p, min_p, xtc, infill, temperature (with dynatemp), draw. Mirostat replaces
    everything between temperature and draw, as it does there.
    """

    temperature: float = 1.0
    """0 picks the most likely token; up to 2 (OpenAI's range)."""
    top_p: float = 1.0
    """Nucleus: the smallest set of tokens whose probabilities sum to at least this; 1 is off."""
    top_k: int = 0
    """Only the k most likely tokens; 0 is off."""
    min_p: float = 0.0
    """Only tokens at least this fraction as likely as the most likely one; 0 is off."""
    typical_p: float = 1.0
    """Locally typical sampling: the tokens whose surprise is nearest the expected one, up to this mass; 1 is off."""
    top_n_sigma: float = 0.0
    """Only tokens within so many standard deviations of the highest logit; 0 is off."""
    xtc_probability: float = 0.0
    """How often, 0 to 1, all but the least likely of the tokens above ``xtc_threshold`` are left out; 0 is off."""
    xtc_threshold: float = 0.1
    """Least probability of a token that ``xtc_probability`` concerns; above 0.5 it is off."""
    dynatemp_range: float = 0.0
    """Temperature moves by so much up and down with the entropy of the distribution; 0 is off."""
    dynatemp_exponent: float = 1.0
    """How entropy maps to temperature within that range."""
    mirostat: Literal[0, 1, 2] = 0
    """Version of mirostat, which steers towards a constant surprise; 0 is off."""
    mirostat_tau: float = 5.0
    """Surprise that mirostat aims at, in bits."""
    mirostat_eta: float = 0.1
    """How fast mirostat learns."""
    repeat_penalty: float = 1.0
    """Divides the logits of tokens among the last ``repeat_last_n``; 1 is off."""
    repeat_last_n: int = 64
    """How many tokens, of prompt and answer, ``repeat_penalty`` looks at; 0 is none, -1 all."""
    presence_penalty: float = 0.0
    """Taken from the logit of each token that the answer already has; -2 to 2 (OpenAI's range)."""
    frequency_penalty: float = 0.0
    """Taken from the logit of each token once for each time that the answer already has it; -2 to 2."""
    dry_multiplier: float = 0.0
    """Strength of the penalty on tokens that would prolong a repetition; 0 is off."""
    dry_base: float = 1.75
    """By how much that penalty grows with each token of the repetition."""
    dry_allowed_length: int = 2
    """Repetitions up to so many tokens cost nothing."""
    dry_penalty_last_n: int = -1
    """How many tokens of prompt and answer are searched for repetitions; 0 is none, -1 all."""
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    """Texts that end a repetition."""
    infill: bool = False
    """For what fills gaps, after all filters and before the temperature: only an end where that is likely, else only
    what is likely, where tokens that begin alike count as one."""
    seed: int | None = None
    """Seed of the draw, 0 to ``SEED_MAX`` - 1; None draws one."""

    def __post_init__(self) -> None:
        for param, (low, high) in _SAMPLING_RANGES.items():
            in_range(param, getattr(self, param), low, high)
        if self.seed is not None:
            in_range("seed", self.seed, 0, SEED_MAX - 1)
        if len(self.dry_sequence_breakers) > BREAKERS_MAX:
            raise InvalidRequest(
                f"dry_sequence_breakers may have at most {BREAKERS_MAX} strings", param="dry_sequence_breakers"
            )
        for text in self.dry_sequence_breakers:
            if not 0 < len(text) <= BREAKER_LENGTH_MAX:
                raise InvalidRequest(
                    f"each of dry_sequence_breakers must have 1 to {BREAKER_LENGTH_MAX} characters",
                    param="dry_sequence_breakers",
                )


_SAMPLING_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (0, 2**31 - 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "top_n_sigma": (0, 100),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dynatemp_range": (0, 2),
    "dynatemp_exponent": (0, 100),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 1),
    "repeat_penalty": (0.01, 100),
    "repeat_last_n": (-1, 2**31 - 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (0, 2**31 - 1),
    "dry_penalty_last_n": (-1, 2**31 - 1),
}
"""Least and greatest value of each field."""


class LogitBias(msgspec.Struct, frozen=True, array_like=True):
    """What is added to the logit of a token before anything else."""

    token: int | str
    """A token id, or a text: every token that the text consists of gets the bias."""
    bias: float
    """-100 to 100 (OpenAI's range); minus infinity bans the token."""
    param: str = "logit_bias"
    """Path of the token in the client's request, for errors."""

    def __post_init__(self) -> None:
        if self.bias != -math.inf:
            in_range("logit_bias", self.bias, -BIAS_MAX, BIAS_MAX)
        if isinstance(self.token, str) and not 0 < len(self.token) <= BIAS_LENGTH_MAX:
            raise InvalidRequest(
                f"logit_bias: each text must have 1 to {BIAS_LENGTH_MAX} characters", param="logit_bias"
            )
