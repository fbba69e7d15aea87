"""Whether policies may go live: they compile, say no by default, answer every question and pass their own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError
from jackfield.ports.policy import Explanation, PolicyTest
from jackfield_opa.answers import InvalidAnswer, decision_of
from jackfield_opa.canned import CANNED
from jackfield_opa.child import Child, EvaluatorDied
from jackfield_opa.program import decision_program, explanation_program, test_program
from jackfield_opa.questions import encode
from jackfield_opa.rego_text import check_default, check_forbidden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.policy import PolicyInput
    from jackfield_opa.bundle import Bundle
    from jackfield_opa.program import Program

FAILURES_MAX: Final = 20
"""Most failed tests that a message names."""


def rehearse(bundle: Bundle, decision: str, deadline_s: float, child: Child) -> Program:
    """Try *bundle* with *child*; the program that answers questions, which *child* has loaded then.

    Raises:
        ManifestError: It must not go live; the message says why.
    """
    check_default(bundle.modules, decision)
    check_forbidden({**bundle.modules, **bundle.tests})
    try:
        failed = [test for test in tested(bundle, child) if not test.passed]
        if failed:
            raise ManifestError("; ".join(map(_failure, failed[:FAILURES_MAX])))
        program = decision_program(bundle, decision, deadline_s)
        child.load(program)
        for name, question in CANNED.items():
            _answer(child, decision, name, question)
    except EvaluatorDied as error:
        raise ManifestError(f"the policies end the process that evaluates them: {error}") from error
    return program


def _failure(test: PolicyTest) -> str:
    return f"{test.name} fails{f': {test.detail}' if test.detail else ''}"


def _answer(child: Child, decision: str, name: str, question: PolicyInput) -> None:
    try:
        decision_of(child.evaluate(0, encode(question)))
    except InvalidAnswer as error:
        reason = f"{decision} is undefined" if str(error) == "undefined" else str(error)
        raise ManifestError(f"there is no decision for {name}: {reason}") from error


def tested(bundle: Bundle, child: Child) -> Sequence[PolicyTest]:
    """Run the tests of *bundle*; in order of files and lines.

    Raises:
        ManifestError: They do not compile.
        EvaluatorDied: It crashed, or a test took too long.
    """
    program, tests = test_program(bundle)
    if not tests:
        return []
    child.load(program)
    return [_result(f"{test.file}: {test.name}", child, place) for place, test in enumerate(tests)]


def _result(name: str, child: Child, place: int) -> PolicyTest:
    try:
        value = child.evaluate(place, b"{}")
    except InvalidAnswer as error:
        return PolicyTest(name=name, passed=False, detail=str(error))
    # as `opa test` has it: undefined and false are failures
    return PolicyTest(name=name, passed=value not in {None, b"false"}, detail="" if value else "it is undefined")


def explained(bundle: Bundle, decision: str, question: PolicyInput) -> Explanation:
    """Decide *question*, and say what the rules of the decision's package say; blocks.

    Raises:
        ManifestError: The policies do not compile.
        EvaluatorDied: It crashed, or took too long.
        InvalidAnswer: There is no decision.
        Unaskable: Nobody can be asked that.
    """
    document = encode(question)
    program, rules = explanation_program(bundle, decision)
    with Child() as child:
        child.load(program)
        verdict = decision_of(child.evaluate(0, document))
        values = {rule: _shown(child, place, document) for place, rule in enumerate(rules, start=1)}
    holding = [f"{rule.file}: {rule.package}.{rule.name}" for rule, value in values.items() if value not in _EMPTY]
    notes = [f"{rule.package}.{rule.name} = {value}" for rule, value in values.items()]
    return Explanation(decision=verdict, policies=holding, notes=notes)


_EMPTY: Final = frozenset({"undefined", "false", "[]", "{}"})


def _shown(child: Child, place: int, document: bytes) -> str:
    try:
        value = child.evaluate(place, document)
    except InvalidAnswer:
        return "undefined"
    return "undefined" if value is None else value.decode(errors="replace")
