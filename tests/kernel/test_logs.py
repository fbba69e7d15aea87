"""Logging: what of the standard library's and of exceptions gets into a line, and what never does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import pytest
import structlog
from structlog.testing import capture_logs

from jackfield.errors import JackfieldError
from jackfield.logs import configure_logs, traceback_of

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
