"""The records that requests, answers and events are made of.

All are frozen ``msgspec.Struct``s checked on construction: a record that exists is legal, and later code has nothing to
check again. A value from a client that is out of range raises ``InvalidRequest`` with the field's name in ``param``.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from jackfield.chat import BUDGET_MAX, ChatPrompt
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import Constraint
from jackfield.ports.dialect import ThinkingMarks
from jackfield.sampling import BIASES_MAX, LogitBias, SamplingParams, in_range

STOP_MAX: Final = 16
"""Most stop strings of one request. OpenAI documents 4; local servers accept more."""

STOP_LENGTH_MAX: Final = 512
"""Longest stop string, in characters: as much text as a stream may have to hold back."""

TOP_LOGPROBS_MAX: Final = 20
"""Most alternatives a token (OpenAI's limit)."""

CHOICES_MAX: Final = 128
"""Most answers to one request (OpenAI's limit); a model's ``max_sequences`` is the limit that counts."""

STOP_TOKENS_MAX: Final = 128
"""Most stop token ids of one request."""

PRIORITY_MAX: Final = 100
"""Priorities are -100 to 100."""

PROMPT_END: Final = 256
"""Characters of a rendered conversation that readers of the answer are told: longer than any mark."""

SHOWN_TOKENS_MAX: Final = 64
"""Most control tokens that one request wants to see."""

CACHE_SALT_MAX: Final = 1024
"""Longest ``cache_salt``, in characters (vLLM's limit)."""

SECONDS_MAX: Final = 1e9
"""Longest time that a request may name, in seconds: more than anything waits."""


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "malformed_tool_call", "content_filter"]
"""Why generation ended: an end-of-generation token or stop string, or a token limit. Of answers that called tools, or
began a call that cannot be read, those that would have said ``stop`` say that instead; ``content_filter`` says that a
guardrail has blocked the rest."""


class TemplatePrompt(msgspec.Struct, frozen=True, tag="template"):
    """A conversation as the model's chat template takes it; the worker renders it.

    A ``ChatPrompt`` becomes one in the gateway.
    """

    variables: bytes
    """JSON object: ``messages``, ``tools``, and whatever else the template reads."""
    continue_final: bool = False
    """Go on with the last message instead of beginning a new one."""


class TextPrompt(msgspec.Struct, frozen=True, tag="text"):
    """Raw text, tokenised as it is (with the model's BOS where the model wants one)."""

    text: str
    parse_special: bool = False
    """Read control tokens written in the text as such."""


class TokenPrompt(msgspec.Struct, frozen=True, tag="tokens"):
    """Token ids of the model's own vocabulary, used as they are."""

    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.tokens:
            raise InvalidRequest("prompt must have at least one token", param="prompt")


class InfillPrompt(msgspec.Struct, frozen=True, tag="infill"):
    """What stands before and after a gap; a model that was trained for it fills the gap."""

    prefix: str
    suffix: str
    files: tuple[tuple[str, str], ...] = ()
    """Names and texts of other files, the most useful one last: the first ones are left out where they find no room."""
    begun: str = ""
    """What of the gap is already filled, from its start on. The model reads it as the end of what stands before."""


Prompt: TypeAlias = ChatPrompt | TemplatePrompt | TextPrompt | TokenPrompt | InfillPrompt


class ThinkingLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How thoughts stand in an answer, and how long they may be."""

    marks: ThinkingMarks
    budget: int | None = None
    """Most tokens of thoughts; then the engine writes ``marks.end`` and ``marks.after``."""

    def __post_init__(self) -> None:
        if self.budget is not None:
            in_range("reasoning budget", self.budget, 0, BUDGET_MAX)


class LineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """At which line an answer ends, for editors that have room for a few. The reason is then ``length``."""

    after_s: float | None = None
    """The first line end so many seconds after the first token is the last one."""
    indent: int = 0
    """Before the first line, but the one it begins in, that is indented by fewer spaces and tabs."""

    def __post_init__(self) -> None:
        if self.after_s is not None:
            in_range("seconds until the last line", self.after_s, 0, SECONDS_MAX)
        in_range("indent", self.indent, 0, 2**31 - 1)


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
    """What each answer must look like, after its thoughts."""
    thinking: ThinkingLimit | None = None
    """How thoughts stand in the answer; the gateway fills it in where the model's dialect says that it thinks."""
    shown_tokens: tuple[str, ...] = ()
    """Control tokens that are shown as text, by name; those that the model does not have are no error."""
    token_ids: bool = False
    """Whether each text comes with its tokens also where no log probabilities are asked for; those are None then."""
    progress: bool = False
    """Whether to tell how far the prompt is computed."""
    lines: LineLimits | None = None
    """At which line an answer ends; None at none."""
    slot: int | None = None
    """The slot that the first answer is to be computed in, which it gets where that is free; None leaves it open."""
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
            ("shown_tokens", self.shown_tokens, SHOWN_TOKENS_MAX),
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
    reasoning_tokens: int = 0
    """How many of ``completion_tokens`` were thoughts."""


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
    prompt_end: str = ""
    """Of a rendered conversation its end, ``PROMPT_END`` characters: what the template has begun for the answer."""
    index: int = 0
    """The first of its answers, where several requests are served together."""


class PromptProgress(msgspec.Struct, frozen=True, tag="progress", array_like=True):
    """How far a prompt is computed: when it begins, and after each step that computes of it. Only for those who ask."""

    prompt_tokens: int
    cached_tokens: int
    """That need not be computed."""
    computed_tokens: int
    """Including those."""
    elapsed_s: float
    """Seconds since it began."""
    index: int = 0
    """Which of the ``n`` answers."""


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
    """None for the first token of an echoed prompt, which nothing predicts, and where only token ids are wanted."""
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
    parts: tuple[tuple[int, int], ...] = ()
    """Where several became one: of each, how many characters and tokens it has."""


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
    slot: int = -1
    """Where it was computed, as ``SequenceState.slot`` counts."""


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning", array_like=True):
    """What the model thinks, of a conversation whose dialect can tell; never empty."""

    text: str
    tokens: int
    """How many drawn tokens this text took."""
    index: int = 0
    """Which of the ``n`` answers."""


class ToolCallDelta(msgspec.Struct, frozen=True, tag="call", array_like=True):
    """A part of a call. The first one of each call has ``id`` and ``name``; the others have arguments only."""

    call: int
    """Which of the answer's calls: 0, 1, …"""
    arguments: str = ""
    """The next part of its JSON text; all parts together are one JSON object, unless the answer was cut off."""
    id: str = ""
    name: str = ""
    index: int = 0
    """Which of the ``n`` answers."""


GenerateEvent: TypeAlias = Started | PromptProgress | TextDelta | ReasoningDelta | ToolCallDelta | Finished
"""What ``Gateway.generate`` yields: one ``Started``, any number of deltas, one ``Finished`` for each answer; thoughts
and calls only for a ``ChatPrompt``, progress only where it is asked for. Failure raises."""
