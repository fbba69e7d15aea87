"""Log lines of a running server, for ``jackfield workers logs``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click
import msgspec

from jackfield.channel.operator import ReadLog
from jackfield.cli.servers import ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.cli.servers import Operator
    from jackfield.ports.operating import ChildKind, ChildState

FOLLOW_S: Final = 0.3
"""Between two looks for new lines."""

_COLOURS: Final = {"error": "red", "critical": "red", "warning": "yellow"}
_KNOWN: Final = ("timestamp", "level", "event")


class _Line(msgspec.Struct):
    """A line, and whose it is."""

    origin: str
    raw: bytes
    time: str


def show(operator: Operator, *, model: str | None, gateway: bool, lines: int, follow: bool, as_json: bool) -> None:
    """Print the latest lines, oldest first, and go on if that is wanted.

    Parameters:
        operator: The server.
        model: Of this worker only; None means all.
        gateway: Of the gateway instead.
        lines: How many to begin with.
        follow: Go on until interrupted.
        as_json: As they were written.
    """
    children = _chosen(operator.state().children, model, gateway=gateway)
    cursors = dict.fromkeys(children, 0)
    several = len(children) > 1
    found = _read(operator, cursors)
    _print(found[max(0, len(found) - lines) :], several=several, as_json=as_json)
    if not found and not follow:
        click.echo("nothing has been logged yet", err=True)
    while follow:
        time.sleep(FOLLOW_S)
        _print(_read(operator, cursors), several=several, as_json=as_json)


def _chosen(children: Sequence[ChildState], model: str | None, *, gateway: bool) -> list[tuple[ChildKind, str]]:
    kind: ChildKind = "gateway" if gateway else "worker"
    found = [each for each in children if each.kind == kind and (model is None or model in (each.model, *each.aliases))]
    if not found:
        names = ", ".join(each.model for each in children if each.kind == "worker")
        raise ServerUnreachable(f"this server has no model {model!r}; it has {names}")
    return [(each.kind, each.model) for each in found]


def _read(operator: Operator, cursors: dict[tuple[ChildKind, str], int]) -> list[_Line]:
    """What is new, in the order of time; moves *cursors* on."""
    found: list[_Line] = []
    for (kind, model), cursor in cursors.items():
        answer = operator.log(ReadLog(kind=kind, model=model, cursor=cursor))
        cursors[kind, model] = answer.cursor
        found += [_Line(model or kind, raw, str(_fields(raw).get("timestamp", ""))) for raw in answer.data.splitlines()]
    return sorted(found, key=lambda line: line.time)


def _print(lines: Sequence[_Line], *, several: bool, as_json: bool) -> None:
    for line in lines:
        if as_json:
            click.echo(line.raw)
            continue
        origin = click.style(f"{line.origin}  ", dim=True) if several else ""
        click.echo(origin + _for_people(line.raw))


def _for_people(raw: bytes) -> str:
    fields = _fields(raw)
    if not fields:
        return raw.decode(errors="replace")
    level = str(fields.get("level", ""))
    mark = click.style(f"{level:<8}", fg=_COLOURS.get(level))
    rest = " ".join(f"{key}={_value(value)}" for key, value in fields.items() if key not in _KNOWN)
    return f"{fields.get('timestamp', '')} {mark} {fields.get('event', '')} {rest}".rstrip()


def _value(value: object) -> str:
    text = str(value)
    return f"\n{text}" if "\n" in text else text


def _fields(raw: bytes) -> dict[str, object]:
    """The line as the server wrote it; nothing for one that was cut."""
    try:
        return msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.DecodeError:
        return {}
