"""The commands of a store of sealed documents: list, show, export, import, rotate-key.

Any plugin that has such a store may give them to its users.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import click
import msgspec

from jackfield.errors import Conflict, InvalidRequest, ManifestError, RecordNotFound
from jackfield.ports.policy_store import DocumentName, VersionConflict
from jackfield.sealing.archive import is_sealed, read_archive, write_archive
from jackfield.sealing.archive_file import read_file, write_file
from jackfield.sealing.store import SealedStore
from jackfield.secret import Secret, SecretReference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping

    from jackfield.sealing.store import Everything

Result = TypeVar("Result")

ATTEMPTS: Final = 10
"""How often an import is tried where servers change the store at the same time."""


EXIT_CODES: Final = """\
\b
Exit codes:
  0    it worked
  1    it failed; nothing was written
  2    the command line, an option or a secret cannot be used as it is
"""


class StoreAccess(NamedTuple):
    """How commands get at one store."""

    open: Callable[[SecretReference | None], SealedStore]
    """Opens it, event loop thread; with one more secret that it may be sealed with."""
    secret: Callable[[SecretReference], Secret]
    """Reads a secret."""


class Row(msgspec.Struct, frozen=True):
    """One line of ``list``."""

    kind: str
    name: str
    version: int
    bytes: int


class Imported(msgspec.Struct, frozen=True):
    """What an import has done, or would."""

    dry_run: bool
    version: int
    """Of the store then."""
    added: int
    changed: int
    deleted: int
    unchanged: int
    documents: list[str]
    """Those that are added, changed or deleted, with a mark: ``+ limit/team``."""


def store_command(name: str, access: StoreAccess) -> click.Group:
    """The group of commands for one store.

    Parameters:
        name: What it is called.
        access: To the store.
    """

    @click.group(name, epilog=EXIT_CODES)
    @click.pass_context
    def group(ctx: click.Context) -> None:
        """Look at the policy store, copy it, and change its key. Servers that run take changes up at once.

        \b
        Examples:
          jackfield store list
          jackfield store export policies.sealed
          jackfield store rotate-key --from file:old.key
        """  # noqa: D301  \b is click's mark against wrapping
        ctx.obj = access

    for command in (list_, show, export, import_, rotate_key):
        group.add_command(command)
    return group


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_passphrase = click.option(
    "--passphrase",
    metavar="REFERENCE",
    help="Where the archive's passphrase is: file:/path or env:NAME. Default: a terminal is asked.",
)


@click.command("list")
@click.option("--kind", metavar="KIND", help="Documents of this kind only.")
@_json
@click.pass_obj
def list_(access: StoreAccess, kind: str | None, *, as_json: bool) -> None:
    """List all documents.

    \b
    Examples:
      jackfield store list
      jackfield store list --kind limit --json
    """  # noqa: D301  \b is click's mark against wrapping
    everything = _with_store(access, _everything)
    rows = [
        Row(name.kind, name.name, kept.version, len(kept.content))
        for name, kept in sorted(everything.documents.items())
        if kind in {None, name.kind}
    ]
    if as_json:
        click.echo(msgspec.json.encode({"version": everything.version, "documents": rows}))
        return
    cells = [
        ("KIND", "NAME", "VERSION", "BYTES"),
        *((row.kind, row.name, str(row.version), str(row.bytes)) for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, line in enumerate(cells if rows else ()):
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, bold=number == 0))
    click.echo(f"{len(rows)} documents; the store is at version {everything.version}.", err=True)


@click.command("show")
@click.argument("kind")
@click.argument("name")
@click.pass_obj
def show(access: StoreAccess, kind: str, name: str) -> None:
    """Print one document.

    \b
    Example:
      jackfield store show limit team-a
    """  # noqa: D301  \b is click's mark against wrapping
    kept = _with_store(access, _everything).documents.get(DocumentName(kind, name))
    if kept is None:
        raise RecordNotFound(f"there is no document {kind} {name}")
    click.echo(kept.content)


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@_passphrase
@click.option("--plain", is_flag=True, help="Do not seal it: whoever can read the file can read all policies.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@_json
@click.pass_obj
def export(
    access: StoreAccess, file: Path, passphrase: SecretReference | None, *, plain: bool, force: bool, as_json: bool
) -> None:
    """Write all documents to FILE, sealed with a passphrase, readable for its owner only.

    \b
    Examples:
      jackfield store export policies.sealed
      jackfield store export policies.sealed --passphrase file:/etc/jackfield/archive.key
      jackfield store export policies.json --plain
    """  # noqa: D301  \b is click's mark against wrapping
    if plain and passphrase is not None:
        raise click.UsageError("--plain and --passphrase exclude each other")
    secret = None if plain else _asked(access, passphrase, confirm=True)
    everything = _with_store(access, _everything)
    documents = {name: kept.content for name, kept in everything.documents.items()}
    with _named("--passphrase"):
        data = write_archive(everything.version, documents, secret)
    write_file(file, data, replace=force)
    if as_json:
        said = {"version": everything.version, "documents": len(documents), "bytes": len(data), "sealed": not plain}
        click.echo(msgspec.json.encode(said))
        return
    click.echo(
        f"{len(documents)} documents of version {everything.version} are in {file} ({len(data)} bytes).", err=True
    )


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_passphrase
@click.option("--replace", is_flag=True, help="Delete documents that the archive does not have.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@_json
@click.pass_obj
def import_(
    access: StoreAccess,
    file: Path,
    passphrase: SecretReference | None,
    *,
    replace: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write all documents of the archive FILE into the store: all of them, or none.

    Documents that the archive does not have stay, unless --replace is given. Servers that run take the change up; one
    whose plugin cannot use a document keeps what it had, and says so in /readyz.

    \b
    Examples:
      jackfield store import policies.sealed --dry-run
      jackfield store import policies.json --replace
    """  # noqa: D301  \b is click's mark against wrapping
    data = read_file(file)
    secret = _asked(access, passphrase, confirm=False) if is_sealed(data) else None
    with _named(str(file)):
        documents = read_archive(data, secret)
    done = _with_store(access, lambda store: _import(store, documents, replace=replace, dry_run=dry_run))
    if as_json:
        click.echo(msgspec.json.encode(done))
        return
    for line in done.documents:
        click.echo(line)
    would = "would be " if dry_run else ""
    click.echo(
        f"{done.added} {would}added, {done.changed} changed, {done.deleted} deleted, {done.unchanged} unchanged;"
        f" the store is at version {done.version}.",
        err=True,
    )


@click.command("rotate-key")
@click.option(
    "--from", "old", metavar="REFERENCE", help="Where the secret is that the store is sealed with: file:/path."
)
@_json
@click.pass_obj
def rotate_key(access: StoreAccess, old: SecretReference | None, *, as_json: bool) -> None:
    """Seal everything anew, with the secret that the option `key` names.

    All of it or nothing: where this is killed, the store is as it was, and the command is run again. Servers that run
    read the new secret by themselves: first put it where their option `key` says, then rotate. SIGHUP has them look
    whether it is the right one; /readyz says so where it is not.

    \b
    Examples:
      jackfield store rotate-key
      jackfield store rotate-key --from file:/etc/jackfield/store.key.old
    """  # noqa: D301  \b is click's mark against wrapping
    count = _with_store(access, _rotate, old)
    if as_json:
        click.echo(msgspec.json.encode({"documents": count}))
        return
    click.echo(f"{count} documents are sealed with new keys.", err=True)


async def _everything(store: SealedStore) -> Everything:
    return await store.everything()


async def _rotate(store: SealedStore) -> int:
    total = len((await store.everything()).documents)
    with click.progressbar(length=total, label="sealing", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        return await store.rotate(bar.update)


async def _import(
    store: SealedStore, documents: Mapping[DocumentName, bytes], *, replace: bool, dry_run: bool
) -> Imported:
    for _ in range(ATTEMPTS):
        before = await store.everything()
        wanted: dict[DocumentName, bytes | None] = {
            name: content for name, content in documents.items() if _content(before, name) != content
        }
        if replace:
            wanted.update(dict.fromkeys(before.documents.keys() - documents.keys()))
        if dry_run or not wanted:
            return _said(before, wanted, len(documents), before.version, dry_run=dry_run)
        try:
            version = await store.write(wanted, before.version)
        except VersionConflict:
            continue
        return _said(before, wanted, len(documents), version, dry_run=False)
    raise Conflict("servers change the store at the same time; try again")


def _content(everything: Everything, name: DocumentName) -> bytes | None:
    kept = everything.documents.get(name)
    return kept.content if kept is not None else None


def _said(
    before: Everything, wanted: Mapping[DocumentName, bytes | None], given: int, version: int, *, dry_run: bool
) -> Imported:
    marks = {
        name: "-" if content is None else "~" if name in before.documents else "+" for name, content in wanted.items()
    }
    count = Counter(marks.values())
    return Imported(
        dry_run=dry_run,
        version=version,
        added=count["+"],
        changed=count["~"],
        deleted=count["-"],
        unchanged=given - count["+"] - count["~"],
        documents=[f"{marks[name]} {name.kind}/{name.name}" for name in sorted(marks)],
    )


def _with_store(
    access: StoreAccess, use: Callable[[SealedStore], Awaitable[Result]], old: SecretReference | None = None
) -> Result:
    async def run() -> Result:
        async with _opened(access, old) as store:
            return await use(store)

    return asyncio.run(run())


@asynccontextmanager
async def _opened(access: StoreAccess, old: SecretReference | None) -> AsyncIterator[SealedStore]:
    store = access.open(old)
    try:
        yield store
    finally:
        await store.close()


def _asked(access: StoreAccess, reference: SecretReference | None, *, confirm: bool) -> Secret:
    if reference is not None:
        return access.secret(reference)
    if not sys.stdin.isatty():
        raise click.UsageError("say with --passphrase where the passphrase is, such as file:/path or env:NAME")
    return Secret(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except (ManifestError, InvalidRequest) as error:
        raise ManifestError(f"{what}: {error.message}") from error
