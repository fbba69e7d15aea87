"""``jackfield policy``: eval, explain, test, input."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import click
import msgspec

from jackfield.cli.complete import complete_policy_engines
from jackfield.cli.errors import EXIT_FAILED, EXIT_OK
from jackfield.cli.options import json_option, manifest_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.ports.policy import Decision, Explanation, PolicyTest

Command = TypeVar("Command", bound="Callable[..., object]")

EXIT_DENIED: Final = 3
"""The policies say no. That is an answer, and no error."""

EXIT_CODES: Final = """\
\b
Exit codes:
  0    it is allowed; all tests have passed
  1    the question cannot be read; an engine gives no decision; a test has failed
  2    the command line, plugins.toml or the policies cannot be used as they are
  3    it is denied
"""


def engine_option(function: Command) -> Command:
    """``--engine``: parameter *engine*."""
    return click.option(
        "--engine",
        metavar="NAME",
        shell_complete=complete_policy_engines,
        help="Only this one; it need not be enabled. Default: all that are.",
    )(function)


@click.group("policy", epilog=EXIT_CODES)
def command() -> None:
    """Ask the policies what a server would ask them, and run their tests.

    A question is JSON, as docs/policy.md describes it: written by hand, or taken from an audit record of a decision.

    \b
    Examples:
      jackfield policy input > question.json
      jackfield policy eval question.json
      jackfield policy explain question.json --engine opa
      jackfield policy test
    """  # noqa: D301  \b is click's mark against wrapping


@command.command("eval", epilog=EXIT_CODES)
@click.argument("question", type=click.File("rb"))
@engine_option
@manifest_options
@json_option
def evaluate(question: BinaryIO, engine: str | None, file: Path | None, sets: Sequence[str], *, as_json: bool) -> int:
    """Decide QUESTION, a file or - for standard input.

    It has one question, or one on each line; an audit record of a decision is one too. One that any engine denies is
    denied; of what several oblige to, the strictest holds.

    \b
    Examples:
      jackfield policy eval question.json
      jackfield policy input --role analyst | jackfield policy eval - --engine opa
      jackfield audit query --kind authorization --json | jackfield policy eval - --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.policy_engines import chosen, decided
    from jackfield.cli.policy_questions import read_questions
    from jackfield.cli.policy_tables import print_decision

    questions = read_questions(question.read(), question.name)
    engines = chosen(file, sets, engine)
    allowed = True
    for answers in decided(engines, questions):
        allowed = allowed and all(decision.allow for decision in answers.values())
        if as_json:
            click.echo(msgspec.json.encode(_combined(answers)).decode())
        else:
            print_decision(answers)
    return EXIT_OK if allowed else EXIT_DENIED


@command.command(epilog=EXIT_CODES)
@click.argument("question", type=click.File("rb"))
@engine_option
@manifest_options
@json_option
def explain(question: BinaryIO, engine: str | None, file: Path | None, sets: Sequence[str], *, as_json: bool) -> int:
    """Decide QUESTION, a file or - for standard input, and say which policies are decisive.

    \b
    Examples:
      jackfield policy explain question.json
      jackfield policy input --action embed | jackfield policy explain - --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.policy_engines import chosen, explained
    from jackfield.cli.policy_questions import read_questions
    from jackfield.cli.policy_tables import print_explanation

    questions = read_questions(question.read(), question.name)
    answers: Sequence[Mapping[str, Explanation]] = explained(chosen(file, sets, engine), questions)
    for each in answers:
        if as_json:
            click.echo(msgspec.json.encode({"engines": each}).decode())
        else:
            print_explanation(each)
    return EXIT_OK if all(each.decision.allow for answer in answers for each in answer.values()) else EXIT_DENIED


@command.command(epilog=EXIT_CODES)
@engine_option
@manifest_options
@json_option
def test(engine: str | None, file: Path | None, sets: Sequence[str], *, as_json: bool) -> int:
    """Run the policies' own tests.

    \b
    Examples:
      jackfield policy test
      jackfield policy test --engine opa --set config.opa.policies=./policies/rego
      jackfield policy test --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.policy_engines import chosen, tested
    from jackfield.cli.policy_tables import print_tests

    results: Mapping[str, Sequence[PolicyTest]] = tested(chosen(file, sets, engine))
    if as_json:
        click.echo(msgspec.json.encode({"engines": results}).decode())
    else:
        print_tests(results)
    return EXIT_OK if all(each.passed for tests in results.values() for each in tests) else EXIT_FAILED


@command.command("input")
@click.option("--action", default="generate", show_default=True, metavar="SCOPE", help="What is to be done.")
@click.option("--model", default="demo", show_default=True, metavar="NAME", help="With which model.")
@click.option("--tenant", default="acme", show_default=True, metavar="NAME", help="Of the caller.")
@click.option("--role", "roles", multiple=True, metavar="NAME", help="Of the caller; repeatable. Default: engineer.")
def sample(action: str, model: str, tenant: str, roles: Sequence[str]) -> int:
    """Print a question, with all fields, to begin with.

    \b
    Examples:
      jackfield policy input > question.json
      jackfield policy input --role analyst --model large-70b | jackfield policy eval -
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.policy_questions import sample_question

    question = sample_question(action, model, tenant, roles or ("engineer",))
    click.echo(msgspec.json.format(msgspec.json.encode(question), indent=2).decode())
    return EXIT_OK


def _combined(answers: Mapping[str, Decision]) -> dict[str, object]:
    """What a server would make of *answers*, and they themselves."""
    from jackfield.ports.policy import Obligations, strictest

    allow = all(decision.allow for decision in answers.values())
    reasons = [
        reason for decision in answers.values() if decision.allow == allow for reason in decision.reasons
    ]  # of those who decide it
    try:
        obligations = strictest([each.obligations for each in answers.values()]) if allow else Obligations()
    except ValueError as error:
        allow, reasons, obligations = False, [str(error)], Obligations()
    return {"allow": allow, "reasons": reasons, "obligations": obligations, "engines": answers}
