"""The standard library's loggers (aiohttp's, asyncio's, plugins'), routed into the process's own log."""

from __future__ import annotations

import logging
from typing import Final

import structlog

from jackfield.gateway.faults import traceback_of

_QUOTING: Final = ("asyncio", "aiohttp")
"""Libraries whose messages may quote what a client sent; only the constant part of theirs is logged."""


def relay_standard_loggers() -> None:
    """Route warnings and worse into structlog. Once per process, after ``configure_logs``."""
    logging.basicConfig(handlers=[_Relay()], level=logging.WARNING, force=True)


class _Relay(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        quoting = record.name.partition(".")[0] in _QUOTING
        text = str(record.msg).partition("\n")[0] if quoting else record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        fields = {} if error is None else {"error": type(error).__name__, "traceback": traceback_of(error)}
        structlog.get_logger("jackfield.gateway").log(record.levelno, text, logger=record.name, **fields)
