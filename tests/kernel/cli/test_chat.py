"""``jackfield chat`` on a terminal of its own, talking to a model that plays scripts."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from jackfield.testing.command import COMMAND, environment, run_command
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jackfield.testing.target import Target

    Open: TypeAlias = "Callable[..., Terminal]"

DEADLINE_S: Final = 30.0


class Terminal:
    """A person at a terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        own = environment() | {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "TERM": "dumb"}
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.execve(COMMAND[0], [*COMMAND, *arguments], own)  # noqa: S606 - our own command
        self._unread = ""

    def expect(self, text: str, deadline_s: float = DEADLINE_S) -> str:
        """Wait until *text* is shown; return what came before it."""
        deadline = time.monotonic() + deadline_s
        while text not in self._unread:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} did not come: {self._unread!r}")
            if select.select([self._fd], [], [], 0.1)[0]:
                try:
                    self._unread += os.read(self._fd, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"it ended: {self._unread!r}") from None
        before, _, self._unread = self._unread.partition(text)
        return before

    def type(self, text: str) -> None:
        """Keys, after the prompt has been shown."""
        self.expect("> ")
        self.press(text)

    def press(self, keys: str) -> None:
        """Keys, now."""
        os.write(self._fd, keys.encode())

    def insist(self, keys: str, text: str) -> None:
        """Keys, after the prompt has been shown, until *text* comes.

        Python's line editor loses a Ctrl-C between the prompt and its first look at the keyboard.
        """
        self.expect("> ")
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self.press(keys)
            try:
                self.expect(text, 2.0)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if select.select([self._fd], [], [], 0.05)[0]:
                try:
                    os.read(self._fd, 65536)
                except OSError:
                    break
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Kill what is left."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)


@pytest.fixture
def url(servers: Callable[[str], Target]) -> str:
    """Of a scripted server."""
    return servers(scripted_manifest()).url


@pytest.fixture
def chat(tmp_path: Path, url: str) -> Iterator[Open]:
    """Starts conversations."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(tmp_path, "chat", "--url", url, *arguments))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_a_conversation_is_remembered(chat: Open, tmp_path: Path) -> None:
    """The model gets all turns again; the questions stay in a file that only the user can read."""
    terminal = chat("--json")
    terminal.type("[say:one]\n")
    assert json.loads(_object(terminal))["content"] == "one"
    terminal.type("[say:two]\n")
    second = json.loads(_object(terminal))
    assert second["content"] == "two"
    assert second["usage"]["prompt_tokens"] > len("<user>[say:one]\n<assistant>one\n<user>[say:two]\n")
    terminal.type("\x04")
    assert terminal.end() == 0
    history = tmp_path / "jackfield/chat_history"
    assert "[say:one]" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_ctrl_c_cancels_the_answer_only(chat: Open) -> None:
    """The conversation goes on; a second one at the prompt says how to end it."""
    terminal = chat()
    terminal.type("[delay:20][repeat:500:x]\n")
    terminal.expect("xxx")
    terminal.press("\x03")
    terminal.expect("(cancelled)")
    terminal.type("/undo\n")
    terminal.type("[say:still here]\n")
    terminal.expect("\r\nstill here")
    terminal.insist("\x03", "Ctrl-D or /exit")
    terminal.type("/exit\n")
    assert terminal.end() == 0


def test_several_lines_are_one_message(chat: Open) -> None:
    """With a backslash, or between quotation marks."""
    terminal = chat()
    terminal.type("first\\\n")
    terminal.expect("… ")
    terminal.press("second\n")
    terminal.expect("\r\nfirst\r\nsecond")
    terminal.type("/clear\n")
    terminal.type('"""a\n')
    terminal.expect("… ")
    terminal.press('b"""\n')
    terminal.expect("\r\na\r\nb")


def test_commands_of_a_conversation(chat: Open) -> None:
    """Help, an unknown one, and one that shows the model."""
    terminal = chat("--system", "Be brief.")
    terminal.type("/help\n")
    terminal.expect("/undo")
    terminal.type("/nope\n")
    terminal.expect("there is no command /nope")
    terminal.type("/model\n")
    terminal.expect("\r\nscripted")
    terminal.type("/system\n")
    terminal.expect("\r\nBe brief.")


def test_an_error_does_not_end_the_conversation(chat: Open) -> None:
    """The failed question is forgotten, the next one is answered."""
    terminal = chat()
    terminal.type("[fail:0]\n")
    terminal.expect("Error")
    terminal.type("[say:fine]\n")
    terminal.expect("\r\nfine")


def test_what_a_model_says_does_not_act_on_the_terminal(chat: Open) -> None:
    """Control sequences are left out."""
    terminal = chat()
    terminal.type("/clear\n")
    terminal.type("[say:\\u]\n")
    terminal.expect("\r\n\\u")
    shown = chat("[say:\x1b[2Jx]")
    assert "\x1b[2J" not in shown.expect("[2Jx")


def test_one_question(url: str, tmp_path: Path) -> None:
    """The answer and nothing else on standard output."""
    assert run_command(f"chat --url {url} '[say:hello]'", tmp_path).output == "hello\n"


def test_a_message_that_is_empty(url: str, tmp_path: Path) -> None:
    """Standard input is empty here."""
    done = run_command(f"chat --url {url}", tmp_path)
    assert done.code == 2
    assert "there is no message" in done.output


def test_a_message_that_is_no_text(url: str, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused, not sent."""
    (tmp_path / "noise").write_bytes(b"caf\xe9")
    with (tmp_path / "noise").open() as noise:
        done = subprocess.run(
            [*COMMAND, "chat", "--url", url],
            cwd=tmp_path,
            env=environment(),
            stdin=noise,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: the message is not UTF-8 text\n"


def _object(terminal: Terminal) -> str:
    terminal.expect('{"model"')
    return '{"model"' + terminal.expect("}\r\n") + "}"
