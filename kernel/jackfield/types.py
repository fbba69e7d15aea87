"""The records that requests, answers and events are made of.

All are frozen ``msgspec.Struct``s checked on construction: a record that exists is legal, and later code has nothing to
check again. A value from a client that is out of range raises ``InvalidRequest`` with the field's name in ``param``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import Constraint

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED_MAX: Final = 2**32 - 1
"""Seeds are unsigned 32-bit in llama.cpp (``LLAMA_DEFAULT_SEED`` is ``0xFFFFFFFF`` and means random)."""

STOP_MAX: Final = 16
"""Most stop strings of one request. OpenAI documents 4; local servers accept more."""

STOP_LENGTH_MAX: Final = 512
"""Longest stop string, in characters: as much text as a stream may have to hold back."""

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

TOP_LOGPROBS_MAX: Final = 20
"""Most alternatives a token (OpenAI's limit)."""

CHOICES_MAX: Final = 128
"""Most answers to one request (OpenAI's limit); a model's ``max_sequences`` is the limit that counts."""

STOP_TOKENS_MAX: Final = 128
"""Most stop token ids of one request."""

PRIORITY_MAX: Final = 100
"""Priorities are -100 to 100."""

CACHE_SALT_MAX: Final = 1024
"""Longest ``cache_salt``, in characters (vLLM's limit)."""


FinishReason: TypeAlias = Literal["stop", "length"]
"""Why generation ended: an end-of-generation token or stop string, or a token limit."""


def in_range(param: str, value: float, low: float, high: float) -> None:
    """Raise ``InvalidRequest`` for a *value* of the field *param* that is not between *low* and *high*."""
    if math.isfinite(value) and low <= value <= high:
        return
    raise InvalidRequest(f"{param} must be between {low:g} and {high:g}", param=param)


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn from the logits; the neutral value of each field switches its filter off.

    Names, meaning and order are llama.cpp's (``common_sampler``, ``tools/server/README.md``): logit bias, penalties,
    dry, top_n_sigma, top_k, typical_p, top_p, min_p, xtc, temperature (with dynatemp), draw. Mirostat replaces
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

    def __post_init__(self) -> None:
        if self.bias != -math.inf:
            in_range("logit_bias", self.bias, -BIAS_MAX, BIAS_MAX)
        if isinstance(self.token, str) and not 0 < len(self.token) <= BIAS_LENGTH_MAX:
            raise InvalidRequest(
                f"logit_bias: each text must have 1 to {BIAS_LENGTH_MAX} characters", param="logit_bias"
            )


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation, as a chat template sees it."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


class ChatPrompt(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation; the worker renders it through the model's chat template."""

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        if not self.messages:
            raise InvalidRequest("messages must have at least one message", param="messages")


class TextPrompt(msgspec.Struct, frozen=True, tag="text"):
    """Raw text, tokenised as it is (with the model's BOS where the model wants one)."""

    text: str


class TokenPrompt(msgspec.Struct, frozen=True, tag="tokens"):
    """Token ids of the model's own vocabulary, used as they are."""

    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.tokens:
            raise InvalidRequest("prompt must have at least one token", param="prompt")


Prompt: TypeAlias = ChatPrompt | TextPrompt | TokenPrompt


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, tag="generate"):
    """One generation, whatever dialect asked for it."""

    model: str
    """The name the client used: a model's own name or an alias."""
    prompt: Prompt
    sampling: SamplingParams = SamplingParams()
    max_tokens: int | None = None
    """Most tokens to generate; None takes ``default_max_tokens``. Always capped by the room left in the context."""
    stop: tuple[str, ...] = ()
    """Generation ends before any of these strings; the string itself is not returned."""
    stop_token_ids: tuple[int, ...] = ()
    """Generation ends when one of these is drawn; its text is not returned."""
    ignore_eos: bool = False
    """Never draw an end-of-generation token, so that generation runs to its limit (for benchmarks)."""
    min_tokens: int = 0
    """Tokens that are drawn before an end-of-generation or stop token may be, and before a stop string ends it."""
    logit_bias: tuple[LogitBias, ...] = ()
    """Where several entries name one token, the last one counts."""
    n: int = 1
    """How many answers, each drawn by itself; choice i uses seed + i where a seed is given."""
    logprobs: int | None = None
    """None gives no log probabilities; k gives that of each token drawn and of the k most likely ones, 0 to 20."""
    echo: bool = False
    """The answer begins with the prompt's text, with its log probabilities where those are asked for."""
    constraint: Constraint | None = None
    """What each answer must look like."""
    priority: int | None = None
    """Lower goes first, as in vLLM; schedulers that know no priorities ignore it. -100 to 100; None takes what the
    caller has by default, 0 where nobody is asked who calls."""
    cache_prompt: bool = True
    """Whether the prompt may be taken from the prefix cache, and left there."""
    cache_salt: str = ""
    """Requests share cached prefixes only with those of the same salt (vLLM's field)."""

    def __post_init__(self) -> None:
        in_range("n", self.n, 1, CHOICES_MAX)
        if self.priority is not None:
            in_range("priority", self.priority, -PRIORITY_MAX, PRIORITY_MAX)
        if len(self.cache_salt) > CACHE_SALT_MAX:
            raise InvalidRequest(f"cache_salt may have at most {CACHE_SALT_MAX} characters", param="cache_salt")
        if self.logprobs is not None:
            in_range("logprobs", self.logprobs, 0, TOP_LOGPROBS_MAX)
        for param, values, most in (
            ("stop_token_ids", self.stop_token_ids, STOP_TOKENS_MAX),
            ("logit_bias", self.logit_bias, BIASES_MAX),
            ("stop", self.stop, STOP_MAX),
        ):
            if len(values) > most:
                raise InvalidRequest(f"{param} may have at most {most} entries", param=param)
        if any(not 0 < len(text) <= STOP_LENGTH_MAX for text in self.stop):
            raise InvalidRequest(f"each stop string must have 1 to {STOP_LENGTH_MAX} characters", param="stop")
        self._check_length()

    def _check_length(self) -> None:
        in_range("min_tokens", self.min_tokens, 0, 2**31 - 1)
        if self.max_tokens is None:
            return
        least = 0 if self.echo else 1  # an echo alone measures a prompt, as evaluation harnesses do
        if self.max_tokens < least:
            raise InvalidRequest(f"max_tokens must be at least {least}", param="max_tokens")
        if self.min_tokens > self.max_tokens:
            raise InvalidRequest("min_tokens must not be more than max_tokens", param="min_tokens")


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """Tokens of one answer; a request with several has its prompt once and the sum of their completions."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """How many of ``prompt_tokens`` were in the KV cache before any answer to the prompt began; all of them say it."""


class Timings(msgspec.Struct, frozen=True, array_like=True):
    """Where the worker's time went for one request, in seconds."""

    queue_s: float
    """From prepared until the first step that computed it."""
    prefill_s: float
    """From that step until the first token."""
    decode_s: float
    """From the first token until the last."""


class Started(msgspec.Struct, frozen=True, tag="started", array_like=True):
    """The request was accepted by a worker: its prompt is rendered, measured and fits."""

    prompt_tokens: int
    max_tokens: int
    """The limit that applies after all caps."""


class TopLogprob(msgspec.Struct, frozen=True, array_like=True):
    """One of the most likely tokens at a position."""

    token: int
    piece: bytes
    """Its bytes, which may be part of a character; for a control token its name (``<|im_end|>``)."""
    logprob: float


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True):
    """A token of the text, and how likely it was before bias, penalties and filters (natural logarithm)."""

    token: int
    piece: bytes
    """As in ``TopLogprob``."""
    logprob: float | None
    """None for the first token of an echoed prompt, which nothing predicts."""
    top: tuple[TopLogprob, ...] = ()
    """The most likely tokens, most likely first."""
    offset: int = 0
    """Characters of the answer's text, an echoed prompt included, before the one that the token begins in."""


class TextDelta(msgspec.Struct, frozen=True, tag="text", array_like=True):
    """Text that is final: never empty, never part of a stop string, never half a UTF-8 character."""

    text: str
    tokens: int
    """How many drawn tokens this text took; 0 for an echoed prompt."""
    index: int = 0
    """Which of the ``n`` answers."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of this text's tokens, where they were asked for."""


class Finished(msgspec.Struct, frozen=True, tag="finished", array_like=True):
    """The last event of one answer that succeeded."""

    reason: FinishReason
    usage: Usage
    timings: Timings
    index: int = 0
    """Which of the ``n`` answers."""
    stopped_by: int | str | None = None
    """The stop token id or stop string that ended it; None where an end-of-generation token or a limit did."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the last tokens, where they have no text and log probabilities were asked for: the one that ended it."""


GenerateEvent: TypeAlias = Started | TextDelta | Finished
"""What ``Gateway.generate`` yields: one ``Started``, any number of ``TextDelta``, one ``Finished`` for each answer.
Failure raises."""
