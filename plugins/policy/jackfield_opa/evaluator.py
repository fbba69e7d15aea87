"""The process that evaluates Rego: a script of its own, which imports nothing of Jackfield.

rego-cpp can hang in a regular expression, run out of memory and crash with its whole process, and policies can ask it
for the process's environment. So it runs here: without environment, without files to write, without a way to make
processes, and with a clock that ends it whatever its parent does.

Frames on the inherited socket: 4 bytes of length (big endian), one byte that says what it is, and the rest.

``L``
    JSON ``{"modules": {name: text}, "data": text, "entrypoints": […], "calls": […], "deadline_s": seconds}``: compile
    that. Answered with ``+`` and JSON, the calls that are no built-in functions, or with ``-`` and why not.
``E``
    2 bytes, which entry point, and JSON, the input: evaluate. Answered with ``+`` and what rego-cpp gives as text
    (``undefined`` if there is no value), or with ``-`` and why not.
"""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from regopy import (  # type: ignore[import-untyped]  # it has no stubs
    Bundle,
    Interpreter,
    LogLevel,
    RegoError,
    rego_shared,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json]"

LOAD_S: Final = 10.0
"""The clock while policies are compiled."""

MARGIN_S: Final = 0.25
"""Beyond a deadline, which the parent watches: this process's own clock is for a parent that is gone."""

_OOM_SCORE: Final = "1000"
"""``proc(5)``: of all processes this one is ended first where memory runs out."""

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4


class Refused(Exception):
    """It cannot be done; the message says why."""


class Evaluator:
    """One interpreter with one program. One thread."""

    def __init__(self) -> None:
        self._interpreter = Interpreter()
        self._bundle: Bundle | None = None
        self._entrypoints: list[str] = []
        self.deadline_s = LOAD_S
        """How long one evaluation may take; the kernel ends this process some time after that (SIGALRM)."""

    def load(
        self, modules: dict[str, str], data: str, entrypoints: list[str], calls: list[str], deadline_s: float
    ) -> list[str]:
        """Compile; the *calls* that are no built-in functions."""
        interpreter = Interpreter()
        interpreter.log_level = LogLevel.NONE
        for name, text in modules.items():
            interpreter.add_module(name, text)
        interpreter.add_data_json(data)
        bundle = interpreter.build(None, entrypoints)
        if not bundle.ok():
            raise Refused("it does not compile")
        self._interpreter, self._bundle, self._entrypoints = interpreter, bundle, entrypoints
        self.deadline_s = deadline_s
        return [call for call in calls if not interpreter.is_builtin(call)]

    def evaluate(self, entrypoint: int, document: Json) -> str:
        """The entry point's value for the input *document*, as rego-cpp writes it."""
        if self._bundle is None:
            raise Refused("nothing is loaded")
        _set_input(self._interpreter, document)
        output = rego_shared.rego_bundle_query_entrypoint(
            self._interpreter._impl, self._bundle._impl, self._entrypoints[entrypoint]
        )
        try:
            if not rego_shared.rego_output_ok(output):
                raise Refused("rules contradict each other, or fail")
            return str(rego_shared.rego_output_string(output))
        finally:
            rego_shared.rego_free_output(output)


def _set_input(interpreter: Interpreter, document: Json) -> None:
    """Give *document* to rego-cpp node by node: a third of the time that it takes to parse JSON.

    It writes such strings without escapes, ends them at NUL, and keeps 64 bits of a number. Who sends questions here
    lets no quote, backslash or control character and no such number through.
    """
    node = rego_shared.rego_new_input()
    try:
        _add(node, document)
        rego_shared.rego_set_input(interpreter._impl, node)
    finally:
        rego_shared.rego_free_input(node)


_KEYS: Final[dict[str, bytes]] = {}
"""Names of fields, which are the same in all questions."""

# the library's own functions: regopy's around them, and giving up the GIL for each, cost as much again
_LIBRARY: Final = ctypes.PyDLL(rego_shared.rego._name)


def _function(name: str, *arguments: type[ctypes._SimpleCData[Any]]) -> Callable[..., int]:
    function = _LIBRARY[name]
    function.argtypes = [ctypes.c_void_p, *arguments]
    function.restype = ctypes.c_uint32
    return function


_string = _function("regoInputString", ctypes.c_char_p)
_bool = _function("regoInputBoolean", ctypes.c_bool)
_int = _function("regoInputInt", ctypes.c_int64)
_float = _function("regoInputFloat", ctypes.c_double)
_array = _function("regoInputArray", ctypes.c_uint32)
_item = _function("regoInputObjectItem")
_object = _function("regoInputObject", ctypes.c_uint32)


def _add(node: int, value: Json) -> None:
    """Push *value*; each of these calls says 0 unless memory has run out or a number is too large."""
    kind = type(value)
    if kind is dict:
        failed = _add_object(node, cast("dict[str, Json]", value))
    elif kind is str:
        failed = _string(node, cast("str", value).encode())
    elif kind is int:
        failed = _int(node, value)
    elif kind is bool:
        failed = _bool(node, value)
    elif kind is float:
        failed = _float(node, value)
    else:
        elements = cast("list[Json]", value)
        for each in elements:
            _add(node, each)
        failed = _array(node, len(elements))
    if failed:
        raise Refused("the input cannot be taken")


def _add_object(node: int, value: dict[str, Json]) -> int:
    for key, each in value.items():
        name = _KEYS.get(key)
        if name is None:
            name = _KEYS[key] = key.encode()
        failed = _string(node, name)
        _add(node, each)
        if failed or _item(node):
            raise Refused("the input cannot be taken")
    return _object(node, len(value))


def serve(connection: socket.socket, answer_max: int) -> None:
    """Answer frames until the other side closes *connection*, with *answer_max* bytes at most."""
    evaluator = Evaluator()
    while (frame := _receive(connection)) is not None:
        signal.setitimer(signal.ITIMER_REAL, LOAD_S if frame[:1] == b"L" else evaluator.deadline_s + MARGIN_S)
        try:
            answer = b"+" + _answer(evaluator, frame)
        except (Refused, RegoError) as error:
            answer = b"-" + str(error).encode(errors="replace")
        if len(answer) > answer_max:
            answer = answer[:answer_max] if answer[:1] == b"-" else b"-the answer is too long"
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.sendall(len(answer).to_bytes(4, "big") + answer)


def _answer(evaluator: Evaluator, frame: bytes) -> bytes:
    if frame[:1] == b"L":
        return json.dumps(evaluator.load(**json.loads(frame[1:]))).encode()
    return evaluator.evaluate(int.from_bytes(frame[1:3], "big"), json.loads(frame[3:])).encode()


def _receive(connection: socket.socket) -> bytes | None:
    """One frame; None at end-of-file."""
    head = _exactly(connection, 4)
    return None if head is None else _exactly(connection, int.from_bytes(head, "big"))


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = connection.recv(size)
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return None
        data += more
    return data


def confine() -> None:
    """Take from this process what evaluating needs not.

    Its memory cannot be bounded by rlimits, since rego-cpp's allocator reserves address space once and for all: its
    clock bounds it, and it is the first to go where memory runs out.
    """
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    confine()
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
