"""Steps: servers that record what they decide, and people who look at the record, or change it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import KEY_FILE, ask_with_key, serve_with_keys
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.testing.command import CommandResult
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

FOLDER: Final = "audit"
_SMALL: Final = "\n[config.audit]\nrotate_bytes = 4096\n"
"""So that files end soon."""

EVE: Final = '\u202eeve\n{"kind":"guardrail"}\x1b[2J'
"""As JSON, a terminal and an eye may take it for something else."""

_SOON: Final = 40
"""Requests: more than a file of 4,096 bytes has records."""


@given("jackfield serve runs with a scripted model, keys and an audit record", target_fixture="service")
def recorded_with_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    manifest = scripted_manifest(enabled=("admin", "keys", "audit"))
    _make_key(tmp_path, manifest)
    return serve_with_keys(serve, tmp_path, manifest)


@given("jackfield serve runs with a scripted model and an audit record", target_fixture="service")
def recorded(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; files of the record are short."""
    return _served(serve, tmp_path, _SMALL)


@given("jackfield serve runs with a scripted model and an audit record that may lose events", target_fixture="service")
def lossy(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; files of the record are short."""
    return _served(serve, tmp_path, f'{_SMALL}on_full = "drop"\n')


@given(words("{count:d} answers to that key"))
def answers(server: Target, key: str, count: int) -> None:
    """One after the other."""
    for _ in range(count):
        assert ask_with_key(server, "hello", key).status == HTTPStatus.OK


@when(words("I run {command:Text} with the input {text:Text}"), target_fixture="result")
def run_with_input(tmp_path: Path, command: str, text: str) -> CommandResult:
    """A command of ``jackfield`` that reads what it is told, in the place of ``INPUT``."""
    (tmp_path / "input.txt").write_text(text)
    return run_command(command.removeprefix("jackfield ").replace("INPUT", "input.txt"), tmp_path)


@when("I ask with that key as a user whose name ends lines, turns the writing and clears the screen")
def ask_as_user(server: Target, key: str) -> None:
    """A name that somebody has thought about."""
    reply = ask_with_key(server, "hello", key, [["user", EVE]])
    assert reply.status == HTTPStatus.OK, reply


@when("another answer is given to that key")
def another_answer(service: ServeProcess, key: str) -> None:
    """By the server that runs now."""
    assert ask_with_key(service.target, "hello", key).status == HTTPStatus.OK


@when(words("the name {name:Text} becomes {other:Text} in the last record"))
def change(tmp_path: Path, name: str, other: str) -> None:
    """As an editor does."""
    *before, last = _lines(tmp_path)
    changed = last.replace(name.encode(), other.encode())
    assert changed != last
    _rewrite(tmp_path, [*before, changed])


@when("the third record from the end is removed")
def remove(tmp_path: Path) -> None:
    """The others stay as they are."""
    lines = _lines(tmp_path)
    _rewrite(tmp_path, [*lines[:-3], *lines[-2:]])


@when(words("the last {count:d} records are removed"))
def cut_off(tmp_path: Path, count: int) -> None:
    """Nothing that is left knows of them."""
    _rewrite(tmp_path, _lines(tmp_path)[:-count])


@when("the server stops")
def stop(service: ServeProcess) -> None:
    """In order, and to the end."""
    service.stop()
    service.wait_exit()


@when("the whole server is killed with kill -9 and started again", target_fixture="service")
def kill_and_start(service: ServeProcess, serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All its processes at once."""
    manifest = (tmp_path / "plugins.toml").read_text()
    service.close()
    again = serve(manifest)
    again.wait_ready()
    return again


@when("the disk of the record is taken away")
def take_away(tmp_path: Path) -> None:
    """What is open stays open, as with a disk that is unmounted lazily."""
    (tmp_path / FOLDER).rename(tmp_path / "gone")


@then(words("soon {prompt:Text} is refused with {status:d} {code:Text}"))
def soon_refused(server: Target, prompt: str, status: int, code: str) -> None:
    """Once the open file is full; until then it is answered."""
    reply = server.run(server.client.ask(prompt))
    for _ in range(_SOON):
        if reply.status != HTTPStatus.OK:
            break
        reply = server.run(server.client.ask(prompt))
    assert (reply.status, reply.error.code) == (status, code)


@then(words("{count:d} times {prompt:Text} is answered"))
def answered(server: Target, prompt: str, count: int) -> None:
    """Each time."""
    for _ in range(count):
        assert server.run(server.client.ask(prompt)).status == HTTPStatus.OK


@then(words("within {seconds:g} seconds readiness mentions {text:Text}"))
def readiness_mentions(service: ServeProcess, seconds: float, text: str) -> None:
    """In its detail."""
    service.wait(f"readiness mentioning {text}", lambda: text in _page(service, "/readyz"), deadline_s=seconds)


@then(words("the record has a {kind:Text} with"))
def record_has(service: ServeProcess, tmp_path: Path, kind: str, datatable: Table) -> None:
    """One whose fields are these; what nobody waits for is written soon."""
    wanted = {name: str(value) for name, value in fields(datatable).items()}

    def there() -> bool:
        return any(
            record["kind"] == kind and all(record.get(name) == value for name, value in wanted.items())
            for record in _records(tmp_path)
        )

    service.wait(f"a {kind} with {wanted}", there, deadline_s=20.0)


@when(words("the key {name:Text} is cut out of the key file"))
def cut_out(tmp_path: Path, name: str) -> None:
    """As an editor does."""
    file = tmp_path / KEY_FILE
    head, *tables = file.read_text().split("[[keys]]\n")
    kept = [table for table in tables if f'name = "{name}"' not in table]
    assert len(kept) < len(tables)
    scratch = tmp_path / "edited.toml"
    scratch.touch(mode=0o600)
    scratch.write_text("[[keys]]\n".join([head, *kept]))
    scratch.replace(file)


@then(words("the record says that others have {how:Text} the key {name:Text}"))
def changed_by_others(service: ServeProcess, tmp_path: Path, how: str, name: str) -> None:
    """Soon, whether anybody uses it or not."""
    service.wait(f"others have {how} {name}", lambda: name in _by_others(tmp_path, how), deadline_s=20.0)


@then(words("the record does not say that others have {how:Text} the key {name:Text}"))
def not_changed_by_others(tmp_path: Path, how: str, name: str) -> None:
    """So far."""
    assert name not in _by_others(tmp_path, how)


@then(words("the record has no {kind:Text}"))
def record_has_no(tmp_path: Path, kind: str) -> None:
    """Not one."""
    assert not [record for record in _records(tmp_path) if record["kind"] == kind]


@then(words("the record has {count:d} requests of {name:Text}"))
def record_has_requests(tmp_path: Path, count: int, name: str) -> None:
    """That were answered."""
    found = [each for each in _records(tmp_path) if each["kind"] == "request" and each.get("name") == name]
    assert [each["outcome"] for each in found] == ["ok"] * count


@then(words("the record does not mention {text:Text}"))
def record_hides(tmp_path: Path, text: str) -> None:
    """In no file of it."""
    assert text.encode() not in b"".join(_lines(tmp_path))


@then("the record does not mention that key")
def record_hides_key(tmp_path: Path, key: str) -> None:
    """Nor any part of it that could be used."""
    record_hides(tmp_path, key)
    record_hides(tmp_path, key.removeprefix("jf_")[:12])


@then("every line of the record is printable ASCII")
def printable(tmp_path: Path) -> None:
    """A terminal does nothing but show it."""
    assert all(re.fullmatch(rb"[ -~]+\n", line) for line in _lines(tmp_path))


def _by_others(folder: Path, how: str) -> set[str]:
    """Names of keys that others have *how*, by the record."""
    found: set[str] = set()
    for record in _records(folder):
        if record["kind"] == "admin" and record["action"] == "key.changed":
            details = msgspec.convert(record["details"], dict[str, object])
            assert (record["reason"], details["source"]) == ("outside", "file")
            found |= {each.split(" ")[0] for each in msgspec.convert(details.get(how, ()), tuple[str, ...])}
    return found


def _page(service: ServeProcess, path: str) -> str:
    return service.target.run(service.target.probe.request("GET", path)).body.decode()


def _served(serve: Callable[[str], ServeProcess], folder: Path, options: str) -> ServeProcess:
    manifest = scripted_manifest(enabled=("audit",)) + options
    _make_key(folder, manifest)
    service = serve(manifest)
    service.wait_ready()
    return service


def _make_key(folder: Path, manifest: str) -> None:
    (folder / "plugins.toml").write_text(manifest)
    made = run_command("audit init", folder)
    assert made.code == 0, made.output


def _files(folder: Path) -> Sequence[Path]:
    return sorted((folder / FOLDER).glob("audit-*.jsonl"))


def _lines(folder: Path) -> list[bytes]:
    return [line for file in _files(folder) for line in file.read_bytes().splitlines(keepends=True)]


def _records(folder: Path) -> Sequence[dict[str, object]]:
    return [msgspec.json.decode(line, type=dict[str, object]) for line in _lines(folder) if line.endswith(b"\n")]


def _rewrite(folder: Path, lines: Sequence[bytes]) -> None:
    [file] = _files(folder)
    file.write_bytes(b"".join(lines))
