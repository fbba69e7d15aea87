"""An evaluator as its parent sees it before it serves: started, loaded, asked, and waited for."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import ManifestError, PluginError
from jackfield_opa.answers import InvalidAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from jackfield_opa.program import Program

SCRIPT: Final = Path(__file__).with_name("evaluator.py")

ANSWER_MAX: Final = 65_536
"""Longest answer, in bytes."""

LOAD_S: Final = 15.0
"""Patience with an evaluator that starts and compiles; its own clock ends it before."""

GRACE_S: Final = 0.5
"""Patience beyond an evaluation's deadline, so that it is the evaluator's own clock that ends it."""

_PREFIX: Final = 4
_ERROR: Final = re.compile(r"\(error \d+:(?P<file>[^|]*)\|(?P<offset>\d+)\|\d+\s*\(errormsg \d+:(?P<what>[^)]*)\)")


class EvaluatorDied(Exception):
    """Its process has ended; the message says how."""


class _Output(msgspec.Struct):
    expressions: tuple[msgspec.Raw, ...]


_OUTPUT: Final = msgspec.json.Decoder(_Output)


class Child:
    """A process that evaluates. One thread at a time; everything it does blocks.

    Raises:
        PluginError: No process can be started.
    """

    def __init__(self) -> None:
        self._patience_s = LOAD_S
        self.socket, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", str(SCRIPT), str(theirs.fileno()), str(ANSWER_MAX)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},  # opa.runtime() would tell policies all of it
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the server
            )
        except OSError as error:
            self.socket.close()
            raise PluginError(f"no process for policies can be started: {error.strerror}") from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def load(self, program: Program) -> None:
        """Have it compile *program*.

        Raises:
            ManifestError: It does not compile, or calls functions that are not there.
            EvaluatorDied: It crashed, or hangs.
        """
        reply = self._ask(b"L" + msgspec.json.encode(program), LOAD_S)
        if reply[:1] != b"+":
            raise ManifestError(_compile_error(reply[1:].decode(errors="replace"), program.modules))
        if unknown := msgspec.json.decode(reply[1:], type=list[str]):
            raise ManifestError(f"no function is called {unknown[0]}{_where(unknown[0], program.modules)}")
        self._patience_s = program.deadline_s + GRACE_S

    def evaluate(self, place: int, document: bytes) -> bytes | None:
        """The value of the entry point at *place*; None if it is undefined.

        Raises:
            InvalidAnswer: It has no value that could be read.
            EvaluatorDied: It crashed, or took too long.
        """
        return value_of(self._ask(question_frame(place, document), self._patience_s))

    def kill(self) -> None:
        """End it now. Does not block."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def reap(self) -> None:
        """Wait for its end, which ``kill`` or the end of its socket brings."""
        self._process.wait()

    def close(self) -> None:
        """End it and wait for that."""
        self.socket.close()
        self.kill()
        self.reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, payload: bytes, patience_s: float) -> bytes:
        self.socket.settimeout(patience_s)
        try:
            self.socket.sendall(framed(payload))
            size = int.from_bytes(self._exactly(_PREFIX), "big")
            if not 0 < size <= ANSWER_MAX:
                raise EvaluatorDied("it wrote what is no answer")
            return self._exactly(size)
        except TimeoutError:
            raise EvaluatorDied(f"no answer within {patience_s:g} s") from None
        except OSError as error:
            raise EvaluatorDied(self.ending()) from error

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EvaluatorDied(self.ending())
            data += more
        return data

    def ending(self) -> str:
        """How its process ended, which closed its socket. Waits for that, a moment."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it closed its socket"
        if code == -signal.SIGALRM:
            return "it took too long"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def framed(payload: bytes) -> bytes:
    """*payload* with its length in front."""
    return len(payload).to_bytes(_PREFIX, "big") + payload


def question_frame(place: int, document: bytes) -> bytes:
    """What asks for the entry point at *place*."""
    return b"E" + place.to_bytes(2, "big") + document


def value_of(reply: bytes | bytearray) -> bytes | None:
    """The JSON value in an evaluator's *reply*; None if there is none.

    Raises:
        InvalidAnswer: There is something else.
    """
    if reply[:1] != b"+":
        raise InvalidAnswer(bytes(reply[1:257]).decode(errors="replace"))
    if reply == b"+undefined":
        return None
    try:
        expressions = _OUTPUT.decode(memoryview(reply)[1:]).expressions
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidAnswer("it is no JSON: a function or a rule cannot be evaluated") from error
    if len(expressions) != 1:
        return None
    return bytes(expressions[0])


def _compile_error(text: str, modules: Mapping[str, str]) -> str:
    """rego-cpp's *text*, which has offsets and a syntax tree, as people read errors."""
    for found in _ERROR.finditer(text):
        file, source = found["file"], modules.get(found["file"])
        if source is not None:
            line = source.encode()[: int(found["offset"])].count(b"\n") + 1
            return f"{file}:{line}: {found['what']}"
    return "the modules do not compile: " + " ".join(text.split())[:200]


def _where(call: str, modules: Mapping[str, str]) -> str:
    for file, text in modules.items():
        at = text.find(f"{call}(")
        if at >= 0:
            return f" ({file}:{text[:at].count(chr(10)) + 1})"
    return ""
