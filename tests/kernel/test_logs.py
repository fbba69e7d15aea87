"""Logging: what of the standard library's and of exceptions gets into a line, and what never does."""

from __future__ import annotations

import logging

import structlog
from structlog.testing import capture_logs

from jackfield.errors import JackfieldError
from jackfield.logs import configure_logs, traceback_of


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


def test_standard_loggers_are_relayed() -> None:
    """A plugin's warnings come out in full; of asyncio's and aiohttp's, which quote requests, the constant part."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    own = logging.getLogger("jackfield")
    try:
        configure_logs("warning", "json")
        with capture_logs() as lines:
            logging.getLogger("a_plugin").warning("lost %s", "connection")
            logging.getLogger("asyncio").error("Task failed\nfuture: secret")
            logging.getLogger("aiohttp.server").error("cannot read %s", "secret", exc_info=JackfieldError("secret"))
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        own.setLevel(logging.NOTSET)
        structlog.reset_defaults()
    assert [line["event"] for line in lines] == ["lost connection", "Task failed", "cannot read %s"]
    assert lines[2]["error"] == "JackfieldError"
    assert "secret" not in str(lines)
