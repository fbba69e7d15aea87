"""``jackfield doctor``: crashes and hangs of checks, levels, exit codes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from jackfield.cli import doctor
from jackfield.cli.errors import guarded
from jackfield.cli.group import jackfield as jackfield_command
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Doctor: TypeAlias = "Callable[..., Done]"

PLUGIN = """\
import os, signal, time

from jackfield import hookimpl
from jackfield.ports.check import CheckResult

class Check:
    def run(self):
        {run}

class Fine:
    def run(self):
        return CheckResult(level="ok", message="well")

@hookimpl
def jackfield_checks(instance):
    return {{"mine first": Fine, "mine check": Check, "mine last": Fine}}
"""


class Done(NamedTuple):
    """A diagnosis."""

    code: int
    findings: dict[str, dict[str, str]]
    text: str


@pytest.fixture
def diagnose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Doctor:
    """Runs doctor over a scripted model, with a plugin whose check does *run*."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JACKFIELD_RUNTIME_DIR", str(tmp_path / "runtime"))

    def go(run: str, *arguments: str, enabled: str = "./mine.py") -> Done:
        (tmp_path / "mine.py").write_text(PLUGIN.format(run=run))
        lines = 'listen = "127.0.0.1:0"\nhealth = "127.0.0.1:0"\n'
        (tmp_path / "plugins.toml").write_text(scripted_manifest(kernel=lines, enabled=(enabled,)))
        monkeypatch.setattr(sys, "argv", ["jackfield", "doctor", "--json", *arguments])
        code = guarded(jackfield_command)
        out = capfd.readouterr().out
        return Done(code, {each["check"]: each for each in json.loads(out)["findings"]}, out)

    return go


@pytest.mark.parametrize(
    ("run", "level", "message"),
    [
        ('return CheckResult(level="warn", message="slow", fix="buy")', "warn", "slow"),
        ('return CheckResult(level="error", message="dead", fix="buy")', "error", "dead"),
        ('raise ValueError("no such device")', "error", "it raised ValueError: no such device"),
        ("return None", "error", "it raised TypeError: run() returned NoneType, not CheckResult"),
        ('return CheckResult(level="warn", message="slow")', "error", "it raised ValueError: fix must say"),
        ("os.kill(os.getpid(), signal.SIGILL)", "error", "the check ended by SIGILL"),
        ("os._exit(3)", "error", "the check ended with exit code 3"),
    ],
)
def test_one_bad_check_takes_nothing_with_it(diagnose: Doctor, run: str, level: str, message: str) -> None:
    """It is reported by name, with what to do; those before and after it run."""
    done = diagnose(run)
    found = done.findings["mine check"]
    assert found["level"] == level
    assert found["message"].startswith(message)
    assert found["fix"]
    assert done.findings["mine first"]["level"] == done.findings["mine last"]["level"] == "ok"
    assert done.code == (1 if level == "error" else 0)


def test_a_check_that_hangs(diagnose: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a bounded time; those after it run."""
    monkeypatch.setattr(doctor, "CHECK_S", 5.0)
    done = diagnose("time.sleep(3600)")
    assert done.findings["mine check"]["message"] == "the check has not ended after 5 s"
    assert done.findings["mine last"]["level"] == "ok"


def test_strict_takes_warnings_for_errors(diagnose: Doctor) -> None:
    """For scripts that prepare a machine."""
    assert diagnose('return CheckResult(level="warn", message="slow", fix="buy")', "--strict").code == 1


def test_a_plugin_that_does_not_load(diagnose: Doctor, tmp_path: Path) -> None:
    """Its name is in the message; the machine is checked all the same."""
    (tmp_path / "broken.py").write_text("import no_such_module")
    done = diagnose("return None", enabled="./broken.py")
    assert "broken" in done.findings["plugins"]["message"]
    assert done.findings["open files"]["level"] in ("ok", "warn")
    assert done.code == 1


def test_a_plugin_that_ends_the_process_when_it_is_imported(diagnose: Doctor, tmp_path: Path) -> None:
    """Nothing of the plugins can be checked then, and that is said once."""
    (tmp_path / "broken.py").write_text("import os; os._exit(4)")
    done = diagnose("return None", enabled="./broken.py")
    message = "the check ended with exit code 4; last called: plugin broken, its import"
    assert done.findings["plugins"]["message"] == message
    assert "mine check" not in done.findings


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import time; time.sleep(3600)", "plugin hanging: its import has not returned after"),
        (
            "import time, jackfield\n@jackfield.hookimpl\ndef jackfield_observers(instance): time.sleep(3600)",
            "plugin hanging: jackfield_observers has not returned after",
        ),
    ],
)
def test_a_plugin_that_hangs_is_named(diagnose: Doctor, tmp_path: Path, source: str, message: str) -> None:
    """It, what was called, and where it stands; nothing of the plugins can be checked then."""
    (tmp_path / "hanging.py").write_text(source)
    done = diagnose("return None", "--set", "kernel.plugin_timeout_s=1", enabled="./hanging.py")
    found = done.findings["plugins"]
    assert found["message"].startswith(message)
    assert "in <module> of" in found["message"] or "in jackfield_observers of" in found["message"]
    assert "turn that plugin off" in found["fix"]
    assert done.code == 1


def test_a_scheduler_behind_another_is_a_warning(diagnose: Doctor) -> None:
    """It is enabled, and nothing comes of it."""
    done = diagnose("pass", enabled="fair")
    assert done.findings["plugin fair"]["level"] == "warn"
    assert done.findings["plugin fair"]["fix"] == "jackfield plugins disable fcfs, or fair"


def test_the_model_is_checked_by_its_backend(diagnose: Doctor) -> None:
    """It says what the model is."""
    assert "plays scripts" in diagnose("return None").findings["model scripted"]["message"]
