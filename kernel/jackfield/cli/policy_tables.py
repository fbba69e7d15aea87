"""Decisions, explanations and tests of policies as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jackfield.ports.policy import Obligations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.policy import Decision, Explanation, PolicyTest


def print_decision(answers: Mapping[str, Decision]) -> None:
    """One line for each engine's decision, and what it says besides."""
    for name, decision in answers.items():
        word = click.style("allowed", fg="green") if decision.allow else click.style("denied", fg="red")
        click.echo(f"{name}: {word}")
        for reason in decision.reasons:
            click.echo(f"  {reason}")
        for obligation in _named(decision.obligations):
            click.echo(f"  obligation: {obligation}")


def print_explanation(answers: Mapping[str, Explanation]) -> None:
    """A decision, what is decisive, and how the engine came to it."""
    for name, explanation in answers.items():
        print_decision({name: explanation.decision})
        for policy in explanation.policies:
            click.echo(f"  by {policy}")
        for note in explanation.notes:
            click.echo(f"  {note}")


def print_tests(results: Mapping[str, Sequence[PolicyTest]]) -> None:
    """Each test that has failed, and how many there are."""
    for name, tests in results.items():
        for test in tests:
            if not test.passed:
                click.echo(f"{name}: {click.style('failed', fg='red')} {test.name}{_detail(test)}")
        passed = sum(test.passed for test in tests)
        click.echo(f"{name}: {passed} of {len(tests)} tests passed" if tests else f"{name}: there are no tests")


def _detail(test: PolicyTest) -> str:
    return f": {test.detail}" if test.detail else ""


def _named(obligations: Obligations) -> Sequence[str]:
    """Those that there are."""
    free = Obligations()
    return [
        f"{name} = {value}"
        for name in obligations.__struct_fields__
        if (value := getattr(obligations, name)) != getattr(free, name)
    ]
