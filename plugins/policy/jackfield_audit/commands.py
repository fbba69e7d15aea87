"""``jackfield audit``: make a key, verify, query, export."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

import click
import msgspec

from jackfield.whole_files import create_file
from jackfield_audit.chain import ChainKey
from jackfield_audit.envelope import printable
from jackfield_audit.files import record_files
from jackfield_audit.search import COLUMNS, Filter, comma_separated, found, row
from jackfield_audit.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield import PluginInstance
    from jackfield_audit.config import AuditConfig
    from jackfield_audit.search import Record
    from jackfield_audit.verification import Verdict

DAMAGED: Final = 1
"""Exit code where a record is not whole."""

KEY_BYTES: Final = 32

_AGO: Final = {"m": "minutes", "h": "hours", "d": "days"}
_SHOWN: Final = ("seq", "time", "kind", "action", "outcome", "name", "resource", "reason")
_FIELDS: Final = ("kind", "action", "outcome", "principal", "name", "team", "fingerprint", "client", "resource")


class _Target(NamedTuple):
    """What the commands are about."""

    folder: Path
    key: Callable[[], ChainKey]
    read: Callable[[str], ChainKey]
    """A key by its reference."""
    reference: str
    path: Callable[[str], Path]


def audit_command(instance: PluginInstance, folder: Path, config: AuditConfig) -> click.Group:
    """The group of commands for one instance of the plugin.

    Parameters:
        instance: Its name is the group's.
        folder: Of the record's files.
        config: Its options.
    """

    def read(reference: str) -> ChainKey:
        return ChainKey(instance.secret(reference))

    @click.group(instance.name)
    @click.option("--folder", "other", type=click.Path(path_type=Path), metavar="FOLDER", help="Where the record is.")
    @click.pass_context
    def group(ctx: click.Context, other: Path | None) -> None:
        """Make the key of the audit record, and verify, query and export it."""
        place = folder if other is None else other.expanduser().absolute()
        ctx.obj = _Target(place, lambda: read(config.key), read, config.key, instance.path)

    for command in (init, verify, query, export):
        group.add_command(command)
    return group


def _moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """``30m``, ``12h``, ``7d`` ago, or a date or time as ISO 8601 has it, in UTC where it names no zone."""
    if text is None:
        return None
    try:
        if text[-1:] in _AGO and text[:-1].isdigit():
            return datetime.now(UTC) - timedelta(**{_AGO[text[-1]]: int(text[:-1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("must be 30m, 12h or 7d ago, or a time such as 2027-01-31T12:00") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(_FIELDS):
        function = click.option(f"--{name}", metavar="TEXT", help=f"Only records with this {name}.")(function)
    options = (
        click.option("--request", "request_id", metavar="ID", help="Only what is about this request (x-request-id)."),
        click.option("--decision", "decision_id", metavar="ID", help="Only this decision of a policy."),
        click.option("--since", callback=_moment, metavar="TIME", help="From then on: 7d, or 2027-01-31T12:00."),
        click.option("--until", callback=_moment, metavar="TIME", help="Before then."),
        click.option(
            "--text",
            type=click.File("r", encoding="utf-8"),
            metavar="FILE",
            help="Only requests with exactly this prompt or answer; - is standard input.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _filter(target: _Target, options: dict[str, object]) -> Filter:
    names = (*_FIELDS, "request_id", "decision_id")
    fields = {name: str(options[name]) for name in names if options[name] is not None}
    since, until, file = options["since"], options["until"], options["text"]
    text = target.key().mark("text", file.read()) if file is not None else ""  # type: ignore[attr-defined]
    return Filter(
        fields,
        since if isinstance(since, datetime) else None,
        until if isinstance(until, datetime) else None,
        text,
    )


@click.command("init")
@click.pass_obj
def init(target: _Target) -> None:
    """Make the key of the record, where there is none: a file that only you can read.

    Keep a copy of it elsewhere: without it nobody can verify the record.

    \b
    Examples:
      jackfield audit init
    """  # noqa: D301  \b is click's mark against wrapping
    scheme, _, name = target.reference.partition(":")
    if scheme != "file":
        raise click.UsageError(f"the key is {target.reference}, which is made elsewhere")
    path = target.path(name)
    try:
        create_file(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
    except FileExistsError as error:
        raise click.ClickException(
            f"{name} is there already; a record can be verified with its own key only"
        ) from error
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror}") from error
    click.echo(f"{name}: a new key; keep a copy of it elsewhere", err=True)


@click.command("verify")
@click.option("--key", "keys", multiple=True, metavar="REF", help="An older key of the record too: file:old.key.")
@click.option(
    "--last", type=click.IntRange(min=1), metavar="N", help="Record N must be there: a number kept elsewhere."
)
@_json
@click.pass_obj
def verify(target: _Target, keys: tuple[str, ...], last: int | None, *, as_json: bool) -> None:
    """Say whether the record is whole, or which record is the first that was changed or is missing.

    Exit codes: 0 it is whole, 1 it is not, 2 it cannot be read.

    \b
    Examples:
      jackfield audit verify
      jackfield audit --folder /backup/audit verify --key file:old.key
      jackfield audit verify --last 120345   # the number that was the last one yesterday
    """  # noqa: D301  \b is click's mark against wrapping
    known = [target.key(), *(target.read(reference) for reference in keys)]
    total = sum(each.path.stat().st_size for each in record_files(target.folder))
    with click.progressbar(length=max(total, 1), label="Verifying", file=sys.stderr, hidden=not _watched()) as bar:
        verdict = Verification(target.folder, known, bar.update).run()
    whole = verdict.problem is None and (last is None or last <= verdict.last)
    if as_json:
        click.echo(msgspec.json.encode(_facts(verdict, whole=whole)).decode())
    else:
        _tell(verdict, last)
    if not whole:
        sys.exit(DAMAGED)


def _watched() -> bool:
    return sys.stderr.isatty()


def _facts(verdict: Verdict, *, whole: bool) -> dict[str, object]:
    facts: dict[str, object] = {**verdict._asdict(), "whole": whole}
    facts["problem"] = None if verdict.problem is None else verdict.problem._asdict()
    return facts


def _tell(verdict: Verdict, last: int | None) -> None:
    problem = verdict.problem
    if problem is not None:
        line = f" line {problem.line}" if problem.line else ""
        click.echo(f"record {problem.seq}: {problem.defect} ({problem.file}{line}: {problem.detail})", err=True)
        click.echo(f"{verdict.records} records before it are whole", err=True)
        return
    if last is not None and last > verdict.last:
        click.echo(f"record {verdict.last + 1}: missing, as record {last} should be there", err=True)
        return
    click.echo(f"whole: {verdict.records} records ({verdict.first} to {verdict.last}) in {verdict.files} files")
    click.echo(f"last: {verdict.last} {verdict.mac}")


@click.command("query")
@_filters
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most so many."
)
@click.option("--first", is_flag=True, help="The oldest ones; else the newest.")
@_json
@click.pass_obj
def query(target: _Target, /, *, limit: int, first: bool, as_json: bool, **options: object) -> None:
    """Show records, newest last.

    \b
    Examples:
      jackfield audit query --kind authorization --outcome denied --since 1d
      jackfield audit query --request req_0123456789abcdef --json
      jackfield audit query --text prompt.txt    # who has sent this?
    """  # noqa: D301  \b is click's mark against wrapping
    records = found(target.folder, _filter(target, options))
    chosen = list(islice(records, limit)) if first else _last(records, limit)
    if as_json:
        for line, _ in chosen:
            click.echo(line.decode().rstrip("\n"))
        return
    if not chosen:
        click.echo("There are no such records.", err=True)
        return
    _table([record for _, record in chosen])


def _last(records: Iterable[tuple[bytes, Record]], limit: int) -> Sequence[tuple[bytes, Record]]:
    from collections import deque

    return list(deque(records, maxlen=limit))


def _table(records: Sequence[Record]) -> None:
    places = [COLUMNS.index(name) for name in _SHOWN]
    rows = [[name.upper() for name in _SHOWN]]
    rows += [[printable(cells[place]) or "-" for place in places] for cells in map(row, records)]
    widths = [max(len(cells[index]) for cells in rows) for index in range(len(_SHOWN))]
    for cells in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


@click.command("export")
@_filters
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="Of the output."
)
@click.option(
    "-o", "--output", type=click.File("w", encoding="utf-8", atomic=True), default="-", metavar="FILE", help="Where to."
)
@click.option("--unverified", is_flag=True, help="Also where the record is not whole.")
@click.pass_obj
def export(target: _Target, /, *, form: str, output: TextIO, unverified: bool, **options: object) -> None:
    """Write records for other programs; the record is verified first.

    JSON Lines have the records as they are, MACs included. CSV has no texts, and no cell that a spreadsheet takes for a
    formula.

    \b
    Examples:
      jackfield audit export --since 2027-01-01 --until 2027-02-01 --format csv -o january.csv
    """  # noqa: D301  \b is click's mark against wrapping
    if not unverified:
        problem = Verification(target.folder, [target.key()]).run().problem
        if problem is not None:
            raise click.ClickException(f"record {problem.seq} is {problem.defect}; see: jackfield audit verify")
    if form == "csv":
        output.write(comma_separated(COLUMNS))
    output.writelines(
        line.decode() if form == "jsonl" else comma_separated(row(record))
        for line, record in found(target.folder, _filter(target, options))
    )
