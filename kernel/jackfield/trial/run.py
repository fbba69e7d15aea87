"""The command line's side of a trial."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.channel.framing import FrameDecoder
from jackfield.errors import ChannelError, PluginError
from jackfield.plugin_calls import Called
from jackfield.supervisor.child import how_it_ended
from jackfield.trial.messages import Failed, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from jackfield.trial.messages import Task, Word

SILENCE_S: Final = 20.0
"""Between two words of a trial: long enough for a library on a cold disk, short enough to wait for."""

WORD_MAX: Final = 1024 * 1024
"""Largest word in bytes."""

_READ_BYTES: Final = 1 << 16


class Trial:
    """A running trial; a context manager, at whose end it is killed with all it has started.

    Parameters:
        task: What it tries.
        silence_s: How long it may say nothing.
    """

    def __init__(self, task: Task, silence_s: float = SILENCE_S) -> None:
        self.end = ""
        """How it ended, where it did not do so in good order: ``ended by SIGSEGV``."""
        self.called = ""
        """Whose code it last called, and which: ``plugin mine, its import``; empty if nobody's."""
        self._silence_s = silence_s
        self._words = words()
        self._results, theirs = os.pipe()
        with tempfile.TemporaryFile() as file:
            file.write(msgspec.msgpack.encode(task))
            file.seek(0)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "jackfield.trial", "--results-fd", str(theirs)],
                    stdin=file,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "GGML_NO_BACKTRACE": "1"},
                    pass_fds=[theirs],
                    start_new_session=True,
                )
            except OSError:
                os.close(self._results)
                raise
            finally:
                os.close(theirs)

    def words(self) -> Iterator[Word]:
        """What it says of its task, until it ends; ``end`` then says how."""
        frames = FrameDecoder(WORD_MAX)
        with selectors.DefaultSelector() as selector:
            selector.register(self._results, selectors.EVENT_READ)
            while True:
                if not selector.select(self._silence_s):
                    self.end = f"has not ended after {self._silence_s:g} s"
                    return
                data = os.read(self._results, _READ_BYTES)
                if not data:
                    break
                try:
                    for payload in frames.feed(data):
                        word = self._words.decode(payload)
                        if isinstance(word, Called):
                            self.called = str(word)
                        else:
                            yield word
                except ChannelError:
                    self.end = "wrote into what is not its own"
                    return
        self._reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._results)

    def _reap(self) -> None:
        """It has closed its end, so it is about to end; one that does not hangs in its own clean-up."""
        try:
            code = self._process.wait(self._silence_s)
        except subprocess.TimeoutExpired:
            self.end = "does not end"
            return
        if code != 0:
            self.end = how_it_ended(code)


def only_word(task: Task, what: str, silence_s: float = SILENCE_S) -> Word:
    """The one word that answers *task*.

    Parameters:
        task: What to try.
        what: What that is, for messages: begins a sentence.
        silence_s: How long it may take.

    Raises:
        JackfieldError: What the trial failed with.
        PluginError: It crashed or hangs.
    """
    with Trial(task, silence_s) as trial:
        for word in trial.words():
            if isinstance(word, Failed):
                raise word.error.thaw()
            return word
        called = f"; last called: {trial.called}" if trial.called else ""
        raise PluginError(f"{what} {trial.end or 'gave no answer'}{called}")
