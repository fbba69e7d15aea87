"""Logging of every process: structlog to standard error, for people on a terminal and as JSON lines elsewhere.

A log line never has a prompt, an answer, a key or a path of a model in it. At the level ``debug`` native libraries
speak for themselves, and name the files they open.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
import structlog

from jackfield.log_ring import LogRing
from jackfield.redaction import redact

if TYPE_CHECKING:
    from typing import BinaryIO

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_STANDARD: Final = (*LEVELS.values(), logging.CRITICAL)
"""Levels that structlog knows; the standard library takes any number."""

_QUOTING: Final = ("asyncio", "aiohttp")
"""Libraries whose messages may quote what a client sent; only the constant part of theirs is logged."""

_OWN: Final = "jackfield"
"""Loggers of the standard library below this name are plugins' own and follow the configured level."""


_ring: LogRing | None = None


def configure_logs(level: Level, form: Literal["auto", "console", "json"]) -> None:
    """Set up structlog for this process, and route the standard library's loggers into it.

    Parameters:
        level: Lines below it cost one attribute look-up.
        form: ``auto`` is console on a terminal and JSON elsewhere.

    Called once by each process's main thread, before anything logs.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_data,
            _keep,
            _renderer(console=console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Lines(sys.stderr.buffer),
        # loggers that keep what they were made with would not follow change_level; a line costs 2 µs more this way
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Relay()], level=logging.WARNING, force=True)
    logging.getLogger(_OWN).setLevel(LEVELS[level])


def change_level(level: Level) -> None:
    """Log lines from *level* on; any thread, once ``configure_logs`` was called."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]))
    logging.getLogger(_OWN).setLevel(LEVELS[level])


def keep_lines(descriptor: int | None) -> None:
    """Keep every line that this process logs from here on also in the log ring *descriptor*; None keeps none."""
    global _ring  # noqa: PLW0603  one per process, like the configuration of the loggers
    _ring = None if descriptor is None else LogRing(descriptor)


def traceback_of(error: BaseException) -> str:
    """Where *error* came from, as modules, lines and exception types.

    Messages of exceptions are left out because they quote the data at fault (a prompt, a key), and paths of files since
    they tell of the host.
    """
    lines = ["Traceback (most recent call last):"]
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "?")
        lines.append(f"  {module}, line {line}, in {frame.f_code.co_name}")
    lines.append(type(error).__qualname__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None:
        return "\n".join(lines)
    return f"{traceback_of(cause)}\n\nwhich led to:\n\n" + "\n".join(lines)


class _Lines:
    """Writes lines to *stream*. A full disk, or a reader that has gone away, costs lines and never what is logged."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def msg(self, line: bytes) -> None:
        with suppress(OSError, ValueError):  # ValueError: it is closed
            self._stream.write(line + b"\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


class _Relay(logging.Handler):
    """Passes records of the standard library's loggers (aiohttp's, asyncio's, plugins') on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields = {} if error is None else {"error": type(error).__name__, "traceback": traceback_of(error)}
        level = max((each for each in _STANDARD if each <= record.levelno), default=logging.DEBUG)
        structlog.get_logger(_OWN).log(level, _text(record), logger=record.name, **fields)


def _text(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] in _QUOTING:
        return str(record.msg).partition("\n")[0]
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 -- arguments that do not fit; whoever logs must not break by it
        return str(record.msg)


def _without_data(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What ``log.exception()`` of a plugin adds; structlog itself would print messages, and local variables too."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info else None
    if error is not None:
        event.update(error=type(error).__name__, traceback=traceback_of(error))
    return event


def _keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Write the event into the ring, as JSON whatever is printed."""
    if _ring is not None:
        with suppress(OSError):  # no memory left; the line is printed all the same
            _ring.write(_to_json(event))
    return event


def _renderer(*, console: bool) -> structlog.typing.Processor:
    if console:
        return _redacted(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ))
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _redacted(render: structlog.dev.ConsoleRenderer) -> structlog.typing.Processor:
    def rendered(logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict) -> bytes:
        return redact(render(logger, method, event).encode(errors="replace"))

    return rendered


def _to_json(event: structlog.typing.EventDict, **_: object) -> bytes:
    try:
        return redact(msgspec.json.encode(event, enc_hook=repr))
    except (TypeError, ValueError, RecursionError):  # text that is no Unicode, keys that are no texts, rings
        return redact(msgspec.json.encode({ascii(name): ascii(value) for name, value in event.items()}))
