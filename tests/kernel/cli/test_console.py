"""What ``jackfield serve`` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jackfield.channel.messages import Ready, WorkerStatus
from jackfield.cli.console import DEMO_NOTE, JsonReport, LineReport
from jackfield.manifest import InstanceRef, KernelConfig, Manifest, ModelConfig
from jackfield.platforms import Surroundings
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.supervisor.report import Addresses

if TYPE_CHECKING:
    import pytest

    from jackfield.supervisor.report import Report

MANIFEST = Manifest(
    enabled=(InstanceRef("openai", "openai"),),
    kernel=KernelConfig(),
    models={"demo": ModelConfig(source="jackfield:demo"), "big": ModelConfig(source="big.gguf")},
)
INFO = ModelInfo(
    architecture="llama",
    title="demo",
    description="llama 2M Q8_0",
    parameters=2_000_000,
    size_bytes=2_000_000,
    context_train=512,
    vocabulary=512,
)
HERE = Surroundings(Path("/nowhere"), {"RUNPOD_POD_ID": "x"}, pid=4711)
LIMITS = RunnerLimits(context=512, max_sequences=8, kv_tokens=4096, max_batch_tokens=512)


def _status(model: str, state: str, reason: str = "") -> WorkerStatus:
    return WorkerStatus(model=model, state=state, reason=reason, info=INFO, limits=LIMITS)


def _story(report: Report) -> None:
    report.listening(Addresses(["http://127.0.0.1:8080"], ["http://127.0.0.1:8081"]))
    for percent in (0, 3, 21, 30, 100):
        report.worker(_status("demo", "loading", f"loading {percent} %"))
    report.gateway_ready(Ready(plugins={"openai": "jackfield 0.1.0", "fcfs": "jackfield 0.1.0"}), 0)
    report.worker(_status("demo", "ready"))
    report.worker(_status("big", "backoff", "ended by SIGKILL; restarting in 1.0 s"))
    report.worker(_status("big", "ready"))
    report.stopping(30)


def test_lines_tell_the_whole_story(capsys: pytest.CaptureFixture[str]) -> None:
    """Addresses, what is served, what was defaulted, progress in steps, and when everything serves."""
    _story(LineReport(MANIFEST, terminal=False, here=HERE))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "  API      http://127.0.0.1:8080",
        "  health   http://127.0.0.1:8081",
        "  platform RunPod",
        "  logs     to nowhere (standard error is closed)",
        "  process  4711; jackfield workers list shows how it is",
        f"  model    demo ({DEMO_NOTE})",
        "  model    big",
        "loading demo 21 %",
        "loading demo 100 %",
        "  plugins  openai, fcfs (default)",
        "  auth     none: anybody on this machine may call (loopback only)",
        "demo: loaded, llama 2M Q8_0, context 512, 8 requests at once",
        "big: worker ended by SIGKILL; restarting in 1.0 s",
        "big: loaded, llama 2M Q8_0, context 512, 8 requests at once",
        "ready: http://127.0.0.1:8080",
        "stopping: running requests have 30 s to finish; a second signal ends at once",
    ]


def test_a_terminal_gets_a_bar_that_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """It is rewritten in place, and wiped before the next line."""
    _story(LineReport(MANIFEST, terminal=True, here=HERE))
    out = capsys.readouterr().out
    assert "\r\x1b[2K" + "━" * 6 + " " * 24 + " loading demo 21 %\r" in out
    assert "loading demo 100 %\r\x1b[2K  plugins" in out


def test_a_refused_model_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The worker's exit after its refusal is no news."""
    report = LineReport(MANIFEST, terminal=False, here=HERE)
    for _ in range(2):
        report.worker(_status("big", "failed", "big.gguf is truncated"))
    assert capsys.readouterr().out == "big: cannot be served: big.gguf is truncated\n"


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, each with its event."""
    _story(JsonReport(MANIFEST, here=HERE))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == [
        "listening",
        *["worker"] * 5,
        "gateway",
        *["worker"] * 3,
        "stopping",
    ]
    assert events[0]["api"] == ["http://127.0.0.1:8080"]
    assert (events[0]["pid"], events[0]["control"], events[0]["platform"]) == (4711, True, ["RunPod"])
    assert events[6]["defaulted"] == ["fcfs"]
    assert events[5]["state"] == "loading"
    assert events[5]["reason"] == "loading 100 %"


def test_a_reader_that_left_does_not_stop_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """``jackfield serve | head -1``."""
    given_up = []

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("jackfield.cli.console.click.echo", broken)
    monkeypatch.setattr("jackfield.cli.console.give_up_output", lambda: given_up.append(1))
    LineReport(MANIFEST, terminal=False, here=HERE).stopping(1)
    assert given_up == [1]


def test_a_model_that_failed_does_not_hide_that_the_others_serve(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever comes last."""
    report = LineReport(MANIFEST, terminal=False, here=HERE)
    report.listening(Addresses(["http://127.0.0.1:8080"], [], no_control="/tmp/jackfield-0 belongs to another user"))
    report.gateway_ready(Ready(), 0)
    report.worker(_status("demo", "ready"))
    report.worker(_status("big", "failed", "big.gguf is truncated"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "ready: http://127.0.0.1:8080 (without big)"
    assert "  process  4711; not to be found by jackfield workers: /tmp/jackfield-0 belongs to another user" in lines


def test_restarts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a gateway and of a worker: why, and which one it is."""
    report = LineReport(MANIFEST, terminal=False, here=HERE)
    report.worker(_status("demo", "backoff", "gave no sign of life for 30 s after it was started; restarting in 1.0 s"))
    report.worker(msgspec.structs.replace(_status("demo", "ready"), restarts=1))
    report.gateway_ready(Ready(authenticators=("keys",)), 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("demo: worker gave no sign of life for 30 s after it was started")
    assert lines[1].endswith("restart 1")
    assert "  auth     keys" in lines
    assert "the gateway serves (restart 1)" in lines
