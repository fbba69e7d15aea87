"""``jackfield keys create`` and ``update``: what a key may, and whose it is."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from jackfield.errors import InvalidRequest
from jackfield.ports.identity import ALL, SCOPE, SCOPES, USUAL_SCOPES
from jackfield.ports.key_issuer import KeyChange
from jackfield.types import PRIORITY_MAX
from jackfield_keys.durations import expiry
from jackfield_keys.edit import Grant, KeyEditor
from jackfield_keys.records import NAME
from jackfield_keys.shown import rights, show_new

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

Function = TypeVar("Function", bound="Callable[..., Any]")

as_json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
expires_option: Final = click.option(
    "--expires", callback=expiry, metavar="TIME", help="When it ends: 30d, 12h, or a date such as 2027-01-31."
)

_OWNING: Final = (
    ("owner", "Who answers for it: a person, a team, an address."),
    ("user", "Who uses it; several keys of one person share limits by that."),
    ("team", "Whose limits and budgets it shares."),
    ("tenant", "With whom it shares records and cached prefixes."),
)
_ROLES: Final = click.option(
    "--role", "roles", multiple=True, metavar="ROLE", help="A role whose scopes and models it has; repeatable."
)
_TAGS: Final = click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word for policies; repeatable.")
_SCOPES: Final = click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help=f"What it may do; repeatable. Known: {', '.join(SCOPES)}; {ALL} is all."
    f" New keys have {', '.join(USUAL_SCOPES)} where neither scopes nor roles are named.",
)
_MODELS: Final = click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="A model it may use; repeatable. Default: those of its roles, or all where it has none.",
)
_PRIORITY: Final = click.option(
    "--priority",
    type=click.IntRange(-PRIORITY_MAX, PRIORITY_MAX),
    metavar="N",
    help="The most urgent priority that its requests may ask for; lower goes first, and those that ask for none have 0,"
    " or this if it is more. Default: 0.",
)


def _properties(function: Function) -> Function:
    """The options that say whose a key is, and what it may."""
    for option in (_PRIORITY, _MODELS, _SCOPES, _TAGS, _ROLES):
        function = option(function)
    for name, text in reversed(_OWNING):
        function = click.option(f"--{name}", metavar="TEXT", help=text)(function)
    return function


@click.command("create")
@click.argument("name")
@_properties
@expires_option
@as_json_option
@click.pass_obj
def create(
    keys: KeyEditor,
    /,
    name: str,
    expires: datetime | None,
    *,
    as_json: bool,
    **given: str | tuple[str, ...] | int | None,
) -> None:
    """Make a key and print it, this once.

    The key alone goes to standard output, everything else to standard error.

    \b
    Examples:
      jackfield keys create laptop
      KEY=$(jackfield keys create ci --owner build-team --expires 30d)
      jackfield keys create search --scope embed --scope models:read --model small-embedder
      jackfield keys create nightly --priority 10
      jackfield keys create ann --role developer --team search
    """  # noqa: D301  \b is click's mark against wrapping
    _check_name(name)
    told = _told(given)
    if "scopes" not in told and "roles" not in told:
        told["scopes"] = USUAL_SCOPES
    grant = Grant(**{"owner": "", "scopes": (), "models": None, **told, "name": name, "expires": expires})
    try:
        made = keys.create(grant)
    except ValueError as error:  # the record's own check
        raise click.UsageError(str(error)) from error
    show_new(made.key, made.record, as_json=as_json)


@click.command("update")
@click.argument("key")
@_properties
@expires_option
@click.option("--never-expires", is_flag=True, help="Let it not expire any more.")
@click.option("--all-models", is_flag=True, help="Let it use all models, or those of its roles.")
@click.option("--clear", multiple=True, metavar="WHAT", help="Take away its owner, user, team, tenant, roles or tags.")
@as_json_option
@click.pass_obj
def update(
    keys: KeyEditor,
    /,
    key: str,
    expires: datetime | None,
    clear: tuple[str, ...],
    *,
    never_expires: bool,
    all_models: bool,
    as_json: bool,
    **given: str | tuple[str, ...] | int | None,
) -> None:
    """Change whose a key is, what it may, and when it ends.

    KEY is a name, a fingerprint, or the first eight characters of the key. What is not named stays; lists are replaced.

    \b
    Examples:
      jackfield keys update laptop --expires 90d
      jackfield keys update ci --scope generate --scope embed
      jackfield keys update ann --team search --clear roles
    """  # noqa: D301  \b is click's mark against wrapping
    told = _told(given)
    for name in clear:
        told[name] = _cleared(name)
    if all_models:
        told["models"] = None
    if never_expires or expires is not None:
        told["expires"] = expires
    if not told:
        raise click.UsageError("nothing is to be changed; see --help")
    try:
        changed = keys.alter(key, KeyChange(**told))
    except InvalidRequest as error:
        raise click.UsageError(error.message) from error
    if as_json:
        click.echo(msgspec.json.encode([record.issued() for record in changed]).decode())
        return
    for record in changed:
        click.echo(f"{rights(record)}.")


def _told(given: Mapping[str, str | tuple[str, ...] | int | None]) -> dict[str, Any]:
    """Those options that were given, each thing in a list once."""
    told: dict[str, Any] = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value not in (None, ())
    }
    _check_scopes(told.get("scopes", ()))
    return told


def _cleared(name: str) -> str | tuple[str, ...]:
    if name in ("roles", "tags"):
        return ()
    if name in dict(_OWNING):
        return ""
    raise click.UsageError(f"--clear {name}: must be one of {', '.join(dict(_OWNING))}, roles, tags")


def _check_name(name: str) -> None:
    if not NAME.match(name):
        raise click.UsageError("NAME must be letters, digits and . _ @ - (at most 64), such as laptop or ci@build")


def _check_scopes(scopes: tuple[str, ...]) -> None:
    for scope in scopes:
        if not SCOPE.match(scope):
            raise click.UsageError(f"--scope {scope}: must be a word such as generate or models:read, or {ALL}")
        if scope not in SCOPES and scope != ALL:
            close = difflib.get_close_matches(scope, SCOPES, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(SCOPES)}"
            click.echo(f"Warning: no route of Jackfield's own needs the scope {scope}{hint}", err=True)
