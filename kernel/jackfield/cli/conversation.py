"""A conversation with a model: what has been said, and what a person may type in it."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import click
import msgspec

from jackfield.cli.errors import complain
from jackfield.client.api import AnswerText, ApiClient, ChatTurn, Usage
from jackfield.client.connection import ApiError
from jackfield.client.printable import printable

if TYPE_CHECKING:
    from jackfield.cli.options import Server
    from jackfield.client.api import ChatRequest

HISTORY_MAX: Final = 1000
"""Lines that the line editor remembers between conversations."""

_HELP: Final = """\
/clear          forget what has been said
/system [TEXT]  show the system prompt, or set it and forget what has been said
/model [NAME]   show the model, or talk to another one
/undo           forget the last question and its answer
/help           this list
/exit           end, as Ctrl-D does
A line that ends with \\ goes on in the next one. \"\"\" begins and ends a text of several lines.
Ctrl-C cancels the answer that is being given."""

_QUOTES: Final = '"""'


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    model: str
    content: str
    finish_reason: str | None
    """None where the answer was cancelled."""
    usage: Usage | None
    ttft_s: float | None
    """Seconds from the question to the first text; None where there was none."""
    duration_s: float


class Screen(Protocol):
    """Where answers appear."""

    def text(self, text: str) -> None:
        """The next part of the answer has come."""
        ...

    def end(self, answer: Answer) -> None:
        """The answer is complete, or was cancelled."""
        ...


class TextScreen:
    """For people: text as it comes.

    Parameters:
        terminal: Whether what would act on a terminal is left out; a file gets the answer as it is.
    """

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def text(self, text: str) -> None:
        click.echo(printable(text) if self._terminal else text, nl=False)

    def end(self, answer: Answer) -> None:
        click.echo()
        if answer.finish_reason == "length":
            click.echo(click.style("(cut off: the limit of tokens is reached)", dim=True), err=True)


class JsonScreen:
    """For scripts: one JSON object a line for each answer."""

    def text(self, text: str) -> None:
        """Nothing is printed before the end."""

    def end(self, answer: Answer) -> None:
        click.echo(msgspec.json.encode(answer).decode())


class Conversation:
    """What has been said so far, and the server that answers.

    Parameters:
        server: Who answers.
        wish: Model and sampling; its messages are replaced.
        screen: Where answers appear.
        system: System prompt, or None.

    Main thread; each answer runs in an event loop of its own, which Ctrl-C ends.
    """

    def __init__(self, server: Server, wish: ChatRequest, screen: Screen, system: str | None) -> None:
        self._server = server
        self._wish = wish
        self._screen = screen
        self._system = system
        self._turns: list[ChatTurn] = []

    def ask(self, text: str) -> None:
        """Ask, show the answer, and remember both. A cancelled answer is remembered as far as it came.

        Raises:
            ApiError: There is no answer; the question is forgotten.
            KeyboardInterrupt: The answer was cancelled.
        """
        question = ChatTurn("user", text)
        parts: list[str] = []
        try:
            asyncio.run(self._answer(question, parts))
        finally:
            if parts:
                self._turns += [question, ChatTurn("assistant", "".join(parts))]

    def run(self) -> None:
        """Read and answer until the user ends it."""
        _prepare_line_editor()
        click.echo(f"{self._wish.model} at {self._server.url}; /help lists commands, Ctrl-D ends", err=True)
        while (text := self._read()) is not None:
            try:
                self._take(text)
            except EOFError:
                return
            except ApiError as error:
                complain(error.message)
            except KeyboardInterrupt:
                click.echo("\n(cancelled)", err=True)

    async def _answer(self, question: ChatTurn, parts: list[str]) -> None:
        system = (ChatTurn("system", self._system),) if self._system else ()
        request = msgspec.structs.replace(self._wish, messages=(*system, *self._turns, question))
        began, first, reason, usage = time.monotonic(), None, None, None
        try:
            async with ApiClient(*self._server) as client, aclosing(client.chat(request)) as events:
                async for event in events:
                    if isinstance(event, AnswerText):
                        first = first or time.monotonic()
                        parts.append(event.text)
                        self._screen.text(event.text)
                    else:
                        reason, usage = event.finish_reason, event.usage
        finally:
            if first is not None or reason is not None:
                self._screen.end(
                    Answer(
                        model=self._wish.model,
                        content="".join(parts),
                        finish_reason=reason,
                        usage=usage,
                        ttft_s=None if first is None else round(first - began, 4),
                        duration_s=round(time.monotonic() - began, 4),
                    )
                )

    def _take(self, text: str) -> None:
        """Answer *text*, or obey it; raises ``EOFError`` for the command that ends the conversation."""
        name, _, argument = text.strip().partition(" ")
        if not name:
            return
        if not name.startswith("/"):
            self.ask(text)
            return
        commands = {
            "/clear": self._clear,
            "/system": self._set_system,
            "/model": self._set_model,
            "/undo": self._undo,
            "/help": _help,
            "/exit": _exit,
        }
        act = commands.get(name)
        if act is None:
            complain(f"there is no command {name}; /help lists them")
        else:
            act(argument.strip())

    def _clear(self, _argument: str) -> None:
        self._turns.clear()

    def _undo(self, _argument: str) -> None:
        del self._turns[-2:]

    def _set_system(self, text: str) -> None:
        if not text:
            click.echo(self._system or "there is no system prompt", err=True)
            return
        self._system = text
        self._turns.clear()

    def _set_model(self, name: str) -> None:
        if not name:
            click.echo(self._wish.model, err=True)
            return
        self._wish = msgspec.structs.replace(self._wish, model=name)

    @staticmethod
    def _read() -> str | None:
        """What the user typed, over as many lines as it takes; None at the end of input."""
        lines: list[str] = []
        quoted = False
        while True:
            try:
                line = input("… " if lines else "> ")
            except EOFError:
                click.echo(err=True)
                return None
            except KeyboardInterrupt:
                click.echo("\n(Ctrl-D or /exit ends the conversation)", err=True)
                lines, quoted = [], False
                continue
            quoted ^= line.count(_QUOTES) % 2 == 1
            goes_on = line.endswith("\\") and not quoted
            lines.append(line.removesuffix("\\") if goes_on else line)
            if not (quoted or goes_on):
                return "\n".join(lines).replace(_QUOTES, "")


def _help(_argument: str) -> None:
    click.echo(_HELP, err=True)


def _exit(_argument: str) -> None:
    raise EOFError


def _prepare_line_editor() -> None:
    """Cursor keys, and a history of questions that only this user can read."""
    try:
        import readline
    except ImportError:  # a Python built without it
        return
    import atexit

    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "jackfield"
    file = state / "chat_history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_MAX)
    atexit.register(_keep_history, file)


def _keep_history(file: Path) -> None:
    import readline

    with suppress(OSError):  # a home that cannot be written costs the history, nothing else
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        readline.write_history_file(file)
