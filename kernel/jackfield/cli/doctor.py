"""``jackfield doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import click
import msgspec

from jackfield.cli.errors import EXIT_FAILED, EXIT_OK
from jackfield.cli.options import json_option, manifest_options
from jackfield.errors import ManifestError
from jackfield.ports.check import Level

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from jackfield.manifest import Manifest

COLOURS: Final = {"ok": "green", "warn": "yellow", "error": "red"}

CHECK_S: Final = 20.0
"""How long one check may take: a library may have to be read from a cold disk."""

WIDTH: Final = 20
"""Of the column with the checks' names."""

Group: TypeAlias = Literal["machine", "plugins"]


class Finding(msgspec.Struct, frozen=True):
    """One line of the report."""

    check: str
    level: Level
    message: str
    fix: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """The whole report."""

    ok: bool
    findings: list[Finding]


@click.command("doctor")
@manifest_options
@click.option("--strict", is_flag=True, help="Warnings, too, give exit code 1.")
@json_option
def command(file: Path | None, sets: tuple[str, ...], *, strict: bool, as_json: bool) -> int:
    """Check this machine, the configuration, the models and what plugins need; say what to do.

    Nothing is changed, no model is loaded and no server has to run. Checks that may crash or hang run in a process of
    their own, at most 20 s each, and are reported by name if they do. Exit code 1 where there is an error.

    \b
    Examples:
      jackfield doctor
      jackfield doctor --config staging.toml --json
      jackfield doctor --strict
    """  # noqa: D301  \b is click's mark against wrapping
    findings = []
    for finding in _findings(file, sets):
        findings.append(finding)
        if not as_json:
            _print(finding)
    bad = {"warn", "error"} if strict else {"error"}
    ok = not any(finding.level in bad for finding in findings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(Diagnosis(ok, findings)), indent=2))
    else:
        _sum_up(findings)
    return EXIT_OK if ok else EXIT_FAILED


def _findings(file: Path | None, sets: tuple[str, ...]) -> Iterator[Finding]:
    from jackfield.manifest import KernelConfig, Manifest
    from jackfield.manifest_layers import load_manifest

    try:
        manifest = load_manifest(file, sets=sets)
    except ManifestError as error:
        yield Finding("configuration", "error", error.message, "correct it; jackfield config check looks at it alone")
        yield from _run(Manifest(enabled=(), kernel=KernelConfig()), "machine")
        return
    name = "the packaged one" if manifest.file is None else Path(manifest.file).name
    yield Finding("configuration", "ok", name)
    yield from _run(manifest, "machine")
    yield from _run(manifest, "plugins")


def _run(manifest: Manifest, group: Group) -> Iterator[Finding]:
    """Run a group's checks; after one that crashes or hangs, the rest in a new process."""
    from jackfield.doctor.checks import PLUGINS

    done: list[str] = []
    while True:
        lost, how = yield from _trial(manifest, group, done)
        if not how:
            return
        yield Finding(lost or group, "error", how, _blame(lost, group))
        if not lost or lost == PLUGINS:
            return
        done.append(lost)


def _trial(manifest: Manifest, group: Group, done: list[str]) -> Generator[Finding, None, tuple[str, str]]:
    """Run those that are not *done*; returns the check that did not end, and in words what became of it if any."""
    from jackfield.doctor.checks import PLUGINS
    from jackfield.trial.messages import Began, Ended, Failed, RunChecks
    from jackfield.trial.run import Trial

    current = failure = ""
    with Trial(RunChecks(manifest.dump(), group, done), CHECK_S) as trial:
        for word in trial.words():
            if isinstance(word, Began):
                current = word.name
            elif isinstance(word, Ended):
                current = ""
                done.append(word.name)
                yield Finding(word.name, word.result.level, word.result.message, word.result.fix)
            elif isinstance(word, Failed):
                failure = word.error.message
    if failure or not trial.end:
        return current, failure
    called = f"; last called: {trial.called}" if current == PLUGINS and trial.called else ""
    return current, f"the check {trial.end}{called}"


def _blame(check: str, group: Group) -> str:
    if group == "machine":
        return "look at what it is about: a server would hang or end there, too"
    owner, _, rest = check.partition(" ")
    if owner == "model":
        return f"a server would go through the same: look at models.{rest} and its file"
    owner = owner if rest else "that plugin"
    return f"a server would go through the same: turn {owner} off, or report it to its author"


def _print(finding: Finding) -> None:
    level = click.style(f"{finding.level:<5}", fg=COLOURS[finding.level])
    click.echo(f"{level}  {finding.check:<{WIDTH}}  {finding.message}")
    if finding.fix:
        click.echo(f"{'':<{WIDTH + 7}}  → {finding.fix}")


def _sum_up(findings: list[Finding]) -> None:
    levels = [finding.level for finding in findings]
    errors, warnings = levels.count("error"), levels.count("warn")
    if not errors + warnings:
        click.echo(click.style("everything is fine", fg="green"))
        return
    counted = ((errors, "error"), (warnings, "warning"))
    parts = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counted if count]
    click.echo(click.style(", ".join(parts), fg="red" if errors else "yellow"))
