"""Failed assertions of llama.cpp while a file is loaded, and its messages."""

from __future__ import annotations

import logging
import threading

import pytest

from jackfield_llama.guard import AbortGuard, AssertionFailed
from jackfield_llama.library import LogLevel
from jackfield_llama.logs import REASON_MAX, LogRing


def test_guarded_work_reports_and_returns() -> None:
    """Progress arrives in the caller's thread, in order; the result comes back."""
    seen: list[tuple[float, threading.Thread]] = []

    def work(report: object) -> str:
        assert callable(report)
        report(0.25)
        report(1.0)
        return "done"

    assert AbortGuard().run_guarded(work, lambda part: seen.append((part, threading.current_thread()))) == "done"
    assert seen == [(0.25, threading.current_thread()), (1.0, threading.current_thread())]


def test_an_exception_of_guarded_work_is_the_callers() -> None:
    """As if it had been called directly."""

    def work(_report: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        AbortGuard().run_guarded(work, lambda _part: None)


def test_an_assertion_in_guarded_work_is_an_exception() -> None:
    """The library's thread never comes back from the callback; the caller does, without the build machine's folders."""
    guard = AbortGuard()

    def work(_report: object) -> None:
        guard.on_abort(b"/tmp/build/llama.cpp/src/llama-vocab.cpp:2544: GGML_ASSERT(x) failed")

    with pytest.raises(AssertionFailed, match=r"^llama-vocab\.cpp:2544: GGML_ASSERT\(x\) failed$"):
        guard.run_guarded(work, lambda _part: None)


def test_an_assertion_elsewhere_is_logged_and_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    """The callback returns, so that ggml aborts: state after a failed assertion cannot be trusted."""
    AbortGuard().on_abort(b"/x/ggml.c:1: GGML_ASSERT(y) failed")
    assert "GGML_ASSERT(y) failed" in caplog.text


def test_the_reason_is_the_first_error_without_folders() -> None:
    """Warnings before it and consequences after it are left out."""
    ring = LogRing()
    ring.take(LogLevel.WARN, b"load: a warning\n", None)
    ring.take(LogLevel.ERROR, b"llama_model_load: error loading model: /models/secret/m.gguf ", None)
    ring.take(LogLevel.CONTINUED, b"is \x1b[31mbad\n", None)
    ring.take(LogLevel.ERROR, b"llama_load: failed to load model\n", None)
    assert ring.reason("/models/secret/m.gguf") == "m.gguf is ?[31mbad"
    ring.clear()
    assert ring.reason("/models/secret/m.gguf") == ""


def test_a_reason_is_bounded() -> None:
    """Metadata of a hostile file can be in it."""
    ring = LogRing()
    ring.take(LogLevel.ERROR, b"x: " + b"y" * 10_000 + b"\n", None)
    assert len(ring.reason("/m")) <= REASON_MAX


def test_messages_go_to_logging_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """Errors too: whoever fails says so himself."""
    with caplog.at_level(logging.DEBUG):
        LogRing().take(LogLevel.ERROR, b"oh\n", None)
    assert [(record.levelname, record.message) for record in caplog.records] == [("DEBUG", "oh")]
