"""At which line an answer ends; see ``jackfield.types.LineLimits``.

What ends it is what ends it in llama-server (``process_token`` of its ``server-context.cpp``, ``n_indent`` and
``t_max_predict_ms``), but for what follows the last line end in the same token, which is left out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.types import LineLimits


class Lines:
    """Reads one answer's text, however it is cut.

    Parameters:
        limits: What ends it.

    Engine loop thread.
    """

    __slots__ = ("_after_s", "_began", "_indent", "_indented")

    def __init__(self, limits: LineLimits) -> None:
        self._after_s = limits.after_s
        self._indent = limits.indent
        self._began: float | None = None
        """When the first token was drawn, in monotonic seconds."""
        self._indented: int | None = None
        """White space at the begin of a line so far; None within lines."""

    def feed(self, text: str, now: float) -> tuple[str, bool]:
        """Take *text* in, which a token may be without; return what of it is shown, and whether the answer ends there.

        Parameters:
            text: What comes next.
            now: Monotonic seconds.
        """
        if self._began is None:
            self._began = now
        late = self._after_s is not None and now - self._began >= self._after_s
        for index, character in enumerate(text):
            if self._indented is not None:
                if character in " \t":
                    self._indented += 1
                    continue
                if self._indented < self._indent:
                    return text[:index], True
                self._indented = None
            if character == "\n":
                if late:
                    return text[: index + 1], True
                if self._indent:
                    self._indented = 0
        return text, False
