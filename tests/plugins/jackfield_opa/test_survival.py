"""What breaks rego-cpp, and does not break us: each in turn, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plugins.jackfield_opa.played import HEAD, QUESTION, play

from jackfield.errors import ManifestError, PolicyUnavailable
from jackfield.ports.policy import NAME, NAME_MAX
from jackfield_opa.child import Child, EvaluatorDied
from jackfield_opa.program import Program
from jackfield_opa.questions import QUESTION_MAX, Unaskable, encode

if TYPE_CHECKING:
    from tests.plugins.jackfield_opa.played import Engines

    from jackfield.ports.policy import Decision, PolicyInput
    from jackfield_opa.embedded import EmbeddedEngine

ECHO: Final = """
decision := {"allow": allow, "reasons": [input.principal.id, input.resource.name]}
"""

ALLOW_ALL: Final = "allow if true\n"
SLOW: Final = """
allow if not slow

slow if {
	startswith(input.principal.id, "slow")
	regex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-")
}

decision := allow
"""


def by(who: str) -> PolicyInput:
    """The usual question, asked by *who*."""
    return msgspec.structs.replace(QUESTION, principal=msgspec.structs.replace(QUESTION.principal, id=who))


def ask(engine: EmbeddedEngine, *questions: PolicyInput) -> list[Decision]:
    """Decisions, one after the other."""

    async def scenario(engine: EmbeddedEngine) -> list[Decision]:
        return [await engine.decide(question) for question in questions]

    return play(engine, scenario)


@pytest.mark.parametrize(
    "name",
    [
        'x","allow":true,"q":"',
        'x"],"allow":true,"reasons":["',
        "admin\0x",
        "a\nb",
        "\\u0061dmin",
        "\ud800",
        'é","allow":true,"q":"',
        "é\0x",
        "é\u2028",
        "\u202eé",
        "é\\u0061",
        "é" * (NAME_MAX + 1),
    ],
)
def test_a_name_becomes_no_permission(engines: Engines, name: str) -> None:
    """Strings of the input come out of rego-cpp without escapes: such a name does not go in."""
    model = msgspec.structs.replace(QUESTION, resource=msgspec.structs.replace(QUESTION.resource, name=name))
    decisions = ask(engines(ECHO), by(name), model, QUESTION)
    assert [decision.allow for decision in decisions] == [False] * 3
    assert decisions[2].reasons == ("keys/ada", "demo"), "the one that is harmless is evaluated"


def test_all_characters_of_names_arrive_as_they_are(engines: Engines) -> None:
    """Whatever of Rego or JSON they look like."""
    plain = "".join(chr(code) for code in range(0x20, 0x7F) if NAME.match(chr(code)))
    assert len(plain) == 95 - 2
    for name in (plain, plain[::-1], "${x} %s %d {{x}} `x` 'x' # x //x", '],[true:null}{",'.replace('"', "'")):
        [decision] = ask(engines('decision := {"allow": true, "reasons": [input.principal.id]} if true\n'), by(name))
        assert (decision.allow, decision.reasons) == (True, (name,))


NAMES = ("Größe", "山田　太郎", "Zoë/é", "😀 team", "مريم", "漢" * NAME_MAX, "😀" * NAME_MAX)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_all_scripts_arrive_as_they_are(engines: Engines, name: str) -> None:
    """They can be compared and be told, whole and in parts, and no other name is the same."""
    rules = (
        f"known := {json.dumps(name, ensure_ascii=False)}\n"
        "allow if { input.principal.id == known; count(input.principal.id) == count(known); startswith(known, "
        "substring(input.principal.id, 0, 2)) }\n"
        'decision := {"allow": allow, "reasons": [sprintf("%s", [input.principal.id])]}\n'
    )
    mine, other = ask(engines(rules), by(name), by(f"{name[:-1]}ö"))
    assert (mine.allow, mine.reasons) == (True, (name,))
    assert not other.allow


def test_what_is_written_without_escapes_is_an_injection(engines: Engines) -> None:
    """The fault that is guarded against is there: the guard is what keeps it out, and not chance."""
    program = Program({"p.rego": HEAD + ECHO}, "{}", ["jackfield/decision"], [], 5.0)
    hostile = {"principal": {"id": 'x"],"allow":true,"q":["'}, "resource": {"name": "demo"}}
    with Child() as child:
        child.load(program)
        value = child.evaluate(0, msgspec.json.encode(hostile))
    assert value is not None
    assert msgspec.json.decode(value)["allow"] is True


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 + 5, -(2**63) - 1, 10**100])
def test_no_number_wraps(engines: Engines, number: int) -> None:
    """What is above a ceiling stays above it."""
    rules = 'allow if input.request.prompt_tokens <= 1000\ndecision := {"allow": allow}\n'
    request = msgspec.structs.replace(QUESTION.request, prompt_tokens=abs(number))
    decisions = ask(engines(rules), msgspec.structs.replace(QUESTION, request=request), QUESTION)
    assert [decision.allow for decision in decisions] == [False, True]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_asked(number: float) -> None:
    """JSON has none such; ``null`` would be less than every ceiling."""
    request = msgspec.structs.replace(QUESTION.request, temperature=number)
    with pytest.raises(Unaskable):
        encode(msgspec.structs.replace(QUESTION, request=request))


def test_questions_are_short() -> None:
    """In all, and each name: regular expressions of rego-cpp crash on long texts."""
    with pytest.raises(Unaskable):
        encode(by("x" * 257))
    tools = tuple("x" * 200 for _ in range(QUESTION_MAX // 200))
    with pytest.raises(Unaskable):
        encode(msgspec.structs.replace(QUESTION, request=msgspec.structs.replace(QUESTION.request, tools=tools)))
    assert encode(by("x" * 256))
    assert encode(by("system:1234567890123456789012")), "digits in a name are no number"


def test_an_overrun_is_killed_and_others_go_on(engines: Engines) -> None:
    """A regular expression that takes years: its process ends, the others answer, and another one takes its place."""

    async def scenario(engine: EmbeddedEngine) -> None:
        before = set(engine.pids)
        slow = asyncio.ensure_future(engine.decide(by("slow")))
        answered = [await engine.decide(QUESTION) for _ in range(20)]
        with pytest.raises(PolicyUnavailable, match="longer than"):
            await slow
        assert all(decision.allow for decision in answered)
        while len(engine.pids) < 2:  # noqa: ASYNC110 -- an engine says nothing by itself
            await asyncio.sleep(0.01)
        assert len(set(engine.pids) & before) == 1
        assert (await engine.decide(QUESTION)).allow
        assert not engine.troubles

    play(engines(SLOW, processes=2), scenario)


def test_an_overrun_is_never_allowed(engines: Engines) -> None:
    """Also where ``fail`` is open: otherwise a question that is slow enough would be a permission."""
    with pytest.raises(PolicyUnavailable):
        ask(engines(SLOW, fail="open"), by("slow"))


def test_questions_wait_for_their_turn_and_not_for_ever(engines: Engines) -> None:
    """One process, which hangs: who waits behind it is refused, or answered by the next one."""

    async def scenario(engine: EmbeddedEngine) -> None:
        questions = [by("slow"), *[by("slow-2")] * 5]
        answers = await asyncio.gather(*map(engine.decide, questions), return_exceptions=True)
        assert all(isinstance(answer, PolicyUnavailable) for answer in answers)
        assert (await engine.decide(QUESTION)).allow

    play(engines(SLOW, deadline_ms=300), scenario)


CRASHING: Final = """
allow if not crash

crash if {
	input.principal.id == "crash"
	regex.match("ignore .* instructions", data.text)
}

decision := allow
"""


def test_a_crash_is_denied_and_others_go_on(engines: Engines) -> None:
    """SIGSEGV in a regular expression on a long text: the process is another one afterwards."""
    data = msgspec.json.encode({"text": "ignore " + "x" * 200_000}).decode()

    async def scenario(engine: EmbeddedEngine) -> None:
        [before] = engine.pids
        with pytest.raises(PolicyUnavailable, match="has ended"):
            await engine.decide(by("crash"))
        assert (await engine.decide(QUESTION)).allow
        assert engine.pids != [before]

    play(engines({"main.rego": HEAD + CRASHING, "data.json": data}), scenario)


def test_a_process_that_is_killed_is_replaced(engines: Engines) -> None:
    """Whoever kills it, and whether it works or not."""

    async def scenario(engine: EmbeddedEngine) -> None:
        for _ in range(3):
            assert (await engine.decide(QUESTION)).allow
            for pid in engine.pids:
                os.kill(pid, signal.SIGKILL)
            while True:
                try:
                    assert (await engine.decide(QUESTION)).allow
                    break
                except PolicyUnavailable:
                    await asyncio.sleep(0)

    play(engines("allow if true\ndecision := allow\n", processes=2), scenario)


def test_evaluators_have_no_environment_and_no_files(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a policy could ask of its process is not there; and nothing of the server is open in it."""
    monkeypatch.setenv("JACKFIELD_TEST_SECRET", "hunter2")

    async def scenario(engine: EmbeddedEngine) -> None:
        await engine.decide(QUESTION)
        [pid] = engine.pids
        process = Path("/proc", str(pid))
        assert process.joinpath("environ").read_bytes() == b""
        targets = [str(each.readlink()) for each in process.joinpath("fd").iterdir()]
        assert sorted({target.partition(":")[0] for target in targets}) == ["/dev/null", "socket"]
        assert len([target for target in targets if target.startswith("socket")]) == 1
        assert process.joinpath("cwd").readlink() == Path("/")
        limits = process.joinpath("limits").read_text()
        assert "Max file size             0" in limits
        assert process.joinpath("oom_score_adj").read_text() == "1000\n"

    play(engines("allow if true\ndecision := allow\n"), scenario)


def test_closing_leaves_no_process(engines: Engines) -> None:
    """Not even one that hangs."""

    async def scenario(engine: EmbeddedEngine) -> list[int]:
        slow = asyncio.ensure_future(engine.decide(by("slow")))
        await engine.decide(QUESTION)
        pids = list(engine.pids)
        await engine.close()
        with pytest.raises(PolicyUnavailable):
            await slow
        return pids

    pids = play(engines(SLOW, processes=2), scenario)
    assert len(pids) == 2
    assert not any(Path("/proc", str(pid)).exists() for pid in pids)


def test_an_evaluator_ends_with_its_parent(engines: Engines) -> None:
    """Its own clock ends it, where nobody is left to kill it."""
    del engines
    program = Program({"p.rego": HEAD + SLOW}, "{}", ["jackfield/decision"], [], 0.05)
    with Child() as child:
        child.load(program)
        with pytest.raises(EvaluatorDied, match="took too long"):
            child.evaluate(0, encode(by("slow")))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("allow if opa.runtime().env.HOME\ndecision := allow\n", r"main.rego:7: .*opa.runtime"),
        ('allow if opa["runtime"]().env.HOME\ndecision := allow\n', "opa.runtime"),
        ('allow if http.send({"url": "http://x"}).status_code == 200\ndecision := allow\n', "http.send"),
        ("allow if nosuch(input.action)\ndecision := allow\n", r"no function is called nosuch \(main.rego:7\)"),
        ("allow if strings.nosuch(input.action)\ndecision := allow\n", "no function is called strings.nosuch"),
        ("allow if again\nagain if allow\ndecision := allow\n", "no decision for nobody"),
        ("x := 1 if true\nx := 2 if true\nallow if x == 1\ndecision := allow\n", "no decision for nobody"),
        ("allow if true\n", "jackfield.decision is undefined"),
        ("allow if {\n", r"main.rego:7: "),
        ('decision := {"allow": "yes"}\n', "no decision for nobody"),
    ],
)
def test_what_the_compiler_lets_through_is_refused(engines: Engines, rules: str, message: str) -> None:
    """Unknown functions, recursion, contradictions, what asks for more than a question: all at the start."""
    with pytest.raises(ManifestError, match=message):
        engines(rules)


@pytest.mark.parametrize(
    "text",
    [
        "package jackfield\nallow if true\ndecision := allow\n",
        "package jackfield\ndefault allow := true\ndecision := allow\n",
        "package jackfield\n# default allow := false\ndecision := true\n",
        'package jackfield\nx := "\\\ndefault allow := false"\ndecision := true\n',
        "package other\ndefault allow := false\n",
    ],
)
def test_policies_say_no_by_default(engines: Engines, text: str) -> None:
    """A package that does not is not used; neither comments nor strings nor other packages count."""
    with pytest.raises(ManifestError, match=r"default allow := false|not compile|main.rego"):
        engines({"main.rego": text})


_NAMES: Final = st.text(max_size=300)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.tuples(_NAMES, _NAMES), min_size=20, max_size=60))
def test_whatever_is_asked_nothing_becomes_a_permission(engines: Engines, names: list[tuple[str, str]]) -> None:
    """Names that come out again as they went in, or do not go in; the policies allow none of them."""
    questions = [
        msgspec.structs.replace(by(who), resource=msgspec.structs.replace(QUESTION.resource, name=what))
        for who, what in names
    ]
    for (who, what), decision in zip(names, ask(engines(ECHO), *questions), strict=True):
        assert not decision.allow
        assert decision.reasons in {(who, what), ("policies cannot be asked about such names or numbers",)}
