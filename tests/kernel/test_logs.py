"""Logging: what of the standard library's and of exceptions gets into a line, and what never does."""

from __future__ import annotations

import json
import logging
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

import pytest
import structlog
from structlog.testing import capture_logs

from jackfield.errors import JackfieldError
from jackfield.log_ring import LogRing
from jackfield.logs import configure_logs, keep_lines, traceback_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_traceback_has_causes_but_no_messages() -> None:
    """Both exceptions with their places; neither text."""
    try:
        try:
            raise KeyError("secret one")
        except KeyError as cause:
            raise ValueError("secret two") from cause
    except ValueError as error:
        text = traceback_of(error)
    assert text.index("KeyError") < text.index("ValueError")
    assert "test_traceback_has_causes" in text
    assert "secret" not in text
    assert ".py" not in text


@pytest.fixture
def _logs_restored() -> Iterator[None]:
    """Leaves logging as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("jackfield").setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs_restored")
def test_standard_loggers_are_relayed() -> None:
    """A plugin's warnings come out in full; of asyncio's and aiohttp's, which quote requests, the constant part."""
    configure_logs("warning", "json")
    with capture_logs() as lines:
        logging.getLogger("a_plugin").warning("lost %s", "connection")
        logging.getLogger("asyncio").error("Task failed\nfuture: secret")
        logging.getLogger("aiohttp.server").error("cannot read %s", "secret", exc_info=JackfieldError("secret"))
    assert [line["event"] for line in lines] == ["lost connection", "Task failed", "cannot read %s"]
    assert lines[2]["error"] == "JackfieldError"
    assert "secret" not in str(lines)


@pytest.mark.usefixtures("_logs_restored")
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_logged_exception_tells_where_and_never_what(
    form: Literal["console", "json"], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Neither its message nor local variables, which hold prompts; on a terminal as in a file."""
    configure_logs("info", form)
    prompt = "heliotrope"
    try:
        raise ValueError(prompt)
    except ValueError:
        structlog.get_logger("a_plugin").exception("it broke")
    written = capfdbinary.readouterr().err
    assert b"ValueError" in written
    assert b"test_a_logged_exception" in written
    assert b"heliotrope" not in written


@pytest.mark.usefixtures("_logs_restored")
@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("what", ["full disk", "reader gone", "closed"])
def test_a_line_that_cannot_be_written_is_lost_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, form: Literal["console", "json"], what: str
) -> None:
    """Requests are served also where the disk under the log is full; the log ring has the line."""
    if what == "reader gone":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open("/dev/full", os.O_WRONLY)
    ring = LogRing.create()
    keep_lines(os.dup(ring.fileno()))
    # unbuffered: what is left over must not be written once more, and fail, when the test has ended
    with os.fdopen(write, "wb", buffering=0) as stream:
        monkeypatch.setattr(sys, "stderr", SimpleNamespace(buffer=stream, isatty=lambda: False))
        configure_logs("info", form)
        if what == "closed":
            stream.close()
        structlog.get_logger("test").info("request", status=200)
    keep_lines(None)
    assert json.loads(ring.read().data)["event"] == "request"
    ring.close()


@pytest.mark.usefixtures("_logs_restored")
def test_whatever_is_logged_is_written(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Arguments that do not fit, levels of a plugin's own, text that is no Unicode, keys that are no texts."""
    configure_logs("info", "json")
    ring: dict[str, object] = {}
    ring["ring"] = ring
    logging.getLogger("a_plugin").warning("lost %d", "count")
    logging.getLogger("a_plugin").log(35, "between two levels")
    for value in ("\udcff", {("a", 1): 2}, ring):
        structlog.get_logger("a_plugin").info("odd", value=value)
    lines = [json.loads(line) for line in capfdbinary.readouterr().err.splitlines()]
    assert [line.get("event") for line in lines[:2]] == ["lost %d", "between two levels"]
    assert lines[1]["level"] == "warning"
    assert len(lines) == 5
