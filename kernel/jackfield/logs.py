"""Logging of every process: structlog to standard error, for people on a terminal and as JSON lines elsewhere.

A log line never has a prompt, an answer, a key or a path of a model in it.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Final, Literal

import msgspec
import structlog

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(
    level: Literal["debug", "info", "warning", "error"], form: Literal["auto", "console", "json"]
) -> None:
    """Set up structlog for this process.

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
            structlog.processors.StackInfoRenderer(),
            *_renderers(console=console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr)
        if console
        else structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _renderers(*, console: bool) -> list[structlog.typing.Processor]:
    if console:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(event: structlog.typing.EventDict, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)
