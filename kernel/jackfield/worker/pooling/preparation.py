"""Pooled requests, prepared: every input tokenised and measured before any of them reaches the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import ContextLengthExceeded, InvalidRequest, UnsupportedField
from jackfield.pooled import PairPrompt, PoolRequest
from jackfield.tasks import refuse_other_tasks
from jackfield.types import TextPrompt
from jackfield.worker.answering import Answering
from jackfield.worker.pooling.job import PoolJob
from jackfield.worker.pooling.rows import check_result_size
from jackfield.worker.prompts import PromptReader

if TYPE_CHECKING:
    from jackfield.channel.messages import Submit
    from jackfield.ports.pooled import PooledRunner
    from jackfield.questions import Question, Reply
    from jackfield.types import TokenPrompt
    from jackfield.worker.links import RequestHandle


class PoolPreparation:
    """Turns requests to one pooled model into what its loop runs.

    Parameters:
        runner: The loaded model; only its tokenizer, ``pair`` and limits are used.

    Made by the worker's main thread, used by the intake thread.
    """

    def __init__(self, runner: PooledRunner) -> None:
        self._runner = runner
        self._longest = min(runner.limits.context, runner.limits.max_batch_tokens)
        self._reader = PromptReader(runner.tokenizer, self._longest)
        self._answering = Answering(runner.tokenizer, self._reader, None)

    def answer(self, question: Question) -> Reply:
        """See ``Answering``."""
        return self._answering.answer(question)

    def prepare(self, message: Submit, recipient: RequestHandle) -> PoolJob:
        """Tokenise and measure. A request that is cancelled meanwhile is left half done: its loop drops it.

        Raises:
            InvalidRequest: An input cannot be used, or is longer than the model's context
                (``ContextLengthExceeded``); ``param`` says which.
        """
        request = message.request
        refuse_other_tasks(request, self._runner.info)
        if not isinstance(request, PoolRequest):
            raise UnsupportedField("this model does not generate text", param="model")
        check_result_size(request, self._runner.info)
        inputs: list[list[int]] = []
        for index, each in enumerate(request.inputs):
            if recipient.cancelled:
                break
            inputs.append(self._tokens(each, f"input[{index}]" if len(request.inputs) > 1 else "input"))
        return PoolJob(recipient, inputs, request)

    @staticmethod
    def announce(_prepared: PoolJob) -> None:
        """Nothing: the result is all there is."""

    def _tokens(self, prompt: TextPrompt | TokenPrompt | PairPrompt, param: str) -> list[int]:
        if isinstance(prompt, PairPrompt):
            tokens = self._pair(prompt, param)
        elif isinstance(prompt, TextPrompt):
            tokens = self._reader.text(_filled(prompt.text, param), param)
        else:
            tokens = self._reader.ids(prompt.tokens, param)
        if not tokens:
            raise InvalidRequest(f"{param} must not be empty", param=param)
        if len(tokens) > self._longest:
            raise ContextLengthExceeded(
                f"this model takes inputs of at most {self._longest} tokens; {param} has {len(tokens)}", param=param
            )
        return tokens

    def _pair(self, prompt: PairPrompt, param: str) -> list[int]:
        query = self._reader.bounded(_filled(prompt.query, param), param)
        document = self._reader.bounded(_filled(prompt.document, param), param)
        return self._runner.pair(query, document)


def _filled(text: str, param: str) -> str:
    if not text:
        raise InvalidRequest(f"{param} must not be empty", param=param)
    return text
