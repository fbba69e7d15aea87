"""What an evaluator loads: modules, data and the rules that will be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield_opa.rego_text import IDENTITY, own_tests, package_of, rules_of, unknown_calls, with_movable_input

if TYPE_CHECKING:
    from jackfield_opa.bundle import Bundle

RULES_MAX: Final = 200
"""Most rules that an explanation looks at."""

TEST_S: Final = 5.0
"""How long one test, or one rule of an explanation, may take."""


class Program(msgspec.Struct, frozen=True):
    """As the evaluator takes it."""

    modules: Mapping[str, str]
    data: str
    entrypoints: Sequence[str]
    """``package/rule``; questions name them by their place here."""
    calls: Sequence[str]
    """Functions that must be built in."""
    deadline_s: float
    """How long one evaluation may take, after which the evaluator's own clock ends it."""


class Rule(msgspec.Struct, frozen=True):
    """A rule, and where it stands."""

    file: str
    package: str
    name: str

    @property
    def entrypoint(self) -> str:
        """As rego-cpp names it."""
        return entrypoint(f"{self.package}.{self.name}")


def entrypoint(path: str) -> str:
    """``a.b.c`` as rego-cpp names it."""
    return path.replace(".", "/")


def decision_program(bundle: Bundle, decision: str, deadline_s: float) -> Program:
    """What answers questions."""
    calls = unknown_calls(bundle.modules.values())
    return Program(bundle.modules, bundle.data, [entrypoint(decision)], calls, deadline_s)


def explanation_program(bundle: Bundle, decision: str) -> tuple[Program, Sequence[Rule]]:
    """The decision, and after it the other rules of its package."""
    package = decision.rpartition(".")[0]
    rules = [
        Rule(file, package, name)
        for file, text in bundle.modules.items()
        if package_of(text) == package
        for name in rules_of(text)
    ]
    others = [rule for rule in dict.fromkeys(rules) if rule.entrypoint != entrypoint(decision)][:RULES_MAX]
    points = [entrypoint(decision), *(rule.entrypoint for rule in others)]
    return Program(bundle.modules, bundle.data, points, [], TEST_S), others


def test_program(bundle: Bundle) -> tuple[Program, Sequence[Rule]]:
    """The modules' own tests."""
    texts = {**bundle.modules, **bundle.tests}
    tests = [Rule(file, package_of(text), name) for file, text in bundle.tests.items() for name in own_tests(text)]
    moved = {"": IDENTITY} | {file: with_movable_input(text) for file, text in texts.items()}
    points, calls = [test.entrypoint for test in tests], unknown_calls(texts.values())
    return Program(moved, bundle.data, points, calls, TEST_S), tests
