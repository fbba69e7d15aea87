"""``jackfield verify``: does a plugin keep what its ports promise?"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Final

import click
import msgspec

from jackfield.cli.complete import complete_targets
from jackfield.cli.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from jackfield.cli.options import json_option, output_option
from jackfield.errors import PluginError

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.verification.records import Verdict

_NEEDED: Final = ("pytest", "hypothesis")
_EXITS: Final = {"passed": EXIT_OK, "failed": EXIT_FAILED, "incomplete": EXIT_USAGE}


@click.command("verify")
@click.argument("target", metavar="DIST|PLUGIN|PATH", shell_complete=complete_targets)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="PLUGIN.TABLE.KEY=VALUE",
    help="Tell a kit something, such as mine.backend.source=tiny.gguf, or set an option of the plugin"
    " (mine.config.width=4); repeatable.",
)
@click.option("--only", default="", metavar="TEXT", help="Run only the tests whose names contain TEXT.")
@click.option(
    "--timeout", default=300.0, show_default=True, type=click.FloatRange(1), metavar="S", help="Seconds in all."
)
@click.option(
    "--memory", default=4096, show_default=True, type=click.IntRange(64), metavar="MIB", help="Of resident memory."
)
@click.option("--network", is_flag=True, help="Let the plugin connect to other machines.")
@output_option("--junit", "Write JUnit XML too.")
@json_option
def command(  # noqa: PLR0913 - one parameter per option
    target: str,
    options: tuple[str, ...],
    *,
    only: str,
    timeout: float,
    memory: int,
    network: bool,
    junit: Path | None,
    as_json: bool,
) -> int:
    """Run the conformance kits of everything a plugin hands over, in a process of its own.

    DIST is an installed distribution (all its plugins), PLUGIN an installed plugin, PATH a .py file or a project's
    folder. What a kit must be told (a model file, a dialect's path) stands in [tool.jackfield.verify] of the project's
    pyproject.toml, or in verify.toml beside the module; [PLUGIN.prepare] there names a function that makes the rest.

    \b
    Examples:
      jackfield verify jackfield-sample
      jackfield verify ./my_plugin.py --option my_plugin.backend.source=tiny.gguf
      jackfield verify . --junit report.xml

    \b
    Exit codes:
      0  every promise is kept
      1  a promise is broken, or the plugin took the process down
      2  a kit could not run: something is missing, or nothing was found
    """  # noqa: D301  \b is click's mark against wrapping
    verdict = _verdict(target, options, timeout, memory << 20, network=network, only=only)
    if junit is not None:
        from jackfield.verification.report import junit as junit_of

        junit.write_bytes(junit_of(verdict))
    _show(verdict, target, as_json=as_json)
    return _EXITS[verdict.result]


def _verdict(
    target: str, options: tuple[str, ...], timeout: float, memory: int, *, network: bool, only: str
) -> Verdict:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PluginError(f"verify needs {' and '.join(missing)}: pip install 'jackfield[testing]'")
    from jackfield.verification.run import Limits, verify
    from jackfield.verification.target import find_target
    from jackfield.verification.told import with_options

    found = find_target(target)
    names = [entry.name for entry in found.entries]
    found = found._replace(settings=with_options(found.settings, options, names))
    return verify(found, Limits(timeout, memory, network), only, _progress)


def _progress(text: str) -> None:
    """Somebody who watches sees that it goes on."""
    if sys.stderr.isatty():
        click.echo(f"  … {text}", err=True)


def _show(verdict: Verdict, target: str, *, as_json: bool) -> None:
    from jackfield.verification.report import text_lines

    if as_json:
        document = {"result": verdict.result, **msgspec.to_builtins(verdict)}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    for line in text_lines(verdict, target):
        click.echo(line)
