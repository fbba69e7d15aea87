"""``jackfield verify`` blames by name whatever a plugin does, and never hangs or breaks itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from jackfield.cli.verify import command
from jackfield.errors import ManifestError
from jackfield.verification.report import junit, text_lines
from jackfield.verification.run import Limits, verify
from jackfield.verification.target import find_target, with_options

if TYPE_CHECKING:
    from jackfield.verification.records import Verdict

SAMPLE: Final = Path(__file__).parents[2] / "thirdparty" / "jackfield-sample"

LIMITS: Final = Limits(total_s=60.0, memory_bytes=1 << 30, network=False)

GOOD: Final = """
from jackfield import hookimpl

class Quiet:
    def observe(self, event):
        pass

@hookimpl
def jackfield_observers(instance):
    return {instance.name: Quiet}
"""


def observer(body: str) -> str:
    """A plugin whose ``observe`` does *body*."""
    return GOOD.replace("        pass", f"        {body}")


STARTUP: Final = """
import os, socket, sys, time, ctypes
from jackfield import hookimpl
{top}
@hookimpl
def jackfield_startup(instance, process):
    {body}
"""


def verified(folder: Path, source: str, limits: Limits = LIMITS, only: str = "") -> Verdict:
    """What comes out for a plugin ``mine`` of *source*."""
    (folder / "mine.py").write_text(source)
    return verify(find_target(str(folder / "mine.py")), limits, only, lambda _: None)


def report(verdict: Verdict) -> str:
    """As it is printed."""
    return "\n".join(text_lines(verdict, "./mine.py"))


def test_a_good_plugin_passes(tmp_path: Path) -> None:
    """Every promise is listed."""
    verdict = verified(tmp_path, GOOD)
    assert verdict.result == "passed", report(verdict)
    [kit] = verdict.kits
    assert (kit.plugin, kit.hook, kit.name, kit.kit) == ("mine", "jackfield_observers", "mine", "ObserverKit")
    assert kit.count("passed") > 10
    assert kit.count("skipped") > 0
    assert all(case.promise for case in kit.cases)


def test_a_broken_promise_is_said_in_plain_words(tmp_path: Path) -> None:
    """The promise, the failure, where in the plugin, and how to see it again."""
    verdict = verified(tmp_path, observer('raise ValueError(f"no {event}")'), only="unknown_event")
    text = report(verdict)
    assert verdict.result == "failed"
    assert "BROKEN   An unknown event is ignored: Later versions of the kernel tell more." in text
    assert "ValueError: no <object" in text
    assert "in observe of mine.py, line 6" in text
    assert "jackfield verify ./mine.py --only test_an_unknown_event_is_ignored" in text


@pytest.mark.parametrize(
    ("top", "body", "blame"),
    [
        ("os._exit(0)", "pass", "mine: during its import the process ended with exit code 0, without a word"),
        ("ctypes.string_at(0)", "pass", "mine: during its import the process was ended by SIGSEGV"),
        ("raise ValueError('why')", "pass", "does not import: ValueError: why"),
        ("sys.exit('bye')", "pass", "does not import: SystemExit: bye"),
        ("time.sleep(100)", "pass", "mine: during its import the process did not return within 2 s"),
        ("hog = bytearray(2 << 30)\nhog[:] = b'x' * len(hog)", "pass", "the process used more than 1024 MiB of memory"),
        ("os.kill(0, 9)", "pass", "was ended by SIGKILL"),
        ("", "raise RuntimeError('why')", "jackfield_startup raised RuntimeError: why"),
        ("", "os._exit(3)", "the process ended with exit code 3, without a word"),
        ("", "os.closerange(3, 100); time.sleep(100)", "the process closed all its descriptors"),
        ("", "time.sleep(100)", "the process did not return within 2 s"),
        ("", "socket.create_connection(('192.0.2.1', 80))", "there is no network while a plugin is verified"),
    ],
)
def test_a_plugin_that_misbehaves_is_named(tmp_path: Path, top: str, body: str, blame: str) -> None:
    """At import, and in a hook."""
    limits = LIMITS._replace(step_s=2.0) if "2 s" in blame else LIMITS
    verdict = verified(tmp_path, STARTUP.format(top=top, body=body), limits)
    text = report(verdict)
    assert verdict.result == "failed", text
    assert blame in text
    assert "mine" in text
    assert "Traceback" not in text


def test_one_kit_that_takes_the_process_down_leaves_the_others(tmp_path: Path) -> None:
    """They run in a new process."""
    source = STARTUP.format(top="", body="os.abort()") + observer("pass")
    verdict = verified(tmp_path, source)
    lifecycle, other = verdict.kits
    assert verdict.result == "failed"
    assert [case.outcome for case in lifecycle.cases][-1] == "failed"
    assert "SIGABRT" in lifecycle.cases[-1].message
    assert other.count("passed") > 10
    assert other.count("failed") == 0


def test_a_secret_in_the_output_is_found(tmp_path: Path) -> None:
    """The report does not repeat it."""
    source = (SAMPLE / "src" / "jackfield_sample" / "static_tokens.py").read_text()
    leaking = source.replace("        digest = hashlib", "        print(token, flush=True)\n        digest = hashlib")
    (tmp_path / "mine.py").write_text(leaking)
    options = (
        f'mine.config.digests={{ alice = "{hashlib.sha256(b"sesame-open").hexdigest()}" }}',
        "mine.authenticator.credential=sesame-open",
    )
    found = find_target(str(tmp_path / "mine.py"))
    found = found._replace(settings=with_options(found.settings, options))
    verdict = verify(found, LIMITS, "same_person", lambda _: None)
    assert [problem.message for problem in verdict.problems] == ["plugin mine printed a secret it was given"]
    assert "sesame-open" not in report(verdict) + junit(verdict).decode()


def test_another_distribution_passes_from_its_sources() -> None:
    """All ports of ``tests/thirdparty/jackfield-sample``."""
    verdict = verify(find_target(str(SAMPLE)), LIMITS, "", lambda _: None)
    assert verdict.result == "passed", report(verdict)
    assert {kit.kit for kit in verdict.kits} == {"ConfigKit", "BackendKit", "AuthenticatorKit"}


def test_a_kit_that_was_told_nothing_is_no_success(tmp_path: Path) -> None:
    """It says what to write, and where."""
    source = """
from jackfield import hookimpl

@hookimpl
def jackfield_backends(instance):
    return {instance.name: object}
"""
    verdict = verified(tmp_path, source)
    assert verdict.result == "incomplete"
    assert "[tool.jackfield.verify.mine.backend] or with --option" in report(verdict)
    assert "`source`" in report(verdict)


def test_a_project_is_verified_from_its_sources(tmp_path: Path) -> None:
    """Without being installed; what kits are told stands in its ``pyproject.toml``."""
    (tmp_path / "src" / "my_package").mkdir(parents=True)
    options = "class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):\n    width: int = 1\n"
    hook = "@hookimpl\ndef jackfield_config(instance):\n    return Options\n"
    (tmp_path / "src" / "my_package" / "__init__.py").write_text(f"import msgspec\n{GOOD}\n{options}\n{hook}")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "my-project"\nversion = "2.0"\n[project.entry-points."jackfield.plugins"]\n'
        'mine = "my_package"\n[tool.jackfield.verify.mine.config]\nwidth = 2\n'
    )
    verdict = verify(find_target(str(tmp_path)), LIMITS, "", lambda _: None)
    assert verdict.target == "my-project 2.0"
    assert verdict.result == "passed", report(verdict)
    assert [kit.kit for kit in verdict.kits] == ["ConfigKit", "ObserverKit"]


@pytest.mark.parametrize("target", ["fcfs", "jackfield"])
def test_what_is_installed_is_found_by_name(target: str) -> None:
    """A plugin, or all plugins of a distribution."""
    names = [entry.name for entry in find_target(target).entries]
    assert "fcfs" in names
    assert (len(names) == 1) == (target == "fcfs")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("fcfx", "did you mean"),
        ("pluggy", "no entry points in the group jackfield.plugins"),
        ("./nothing.py", "there is no file"),
        (".", "it is not a project"),
    ],
)
def test_what_is_not_there_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    """Named before any process starts."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=message):
        find_target(target)


def test_options_are_values_of_toml_or_texts() -> None:
    """They join what the author's file says."""
    settings = with_options({"a": {"backend": {"source": "x", "k": 1}}}, ("a.backend.source=y.gguf", "a.config.w=4"))
    assert settings == {"a": {"backend": {"source": "y.gguf", "k": 1}, "config": {"w": 4}}}
    with pytest.raises(ManifestError, match=r"PLUGIN\.TABLE\.KEY=VALUE"):
        with_options({}, ("source=x",))


def test_reports_for_machines(tmp_path: Path) -> None:
    """JSON on standard output, JUnit XML in a file; the exit code says the result."""
    (tmp_path / "mine.py").write_text(observer("raise ValueError('\\x00 <why>')"))
    arguments = [str(tmp_path / "mine.py"), "--json", "--junit", str(tmp_path / "out.xml"), "--only", "unknown_event"]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    document = json.loads(result.output)
    assert document["result"] == "failed"
    assert document["kits"][0]["cases"][0]["outcome"] == "failed"
    suites = ET.parse(tmp_path / "out.xml").getroot()  # noqa: S314 - our own file
    assert [case.get("name") for case in suites.iter("testcase")] == ["test_an_unknown_event_is_ignored"]
    assert result.return_value == 1


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(command, ["fcfs"], standalone_mode=False)
    assert "pip install 'jackfield[testing]'" in str(result.exception)
