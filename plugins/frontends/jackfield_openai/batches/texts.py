"""The files of a batch: its lines as they are read, and as they are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import JackfieldError
from jackfield_openai.batches.lines import read_line
from jackfield_openai.records import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield_openai.batches.lines import LineRequest

LINES_MAX: Final = 10_000
"""Most lines of one batch."""

_PROBLEMS_SHOWN: Final = 20
_LINES_A_TURN: Final = 100
"""Lines that are read before others have their turn on the event loop."""


async def read_lines(content: bytes, endpoint: str) -> tuple[Sequence[LineRequest], Sequence[Mapping[str, object]]]:
    """What an input file asks, and what is wrong with it; empty lines are left out."""
    lines: list[LineRequest] = []
    problems: list[Mapping[str, object]] = []
    seen: dict[str, int] = {}
    for number, data in enumerate(content.splitlines(), 1):
        if number % _LINES_A_TURN == 0:
            await asyncio.sleep(0)
        if len(lines) > LINES_MAX or len(problems) >= _PROBLEMS_SHOWN:
            break
        if not data.strip():
            continue
        try:
            line = read_line(data, endpoint)
        except JackfieldError as error:
            problems.append(problem("invalid_json_line", error.message, number, error.param))
            continue
        first = seen.setdefault(line.custom_id, number)
        if first != number:
            said = f"the custom_id of line {first} is given a second time"
            problems.append(problem("duplicate_custom_id", said, number, "custom_id"))
        lines.append(line)
    if not problems and not 0 < len(lines) <= LINES_MAX:
        problems.append(problem("invalid_file", f"a batch must have 1 to {LINES_MAX} lines"))
    return lines, problems


def problem(code: str, message: str, line: int | None = None, param: str | None = None) -> Mapping[str, object]:
    """One entry of a batch's ``errors``."""
    return {"code": code, "message": message, "param": param, "line": line}


def line_text(line: LineRequest, request_id: str, status: int, body: bytes) -> str:
    """The line of an output or error file about a line that was answered with *status*."""
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(body)}
    return _text(line, response, None)


def missing_text(line: LineRequest, code: str, message: str) -> str:
    """The line of an error file about one that was not computed."""
    return _text(line, None, {"code": code, "message": message})


def _text(line: LineRequest, response: Mapping[str, object] | None, error: Mapping[str, str] | None) -> str:
    whole = {"id": new_id("batch_req_"), "custom_id": line.custom_id, "response": response, "error": error}
    return msgspec.json.encode(whole).decode()
