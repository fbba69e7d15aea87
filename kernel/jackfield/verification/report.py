"""A verdict as text for people, and as JUnit XML for machines that collect test results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.verification.records import Case, KitResult, Verdict

_COLOURS: Final = {"passed": "green", "failed": "red", "incomplete": "yellow"}


def text_lines(verdict: Verdict, target: str) -> Iterator[str]:
    """The report for people.

    Parameters:
        verdict: What came out.
        target: As the user named it, to say how one test is run again.
    """
    yield click.style(f"{verdict.target}: {', '.join(verdict.plugins)}", bold=True)
    for problem in verdict.problems:
        yield click.style(f"  FAILED  {_indented(problem.message)}", fg="red")
    for kit in verdict.kits:
        yield from _kit_lines(kit, target)
    yield "  bounded: " + verdict.limits.replace("\n", "\n           ")
    total = sum(kit.count("passed") for kit in verdict.kits)
    failed = sum(kit.count("failed") for kit in verdict.kits) + len(verdict.problems)
    summary = f"{verdict.result}: {total} promises kept, {failed} broken, {verdict.seconds:.1f} s"
    yield click.style(summary, fg=_COLOURS[verdict.result], bold=True)


def _kit_lines(kit: KitResult, target: str) -> Iterator[str]:
    counts = [f"{count} {word}" for word in ("passed", "failed", "skipped") if (count := kit.count(word))]
    about = kit.hook.removeprefix("jackfield_")
    what = about if kit.name == kit.plugin else f"{about} {kit.name}"
    yield f"  {kit.plugin:<14} {what:<24} {kit.kit:<18} {', '.join(counts) or 'not run'}"
    if kit.problem:
        yield click.style(f"    NOT RUN  {_indented(kit.problem)}", fg="yellow")
    failed = [case for case in kit.cases if case.outcome == "failed"]
    for case in failed[:1]:
        yield click.style(f"    BROKEN   {case.promise}", fg="red")
        yield f"             {_indented(case.message)}"
        yield f"    again:   jackfield verify {target} --only {_name(case)}"
    others = Counter((case.promise, _name(case)) for case in failed if _name(case) != _name(failed[0]))
    for (promise, name), count in others.items():
        times = f", {count} times" if count > 1 else ""
        yield click.style(f"    BROKEN   {promise} ({name}{times})", fg="red")


def _name(case: Case) -> str:
    """The test's name without its parameters, which a shell would take apart."""
    return case.test.partition("[")[0]


def _indented(text: str) -> str:
    return text.replace("\n", "\n             ")


def junit(verdict: Verdict) -> bytes:
    """The report as JUnit XML (https://github.com/testmoapp/junitxml)."""
    suites = ET.Element("testsuites", name=f"jackfield verify {verdict.target}")
    for kit in verdict.kits:
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=f"{kit.plugin}.{kit.hook}.{kit.name}",
            tests=str(len(kit.cases)),
            failures=str(kit.count("failed")),
            skipped=str(kit.count("skipped")),
            errors=str(int(bool(kit.problem))),
        )
        for case in kit.cases:
            element = ET.SubElement(suite, "testcase", classname=kit.kit, name=case.test, time=str(case.seconds))
            if case.outcome != "passed":
                child = ET.SubElement(element, "failure" if case.outcome == "failed" else "skipped")
                child.set("message", _xml(case.message.partition("\n")[0]))
                child.text = _xml(f"{case.promise}\n{case.message}")
        if kit.problem:
            _error(suite, kit.kit, kit.problem)
    if verdict.problems:
        suite = ET.SubElement(suites, "testsuite", name="processes", tests=str(len(verdict.problems)))
        for problem in verdict.problems:
            _error(suite, problem.plugin, problem.message)
    document: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document


def _error(suite: ET.Element, name: str, message: str) -> None:
    element = ET.SubElement(suite, "testcase", classname="verify", name=name)
    ET.SubElement(element, "error", message=_xml(message))


def _xml(text: str) -> str:
    """*text* without the characters that XML 1.0 cannot carry."""
    return "".join(each if each in "\t\n" or each >= " " else "\N{REPLACEMENT CHARACTER}" for each in text)
