"""What the plugin hands over, and its commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.plugins.jackfield_audit.conftest import SECRET, Book, event

from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.audit import AuditText

if TYPE_CHECKING:
    from pathlib import Path

    import click
    from click.testing import Result

    from jackfield.plugins import Kernel


def kernel_in(folder: Path, /, **options: object) -> Kernel:
    """One with the plugin, whose manifest stands in *folder*."""
    file = str(folder / "plugins.toml")
    config = {"audit": options}
    enabled = (InstanceRef("audit", "audit"),)
    return build_kernel(Manifest(enabled=enabled, kernel=KernelConfig(), config=config, file=file))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a key."""
    (tmp_path / "audit.key").write_text(SECRET.reveal())
    (tmp_path / "audit.key").chmod(0o600)
    return tmp_path


def command(folder: Path) -> click.Command:
    """``jackfield audit``."""
    [(_, found)] = [each for each in kernel_in(folder).commands() if each[0].name == "audit"]
    return found


def run(folder: Path, *arguments: str) -> Result:
    """It, until it ends."""
    return CliRunner().invoke(command(folder), arguments, prog_name="jackfield audit")


def test_sinks_are_made_by_the_options(folder: Path) -> None:
    """``jackfield_audit_sinks``: a file always, copies where they are asked for."""
    assert list(kernel_in(folder).audit_sinks()) == ["audit"]
    otlp = {"endpoint": "https://collector.example/v1/logs"}
    sinks = kernel_in(folder, syslog={"address": "unix:/dev/null"}, otlp=otlp).audit_sinks()
    assert list(sinks) == ["audit", "audit-syslog", "audit-otlp"]


def test_without_a_key_nothing_starts(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(ManifestError, match=r"config\.audit\.key: .*audit init"):
        kernel_in(tmp_path).audit_sinks()["audit"]()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"mode": "careless"}, "mode"),
        ({"redact": ["everything"]}, "redact"),
        ({"rotate_bytes": 1}, "rotate_bytes"),
        ({"folder": ""}, "folder"),
        ({"syslog": {"address": "here"}}, "address"),
        ({"otlp": {"endpoint": "ftp://x"}}, "endpoint"),
        ({"keys": "file:x"}, "keys"),
    ],
)
def test_options_that_cannot_be_used(folder: Path, options: dict[str, object], why: str) -> None:
    """Are refused by name."""
    with pytest.raises(ManifestError, match=why):
        kernel_in(folder, **options)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """And for its owner alone."""
    assert run(tmp_path, "init").exit_code == 0
    made = (tmp_path / "audit.key").read_text()
    assert len(made.strip()) == 64
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    again = run(tmp_path, "init")
    assert again.exit_code == 1
    assert "there already" in again.output
    assert (tmp_path / "audit.key").read_text() == made


@pytest.fixture
def book(folder: Path) -> Book:
    """A record beside the key."""
    book = Book(folder / "audit")
    texts = (AuditText(role="prompt", text="who are you?"),)
    denied = event(3, kind="authorization", outcome="denied", name="=eve", reason="night\x1b[2J", texts=texts)
    book.write(book.sink(), event(1, name="ann"), event(2, name="bob"), denied)
    return book


def test_verify_tells_scripts(folder: Path, book: Book) -> None:
    """Exit code 0 and facts; 1 and where, once somebody was there."""
    whole = run(folder, "verify", "--json")
    assert whole.exit_code == 0
    assert json.loads(whole.output)["whole"] is True
    assert run(folder, "verify", "--last", "5").exit_code == 0
    assert run(folder, "verify", "--last", "6").exit_code == 1
    book.rewrite([line.replace(b"bob", b"boB") for line in book.lines()])
    changed = run(folder, "verify", "--json")
    assert changed.exit_code == 1
    assert json.loads(changed.output)["problem"]["defect"] == "changed"


def test_verify_of_nothing_is_an_error(folder: Path) -> None:
    """Not a whole record."""
    result = run(folder, "--folder", str(folder / "nothing"), "verify")
    assert result.exit_code != 0
    assert "whole" not in result.output


def test_query_filters(folder: Path, book: Book) -> None:
    """By fields, by time, by what was said."""
    assert book.files
    assert [
        json.loads(line)["name"] for line in run(folder, "query", "--name", "ann", "--json").output.splitlines()
    ] == ["ann"]
    shown = run(folder, "query", "--outcome", "denied").output
    assert "night\\u001b[2J" in shown
    (folder / "prompt.txt").write_text("who are you?")
    assert "=eve" in run(folder, "query", "--text", str(folder / "prompt.txt")).output
    assert "no such records" in run(folder, "query", "--since", "1d", "--kind", "request").output
    assert run(folder, "query", "--since", "yesterday").exit_code == 2


def test_export_has_no_formulas(folder: Path, book: Book) -> None:
    """And nothing of a record that is not whole, unless that is asked for."""
    table = run(folder, "export", "--format", "csv").output
    assert table.splitlines()[0].startswith("seq,time,kind")
    assert ",'=eve," in table
    assert "night\\u001b[2J" in table, "nor anything that a terminal obeys"
    lines = run(folder, "export").output.encode()
    assert lines == b"".join(book.lines())
    book.rewrite(book.lines()[:-1])
    assert run(folder, "export").exit_code == 1
    assert run(folder, "export", "--unverified").exit_code == 0
