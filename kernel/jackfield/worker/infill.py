"""Gaps in texts to prompts: fill-in-the-middle, with the tokens that the model was trained on.

The order is that of llama-server's ``/infill`` (prefix, suffix, middle), with other files in front as Qwen2.5-Coder has
them (https://arxiv.org/abs/2409.12186).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import UnsupportedField

if TYPE_CHECKING:
    from jackfield.ports.tokenizer import InfillTokens, Tokenizer
    from jackfield.types import InfillPrompt
    from jackfield.worker.prompts import PromptReader

REPOSITORY: Final = "myproject\n"
"""What the repository is called: clients do not say. The same as in llama-server."""

FILE: Final = "filename\n"
"""What the file with the gap is called."""

BETWEEN: Final = "\n\n--- snippet ---\n\n"
"""Stands before other files where the model knows no token for that."""


class InfillWriter:
    """Writes prompts of one model.

    Parameters:
        tokenizer: The model's.
        reader: Bounds what is tokenised.

    Intake thread.
    """

    def __init__(self, tokenizer: Tokenizer, reader: PromptReader) -> None:
        self._marks = tokenizer.infill
        self._reader = reader
        self._bos = tokenizer.encode("", add_bos=True, parse_special=False)

    def tokens(self, prompt: InfillPrompt, room: int) -> list[int]:
        """The tokens of *prompt*: at most *room* of them, as far as leaving out other files can do that.

        Raises:
            UnsupportedField: The model was not trained to fill gaps.
            ContextLengthExceeded: Something in it is far too long.
        """
        marks = self._marks
        if marks is None:
            raise UnsupportedField("this model was not trained to fill gaps; leave the suffix out", param="suffix")
        gap = [
            marks.prefix,
            *self._text(prompt.prefix, "prompt"),
            *self._text(prompt.begun, "prompt"),
            marks.suffix,
            *self._text(prompt.suffix, "suffix"),
            marks.middle,
        ]
        return [*self._bos, *self._files(marks, prompt.files, room - len(gap) - len(self._bos)), *gap]

    def _files(self, marks: InfillTokens, files: tuple[tuple[str, str], ...], room: int) -> list[int]:
        """What stands in front of the gap; of *files* the last ones that fit."""
        if not files:
            return []
        head = [] if marks.repository is None else [marks.repository, *self._text(REPOSITORY, "files")]
        tail = [] if marks.file is None else [marks.file, *self._text(FILE, "files")]
        kept: list[list[int]] = []
        left = room - len(head) - len(tail)
        for name, text in reversed(files):
            file = [*self._begin(marks, name), *self._text(text, "files")]
            left -= len(file)
            if left < 0:
                break
            kept.insert(0, file)
        return [*head, *[token for file in kept for token in file], *tail] if kept else []

    def _begin(self, marks: InfillTokens, name: str) -> list[int]:
        if marks.file is None:
            return self._text(BETWEEN, "files")
        return [marks.file, *self._text(f"{name}\n", "files")]

    def _text(self, text: str, param: str) -> list[int]:
        return self._reader.text(text, param, add_bos=False)
