"""Conversations to prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.chat import JsonValue
from jackfield.errors import UnsupportedField
from jackfield.worker.template import ChatTemplate

if TYPE_CHECKING:
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.types import TemplatePrompt
    from jackfield.worker.prompts import PromptReader


class PromptRenderer:
    """Renders conversations through one model's chat template.

    Parameters:
        tokenizer: The model's.
        reader: Bounds what is tokenised.

    Raises:
        ModelLoadError: The template cannot be used.

    Made by the worker's main thread, used by the intake thread.
    """

    def __init__(self, tokenizer: Tokenizer, reader: PromptReader) -> None:
        self._reader = reader
        self._bos = tokenizer.template_tokens.get("bos_token", "")
        source = tokenizer.chat_template
        self._template = ChatTemplate(source, tokenizer.template_tokens, reader.bytes_max) if source else None

    def text(self, prompt: TemplatePrompt) -> str:
        """The text that the template makes of *prompt*.

        Raises:
            InvalidRequest: The template does not accept it, or it is far too long (``ContextLengthExceeded``).
            BackendFault: The template is broken.
        """
        if self._template is None:
            raise UnsupportedField("this model has no chat template; use a completion with a prompt", param="messages")
        variables = msgspec.json.decode(prompt.variables, type=dict[str, JsonValue])
        text = self._template.render(variables, continue_final=prompt.continue_final)
        if text is None:
            raise self._reader.too_long("messages")
        return text

    def tokens(self, text: str) -> list[int]:
        """Token ids of a rendered *text*."""
        written = bool(self._bos) and text.startswith(self._bos)  # a template that writes BOS must not get a second one
        return self._reader.text(text, "messages", add_bos=not written, parse_special=True)
