"""``jackfield policy``: what it prints, reads and refuses, with real policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec
import pytest

from jackfield.cli.complete import complete_policy_engines
from jackfield.cli.policy import EXIT_DENIED, command
from jackfield.cli.policy_questions import read_questions, sample_question
from jackfield.testing.command import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

POLICIES: Final = Path(__file__).parents[3] / "policies" / "rego"

REMOTE: Final = """\
from jackfield import hookimpl
from jackfield.ports.policy import Decision, Obligations

class Mine:
    async def decide(self, question):
        {decide}
    async def close(self):
        pass

@hookimpl
def jackfield_policies(instance):
    return {{instance.name: Mine}}
"""


@pytest.fixture
def question(tmp_path: Path) -> Callable[[str], None]:
    """Writes ``question.json`` for somebody of a role."""

    def write(role: str) -> None:
        made = sample_question("generate", "large-70b", "acme", (role,))
        (tmp_path / "question.json").write_bytes(msgspec.json.encode(made))

    return write


def manifest(folder: Path, *enabled: str) -> None:
    """A manifest with the policies to start from."""
    text = f"enabled = {json.dumps(enabled)}\n"
    if "opa" in enabled:
        text += f"[config.opa]\npolicies = {json.dumps(str(POLICIES))}\n"
    (folder / "plugins.toml").write_text(text)


def test_a_denial_is_no_error(tmp_path: Path, question: Callable[[str], None]) -> None:
    """Allowed 0, denied 3; for people and for scripts."""
    manifest(tmp_path, "opa")
    question("engineer")
    allowed = run_command("policy eval question.json", tmp_path)
    assert (allowed.code, allowed.output) == (0, "opa: allowed\n  obligation: max_tokens = 4096\n")
    question("analyst")
    denied = run_command("policy eval question.json --json", tmp_path)
    assert denied.code == EXIT_DENIED
    told = json.loads(denied.output)
    assert told["allow"] is False
    assert told["reasons"] == ["none of the caller's roles grants this now"]
    assert told["engines"]["opa"]["allow"] is False


def test_explanations_and_tests(tmp_path: Path, question: Callable[[str], None]) -> None:
    """Which rules hold, and whether the policies' own tests pass."""
    manifest(tmp_path, "opa")
    question("engineer")
    explained = run_command("policy explain question.json", tmp_path)
    assert explained.code == 0, explained.output
    assert "by jackfield.rego: jackfield.tenant_may" in explained.output
    tested = run_command("policy test", tmp_path)
    assert tested.code == 0
    assert tested.output == "opa: 9 of 9 tests passed\n"
    as_json = json.loads(run_command("policy test --json", tmp_path).output)
    assert all(each["passed"] for each in as_json["engines"]["opa"])


def test_an_engine_need_not_be_enabled(tmp_path: Path, question: Callable[[str], None]) -> None:
    """``--engine`` names it; a plugin without one, and none at all, are said."""
    question("engineer")
    setting = f"--set 'config.opa.policies={json.dumps(str(POLICIES))}'"
    assert run_command(f"policy eval question.json --engine opa {setting}", tmp_path).code == 0
    for arguments, said in (
        ("policy eval question.json", "no policy engine is enabled"),
        ("policy eval question.json --engine fcfs", "hands over no policy engine"),
        ("policy eval question.json --engine opa", "copy policies/rego"),
        ("policy eval missing.json", "No such file"),
    ):
        done = run_command(arguments, tmp_path)
        assert done.code == 2, done.output
        assert said in done.output


def test_one_engine_that_denies_is_enough(tmp_path: Path, question: Callable[[str], None]) -> None:
    """Each is shown; engines that only decide cannot explain, and one that fails is named."""
    manifest(tmp_path, "opa", "./mine.py")
    question("engineer")
    mine = tmp_path / "mine.py"
    mine.write_text(REMOTE.format(decide='return Decision(allow=False, reasons=("not today",))'))
    denied = run_command("policy eval question.json --json", tmp_path)
    assert denied.code == EXIT_DENIED, denied.output
    told = json.loads(denied.output)
    assert told["reasons"] == ["not today"]
    assert {name: each["allow"] for name, each in told["engines"].items()} == {"opa": True, "mine": False}
    mine.write_text(REMOTE.format(decide="return Decision(allow=True, obligations=Obligations(max_tokens=9))"))
    allowed = json.loads(run_command("policy eval question.json --json", tmp_path).output)
    assert allowed["obligations"]["max_tokens"] == 9
    assert "only decide" in run_command("policy explain question.json --engine ./mine.py", tmp_path).output
    mine.write_text(REMOTE.format(decide='raise ValueError("no")'))
    failed = run_command("policy eval question.json --engine ./mine.py", tmp_path)
    assert failed.code == 2
    assert "policy engine mine: ValueError: no" in failed.output


def test_policies_that_cannot_be_used_are_said(tmp_path: Path, question: Callable[[str], None]) -> None:
    """With file and line, and without a traceback."""
    folder = tmp_path / "rego"
    folder.mkdir()
    (folder / "main.rego").write_text("package jackfield\n\ndefault allow := false\n\nallow if {\n")
    (tmp_path / "plugins.toml").write_text('enabled = ["opa"]\n[config.opa]\npolicies = "rego"\n')
    question("engineer")
    done = run_command("policy eval question.json", tmp_path)
    assert done.code == 2
    assert "main.rego:5" in done.output
    assert "Traceback" not in done.output


def test_a_question_to_begin_with(tmp_path: Path) -> None:
    """It is one that can be asked."""
    done = run_command("policy input --role analyst --role admin --model m --action embed --tenant t", tmp_path)
    assert done.code == 0
    [question] = read_questions(done.output.encode(), "-")
    assert question.principal.roles == ("analyst", "admin")
    assert (question.action, question.resource.name, question.principal.tenant) == ("embed", "m", "t")
    assert run_command("policy input --model 'a\"b'", tmp_path).code == 2


def test_questions_are_found_where_they_are_recorded() -> None:
    """Bare, as OPA's API takes them, in an audit record; one, or one on each line."""
    question = sample_question("generate", "m", "t", ("r",))
    text = msgspec.json.encode(question)
    wrapped = msgspec.json.encode({"input": question})
    details = {"input": text.decode(), "route": "/v1/chat/completions"}
    event = {"kind": "authorization", "action": "generate", "resource": "m", "details": details}
    recorded = msgspec.json.encode({"sequence": 7, "event": event})
    assert read_questions(text, "-") == [question]
    assert read_questions(wrapped, "-") == [question]
    assert read_questions(msgspec.json.encode(event), "-") == [question]
    assert read_questions(b"\n".join([text, wrapped, recorded]), "-") == [question] * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "1 to"),
        (b"x", "line 1: not JSON"),
        (b"1", "Expected `object`"),
        (b"{}", "missing required field"),
        (b'{"input": {"resource": {"kind": "mode", "name": "x"}}}', "question.json: "),
        (b'{"action": "embed", "resource": {"kind": "model", "nmae": "x"}}', "unknown field `nmae`"),
        (b"[" * 100_000, "not JSON"),
        (b'{"input":' * 5000 + b"1" + b"}" * 5000, "question.json"),
    ],
)
def test_what_is_no_question_is_said(data: bytes, message: str) -> None:
    """Which field, and where to look."""
    with pytest.raises(click.UsageError, match=message):
        read_questions(data, "question.json")


def test_names_of_engines_are_completed() -> None:
    """Those of installed plugins that hand over one, and no others."""
    context = click.Context(command)
    names = complete_policy_engines(context, command.params[0] if command.params else click.Option(["--x"]), "")
    assert "opa" in names
    assert "fcfs" not in names
    assert complete_policy_engines(context, click.Option(["--x"]), "op") == ["opa"]
