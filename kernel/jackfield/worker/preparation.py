"""Generations, prepared: rendered, tokenised, measured, with everything checked that needs the model's vocabulary."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.sampling import SEED_MAX, in_range
from jackfield.tasks import refuse_many_answers, refuse_other_tasks
from jackfield.types import PROMPT_END, GenerateRequest, InfillPrompt, Started, TemplatePrompt, TextPrompt, TokenPrompt
from jackfield.worker.answering import Answering
from jackfield.worker.biases import refuse_if_nothing_is_left, resolve_biases
from jackfield.worker.engine.prefix.scope import scope_of
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest, Shown, Standing
from jackfield.worker.forms import Forms
from jackfield.worker.infill import InfillWriter
from jackfield.worker.prompts import PromptReader
from jackfield.worker.rendering import PromptRenderer

if TYPE_CHECKING:
    from jackfield.channel.messages import Submit
    from jackfield.ports.backend import Runner
    from jackfield.questions import Question, Reply
    from jackfield.sampling import SamplingParams
    from jackfield.worker.compiling import Costly
    from jackfield.worker.constraints import NamedConstraintEngine
    from jackfield.worker.engine.prefix.scope import Sharing
    from jackfield.worker.links import RequestHandle


class Preparation:
    """Turns requests of one model into what the engine runs.

    Parameters:
        runner: The loaded model; only its tokenizer and limits are used.
        default_max_tokens: Where a request gives no limit.
        context_shift: Whether an answer may be longer than the context.
        constraints: Compiles what answers must look like; None where no plugin does.
        sharing: Whose computed prefixes are used again for whom.

    Raises:
        ModelLoadError: The model's chat template cannot be used.

    Made by the worker's main thread, used by the intake thread; grammars are compiled by other threads.
    """

    def __init__(
        self,
        runner: Runner,
        default_max_tokens: int,
        *,
        context_shift: bool = False,
        constraints: NamedConstraintEngine | None = None,
        sharing: Sharing = "off",
    ) -> None:
        self._sharing: Sharing = sharing
        self._info = runner.info
        self._limits = runner.limits
        self._tokenizer = runner.tokenizer
        self._default_max_tokens = default_max_tokens
        self._context_shift = context_shift
        self._forms = Forms(runner.tokenizer, constraints)
        self._reader = PromptReader(runner.tokenizer, runner.limits.context)
        self._bos = self._tokenizer.encode("", add_bos=True, parse_special=False)
        self._infill = InfillWriter(self._tokenizer, self._reader)
        self.renderer = PromptRenderer(self._tokenizer, self._reader)
        self._answering = Answering(self._tokenizer, self._reader, self.renderer)

    def answer(self, question: Question) -> Reply:
        """See ``Answering``."""
        return self._answering.answer(question)

    def prepare(self, message: Submit, recipient: RequestHandle) -> PreparedRequest | Costly[PreparedRequest]:
        """Render, tokenise and measure. What its answers must look like is left to be compiled, unless it was before.

        Raises:
            InvalidRequest: Something in it cannot be used, or the prompt is as long as the context
                (``ContextLengthExceeded``).
            BackendFault: The model's chat template failed, or the constraint engine.
        """
        request = message.request
        refuse_other_tasks(request, self._info)
        if not isinstance(request, GenerateRequest):
            raise UnsupportedField("this model generates text and nothing else", param="model")
        refuse_many_answers(request, self._limits)
        tokens, prompt_end = self._tokens(request)
        ends = self._ends(request, tokens)
        prepared = PreparedRequest(
            recipient,
            tokens,
            draws=self._draws(request, ends),
            ends=ends,
            choices=request.n,
            shown=Shown(
                logprobs=request.logprobs,
                echo=self._echo(request, tokens) if request.echo else None,
                tokens=self._shown_tokens(request.shown_tokens),
                prompt_end=prompt_end,
                token_ids=request.token_ids,
                progress=request.progress,
            ),
            standing=self._standing(message.tenant, request),
        )
        return self._forms.formed(prepared, request)

    def _standing(self, tenant: str, request: GenerateRequest) -> Standing:
        scope = scope_of(self._sharing, tenant, request.cache_salt) if request.cache_prompt else None
        if request.slot is not None:
            in_range("id_slot", request.slot, 0, self._limits.max_sequences - 1)
        return Standing(tenant=tenant, priority=request.priority or 0, scope=scope, slot=request.slot)

    @staticmethod
    def announce(prepared: PreparedRequest) -> Started:
        """What the client is told of it."""
        return Started(len(prepared.prompt), prepared.ends.max_tokens, prepared.shown.prompt_end)

    # --- the prompt --------------------------------------------------------------------------------------------------

    def _tokens(self, request: GenerateRequest) -> tuple[list[int], str]:
        """Token ids of the prompt, and the end of its text where it was rendered."""
        prompt = request.prompt
        param, end = "prompt", ""
        if isinstance(prompt, TemplatePrompt):
            param = "messages"
            text = self.renderer.text(prompt)
            tokens, end = self.renderer.tokens(text), text[-PROMPT_END:]
        elif isinstance(prompt, TextPrompt):
            tokens = self._reader.text(prompt.text, param, parse_special=prompt.parse_special)
        elif isinstance(prompt, TokenPrompt):
            tokens = self._reader.ids(prompt.tokens, param)
        elif isinstance(prompt, InfillPrompt):
            tokens = self._infill.tokens(prompt, self._limits.context - self._wanted(request))
        else:
            raise UnsupportedField("the gateway sent a prompt that no worker reads", param=param)
        if not tokens:
            raise InvalidRequest(f"{param} must not be empty", param=param)
        if len(tokens) >= self._limits.context:
            raise self._reader.too_long(param, len(tokens))
        return tokens, end

    def _echo(self, request: GenerateRequest, tokens: list[int]) -> tuple[bytes, ...]:
        """The bytes that each token of the prompt is shown as; together they are the text as it was sent."""
        pieces = [self._tokenizer.piece(token) for token in tokens]
        if isinstance(request.prompt, TextPrompt) and b"".join(pieces) == b" " + request.prompt.text.encode():
            # SentencePiece vocabularies put a space in front of a text that has none
            first = next(index for index, piece in enumerate(pieces) if piece)
            pieces[first] = pieces[first][1:]
        return tuple(pieces)

    def _shown_tokens(self, names: tuple[str, ...]) -> dict[int, bytes]:
        """Control tokens that have one of these *names*."""
        shown: dict[int, bytes] = {}
        for name in names:
            tokens = self._tokenizer.encode(name, add_bos=False, parse_special=True)
            if len(tokens) == 1 and self._tokenizer.name(tokens[0]) == name.encode():
                shown[tokens[0]] = name.encode()
        return shown

    # --- ends and draws ----------------------------------------------------------------------------------------------

    def _wanted(self, request: GenerateRequest) -> int:
        return self._default_max_tokens if request.max_tokens is None else request.max_tokens

    def _ends(self, request: GenerateRequest, prompt: list[int]) -> Ends:
        wanted = self._wanted(request)
        stop_tokens = request.stop_token_ids
        vocabulary = self._tokenizer.vocabulary
        for index, token in enumerate(stop_tokens):
            if not 0 <= token < vocabulary:
                raise InvalidRequest(
                    f"stop_token_ids must be between 0 and {vocabulary - 1}", param=f"stop_token_ids[{index}]"
                )
        return Ends(
            max_tokens=wanted if self._context_shift else min(wanted, self._limits.context - len(prompt)),
            end_tokens=frozenset() if request.ignore_eos else self._tokenizer.end_tokens,
            stop_tokens=frozenset(stop_tokens),
            stops=request.stop,
            lines=request.lines,
            min_tokens=request.min_tokens,
            keep=len(self._bos) if prompt[: len(self._bos)] == self._bos else 0,
        )

    def _draws(self, request: GenerateRequest, ends: Ends) -> Draws:
        """Bans that hold for the first draws only leave no room for one that holds always: that one is a bias."""
        bias = resolve_biases(request.logit_bias, self._tokenizer)
        banned = self._tokenizer.end_tokens if request.ignore_eos else frozenset[int]()
        if request.min_tokens:
            bias.update(dict.fromkeys(banned, -math.inf))
            banned = (ends.end_tokens | ends.stop_tokens) - banned
        refuse_if_nothing_is_left(bias, banned, self._tokenizer.vocabulary)
        return Draws(
            sampling=_seeded(request.sampling),
            bias=bias,
            banned=tuple(sorted(banned)),
            banned_draws=request.min_tokens or None,
        )


def _seeded(sampling: SamplingParams) -> SamplingParams:
    if sampling.seed is not None:
        return sampling
    return msgspec.structs.replace(sampling, seed=secrets.randbelow(SEED_MAX))
