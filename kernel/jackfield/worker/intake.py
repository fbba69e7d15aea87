"""The intake thread: render, tokenise, measure. What may take milliseconds happens here, never in the engine loop."""

from __future__ import annotations

import queue
import secrets
import threading
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from jackfield.channel.messages import RequestFailed
from jackfield.errors import (
    ContextLengthExceeded,
    ErrorRecord,
    InternalError,
    InvalidRequest,
    JackfieldError,
    UnsupportedField,
)
from jackfield.lifecycle import RequestEvent
from jackfield.logs import traceback_of
from jackfield.types import SEED_MAX, ChatPrompt, Started, TextPrompt, TokenPrompt
from jackfield.worker.engine.sequence import PreparedRequest
from jackfield.worker.template import ChatTemplate

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import Submit
    from jackfield.ports.backend import Runner
    from jackfield.types import GenerateRequest
    from jackfield.worker.links import RequestHandle

log = structlog.get_logger("jackfield.worker")

_PIECE_FLOOR: Final = 4
"""Lower bound of the longest piece, in bytes: a vocabulary of single bytes still needs room for one character."""


class Preparation:
    """Turns requests of one model into what the engine runs.

    Parameters:
        runner: The loaded model; only its tokenizer and limits are used.
        default_max_tokens: Where a request gives no limit.

    Raises:
        ModelLoadError: The model's chat template cannot be used.

    Made by the worker's main thread, used by the intake thread.
    """

    def __init__(self, runner: Runner, default_max_tokens: int) -> None:
        self._tokenizer = runner.tokenizer
        self._context = runner.limits.context
        self._default_max_tokens = default_max_tokens
        longest = max(len(self._tokenizer.piece(token)) for token in range(self._tokenizer.vocabulary))
        self._prompt_bytes_max = self._context * max(longest, _PIECE_FLOOR) + 4096
        """Above this many bytes a prompt has certainly more tokens than the context; the rest is for control tokens."""
        source = self._tokenizer.chat_template
        tokens = self._tokenizer.template_tokens
        self._template = ChatTemplate(source, tokens, self._prompt_bytes_max) if source else None

    def prepare(self, request: GenerateRequest, recipient: RequestHandle) -> PreparedRequest:
        """Render, tokenise and measure.

        Raises:
            InvalidRequest: The prompt cannot be used, or is as long as the context (``ContextLengthExceeded``).
            BackendFault: The model's chat template failed.
        """
        tokens = self._tokens(request)
        if not tokens:
            raise InvalidRequest(f"{_param(request)} must not be empty", param=_param(request))
        room = self._context - len(tokens)
        if room < 1:
            raise ContextLengthExceeded(
                f"this model's context is {self._context} tokens; the prompt has {len(tokens)}", param=_param(request)
            )
        sampling = request.sampling
        if sampling.seed is None:
            sampling = msgspec.structs.replace(sampling, seed=secrets.randbelow(SEED_MAX))
        return PreparedRequest(
            recipient,
            tokens,
            max_tokens=min(request.max_tokens or self._default_max_tokens, room),
            sampling=sampling,
            stops=request.stop,
            banned=tuple(self._tokenizer.end_tokens) if request.ignore_eos else (),
        )

    def _tokens(self, request: GenerateRequest) -> list[int]:
        prompt = request.prompt
        if isinstance(prompt, ChatPrompt):
            return self._chat_tokens(prompt)
        if isinstance(prompt, TextPrompt):
            return self._tokenizer.encode(self._bounded(prompt.text, "prompt"), add_bos=True, parse_special=False)
        return self._checked_ids(prompt)

    def _chat_tokens(self, prompt: ChatPrompt) -> list[int]:
        if self._template is None:
            raise UnsupportedField("this model has no chat template; use a completion with a prompt", param="messages")
        text = self._template.render(prompt.messages)
        if text is None:
            raise self._too_long("messages")
        bos = self._tokenizer.template_tokens.get("bos_token", "")
        written = bool(bos) and text.startswith(bos)  # a template that writes BOS itself must not get a second one
        return self._tokenizer.encode(self._bounded(text, "messages"), add_bos=not written, parse_special=True)

    def _checked_ids(self, prompt: TokenPrompt) -> list[int]:
        vocabulary = self._tokenizer.vocabulary
        for index, token in enumerate(prompt.tokens):
            if not 0 <= token < vocabulary:
                raise InvalidRequest(f"token ids must be between 0 and {vocabulary - 1}", param=f"prompt[{index}]")
        return list(prompt.tokens)

    def _bounded(self, text: str, param: str) -> str:
        if len(text.encode(errors="surrogatepass")) > self._prompt_bytes_max:
            raise self._too_long(param)
        return text

    def _too_long(self, param: str) -> ContextLengthExceeded:
        return ContextLengthExceeded(
            f"this model's context is {self._context} tokens; the prompt is far longer", param=param
        )


class Intake:
    """The intake thread and its queue.

    Parameters:
        preparation: Does the work.
        submit: Takes prepared requests: the engine's inbox.
    """

    def __init__(self, preparation: Preparation, submit: Callable[[PreparedRequest], None]) -> None:
        self._preparation = preparation
        self._submit = submit
        self._queue: queue.SimpleQueue[tuple[RequestHandle, Submit] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, handle: RequestHandle, message: Submit) -> None:
        """Queue a request. Links thread."""
        self._queue.put((handle, message))

    def stop(self) -> None:
        """End the thread after what is queued. Any other thread."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            handle, message = item
            if handle.cancelled:
                handle.life.fire(RequestEvent.CANCEL)
            else:
                self._serve(handle, message)

    def _serve(self, handle: RequestHandle, message: Submit) -> None:
        try:
            prepared = self._preparation.prepare(message.request, handle)
        except JackfieldError as error:
            self._refuse(handle, error)
        except Exception as error:  # noqa: BLE001 - a defect must cost one request, not the thread that serves all others
            log.critical("preparing a request failed", traceback=traceback_of(error))
            self._refuse(handle, InternalError("preparing the request failed"))
        else:
            handle.life.fire(RequestEvent.PREPARED)
            handle.send(Started(len(prepared.prompt), prepared.max_tokens))
            self._submit(prepared)

    @staticmethod
    def _refuse(handle: RequestHandle, error: JackfieldError) -> None:
        handle.life.fire(RequestEvent.FAIL)
        handle.send(RequestFailed(ErrorRecord.of(error)))


def _param(request: GenerateRequest) -> str:
    return "messages" if isinstance(request.prompt, ChatPrompt) else "prompt"
