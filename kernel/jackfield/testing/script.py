"""The scripts that ``jackfield.testing.scripted`` plays, and the tokens they are written in."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import BackendFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.tokenizer import InfillTokens

END: Final = 256
"""The end-of-generation token; ids below it are bytes."""

VOCABULARY: Final = 257

TEMPLATE: Final = "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}<assistant>"

TOOL_TEMPLATE: Final = TEMPLATE + '{# <tool_call>{"name": "f"}</tool_call> <think> enable_thinking #}'
"""The same of a model that says what it thinks and calls as Hermes models do."""

_DIRECTIVE: Final = re.compile(r"\[(say|hex|repeat|fail|crash|delay|zero|nan):([^\]]*)\]")
_LAST_USER: Final = re.compile(r"<user>(.*)\n<assistant>\Z", re.DOTALL)


class Script(msgspec.Struct, frozen=True):
    """What to do for one prompt."""

    answer: bytes
    fail_at: int = -1
    crash_at: int = -1
    delay_s: float = 0.0

    @classmethod
    def read(cls, prompt: str) -> Script:
        """The script that *prompt* asks for."""
        asked = _LAST_USER.search(prompt)
        text = asked.group(1) if asked else prompt
        directives = dict(_DIRECTIVE.findall(text))
        answer = _DIRECTIVE.sub("", text)
        if "say" in directives:
            answer = directives["say"]
        if "hex" in directives:
            answer = bytes.fromhex(directives["hex"]).decode()
        if "repeat" in directives:
            times, _, unit = directives["repeat"].partition(":")
            answer = unit * int(times)
        return cls(
            answer.encode(),
            fail_at=int(directives.get("fail", -1)),
            crash_at=int(directives.get("crash", -1)),
            delay_s=float(directives.get("delay", 0)) / 1000,
        )

    def token(self, position: int) -> int:
        """What is due after *position* tokens of the answer; before it, nothing in particular."""
        if position < 0:
            return ord(".")
        return self.answer[position] if position < len(self.answer) else END


class ScriptedTokenizer:
    """Bytes as tokens.

    Parameters:
        chat_template: How it takes conversations. What follows the last ``<user>`` is what the model obeys.
    """

    vocabulary = VOCABULARY
    end_tokens = frozenset({END})
    template_tokens: Mapping[str, str] = {}
    infill: InfillTokens | None = None

    def __init__(self, chat_template: str = TEMPLATE) -> None:
        self.chat_template: str | None = chat_template

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """The bytes of *text*; lone surrogates become question marks."""
        return list(text.encode(errors="replace"))

    def piece(self, token: int) -> bytes:
        """One byte, or nothing for the end token."""
        return bytes((token,)) if token < END else b""

    def name(self, token: int) -> bytes:
        """As ``piece``; the end token's name is ``<end>``."""
        return bytes((token,)) if token < END else b"<end>"


def text_of(tokens: Sequence[int]) -> str:
    """The text of *tokens*; the end token, which parts a pair, as a NUL."""
    return bytes(token if token < END else 0 for token in tokens).decode(errors="replace")


def obey(due: Sequence[tuple[Script, int]]) -> None:
    """Delay, crash or fail as the scripts say that have reached these positions."""
    time.sleep(max((script.delay_s for script, _ in due), default=0.0))
    for script, position in due:
        if 0 <= position == script.crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if 0 <= position == script.fail_at:
            raise BackendFault("the script asked for a failure")
