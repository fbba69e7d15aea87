"""``jackfield verify`` blames by name whatever a plugin does, and never hangs or breaks itself."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from jackfield.cli.verify import command
from jackfield.errors import ManifestError
from jackfield.verification.report import junit, text_lines
from jackfield.verification.run import Limits, verify
from jackfield.verification.target import find_target
from jackfield.verification.told import with_options

if TYPE_CHECKING:
    from jackfield.verification.records import Settings, Verdict

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
        ("", "raise KeyboardInterrupt", "the process ended with exit code 2, without a word"),
        ("", "os._exit(3)", "the process ended with exit code 3, without a word"),
        ("", "os.closerange(3, 65_536); time.sleep(100)", "the process closed all its descriptors"),
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


def test_what_it_printed_last_is_shown_in_part(tmp_path: Path) -> None:
    """One long line does not bury the report."""
    text = report(verified(tmp_path, STARTUP.format(top="print('x' * 9999, flush=True); os.abort()", body="pass")))
    assert "x" * 200 in text
    assert "x" * 201 not in text


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
    found = found._replace(settings=with_options(found.settings, options, ["mine"]))
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


def test_a_plugin_may_be_called_like_the_library_it_wraps() -> None:
    """A distribution of that name is there too, and has no plugin."""
    assert [entry.name for entry in find_target("llguidance").entries] == ["llguidance"]


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
    stated: Settings = {"a": {"backend": {"source": "x", "k": 1}}}
    settings = with_options(stated, ("a.backend.source=y.gguf", "a.config.w=4"), ["a"])
    assert settings == {"a": {"backend": {"source": "y.gguf", "k": 1}, "config": {"w": 4}}}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("source=x", "must be PLUGIN.TABLE.KEY=VALUE"),
        ("mine.backed.source=x", "there is no table mine.backed; did you mean backend?"),
        ("min.backend.source=x", "there is no plugin min; did you mean mine?"),
    ],
)
def test_an_option_that_nobody_would_read_is_a_mistake(option: str, message: str) -> None:
    """Its author would believe that it was read."""
    with pytest.raises(ManifestError, match=re.escape(message)):
        with_options({}, (option,), ["mine"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mine.backed]\nsource = 'x'\n", "verify.toml: there is no table mine.backed; did you mean backend?"),
        ("mine = 3\n", "verify.toml: what a kit is told stands in tables PLUGIN.TABLE"),
        ("mine = \n", "verify.toml: "),
    ],
)
def test_a_file_that_cannot_be_used_is_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    """Before anything is run."""
    (tmp_path / "mine.py").write_text(GOOD)
    (tmp_path / "verify.toml").write_text(text)
    with pytest.raises(ManifestError, match=re.escape(message)):
        find_target(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    "text",
    [
        "project = 3",
        "[project]\nentry-points = 3",
        '[project]\nname = "x"\n[project.entry-points]\n"jackfield.plugins" = ["x"]',
    ],
)
def test_a_project_without_plugins_is_a_mistake(tmp_path: Path, text: str) -> None:
    """Whatever stands in its file."""
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ManifestError, match="no plugin"):
        find_target(str(tmp_path))


PREPARED: Final = """
from pathlib import Path
from jackfield import hookimpl
from jackfield.errors import Unauthenticated
from jackfield.ports.identity import Principal
import msgspec

class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str = "tokens.txt"

class Tokens:
    def __init__(self, file):
        self.token = Path(file).read_text()
    async def authenticate(self, credential):
        if credential.value.reveal() != self.token:
            raise Unauthenticated("unknown")
        return Principal(id="1", name="somebody", scopes=frozenset({"generate"}), fingerprint="abcdef")

@hookimpl
def jackfield_config():
    return Options

@hookimpl
def jackfield_authenticators(instance):
    return {instance.name: lambda: Tokens(instance.config(Options).file)}
"""

PREPARE: Final = """
def prepare(folder):
    assert not list(folder.iterdir())
    (folder / "tokens.txt").write_text("open-sesame")
    return {"config": {"file": str(folder / "tokens.txt")}, "authenticator": {"credential": "open-sesame"}}

def leave():
    raise SystemExit(3)

def shout(folder):
    raise ValueError("why")

def wrong(folder):
    return {"authenticator": "open-sesame"}

def misspelt(folder):
    return {"authentication": {"credential": "open-sesame"}}
"""


def told_by(folder: Path, function: str, only: str = "") -> Verdict:
    """What comes out where *function* makes what the kit must be told."""
    (folder / "mine_kit.py").write_text(PREPARE)
    (folder / "verify.toml").write_text(f'[mine.prepare]\nfunction = "{function}"\n')
    return verified(folder, PREPARED, only=only)


def test_what_cannot_stand_in_a_file_is_made(tmp_path: Path) -> None:
    """Files with rights of their own, fresh keys: in a folder that is gone afterwards."""
    verdict = told_by(tmp_path, "mine_kit:prepare", "good_credential or hostile")
    assert verdict.result == "passed", report(verdict)
    assert [kit.kit for kit in verdict.kits if kit.cases] == ["AuthenticatorKit"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["mine.py", "mine_kit.py", "verify.toml"]


def test_a_broken_promise_is_no_leak(tmp_path: Path) -> None:
    """What the kit itself knows of the secret is not the plugin's output."""
    (tmp_path / "mine_kit.py").write_text(PREPARE)
    (tmp_path / "verify.toml").write_text('[mine.prepare]\nfunction = "mine_kit:prepare"\n')
    verdict = verified(tmp_path, PREPARED.replace("!= self.token", "== self.token"), only="good_credential")
    [kit] = [kit for kit in verdict.kits if kit.cases]
    assert kit.count("failed") == 2
    assert verdict.problems == []
    assert "open-sesame" not in report(verdict)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("mine_kit:shout", "its prepare function raised ValueError: why"),
        ("mine_kit:leave", "its prepare function raised TypeError"),
        ("mine_kit:wrong", "mine_kit:wrong must return tables"),
        ("mine_kit:misspelt", "there is no table mine.authentication; did you mean authenticator?"),
        ("mine_kit:nothing", "there is no mine_kit:nothing"),
        ("no_such_module:prepare", "there is no no_such_module:prepare"),
        ("prepare", 'must be function = "module:name"'),
    ],
)
def test_a_function_that_makes_nothing_is_named(tmp_path: Path, function: str, message: str) -> None:
    """With the plugin; nothing is run."""
    verdict = told_by(tmp_path, function)
    assert [problem.plugin for problem in verdict.problems] == ["mine"]
    assert message in verdict.problems[0].message
    assert "mine" in verdict.problems[0].message
    assert verdict.kits == []


def test_our_plugin_with_keys_passes() -> None:
    """Its key file must be its owner's alone, so that it cannot lie in a repository."""
    verdict = verify(find_target("keys"), LIMITS, "near_miss", lambda _: None)
    assert verdict.result == "passed", report(verdict)
    assert "AuthenticatorKit" in {kit.kit for kit in verdict.kits}


def test_what_a_process_leaves_behind_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it was killed."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    verdict = verified(tmp_path, STARTUP.format(top="import tempfile; tempfile.mkdtemp(); os.abort()", body="pass"))
    assert verdict.result == "failed"
    assert list((tmp_path / "temporary").iterdir()) == []


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
