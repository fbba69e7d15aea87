"""Questions to a worker that its vocabulary and its template can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import UnsupportedField
from jackfield.questions import Detokenise, Render, Rendered, Text, Tokenise, Tokens
from jackfield.types import TemplatePrompt

if TYPE_CHECKING:
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.questions import Question, Reply
    from jackfield.worker.prompts import PromptReader
    from jackfield.worker.rendering import PromptRenderer


class Answering:
    """Answers for one model.

    Parameters:
        tokenizer: The model's.
        reader: Bounds what is tokenised.
        renderer: Renders conversations; None for models that take none.

    Intake thread.
    """

    def __init__(self, tokenizer: Tokenizer, reader: PromptReader, renderer: PromptRenderer | None) -> None:
        self._tokenizer = tokenizer
        self._reader = reader
        self._renderer = renderer

    def answer(self, question: Question) -> Reply:
        """What *question* asks.

        Raises:
            InvalidRequest: Something in it cannot be used.
        """
        if isinstance(question, Tokenise):
            return self._tokens(question)
        if isinstance(question, Detokenise):
            ids = self._reader.ids(question.tokens, "tokens")
            names = tuple(self._tokenizer.name(token) for token in ids)
            return Tokens(tuple(ids), names) if question.pieces else Text(b"".join(names))
        if isinstance(question, Render) and self._renderer is not None and isinstance(question.prompt, TemplatePrompt):
            text = self._renderer.text(question.prompt)
            return Rendered(text, len(self._renderer.tokens(text)))
        raise UnsupportedField("this model does not continue text, so there is nothing to tell", param="model")

    def _tokens(self, question: Tokenise) -> Tokens:
        ids = self._reader.text(
            question.text, "content", add_bos=question.add_special, parse_special=question.parse_special
        )
        return Tokens(tuple(ids), tuple(self._tokenizer.name(token) for token in ids))
