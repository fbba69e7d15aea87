"""Steps: API keys, and servers that want one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from pytest_bdd import given, then, when

from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

KEY_FILE = "keys.toml"


@pytest.fixture
def key() -> str:
    """The key of a scenario; a ``Given`` makes it."""
    raise AssertionError("no Given made a key")


@given("jackfield serve runs with a scripted model and keys", target_fixture="service")
def service_with_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    return serve_with_keys(serve, tmp_path, scripted_manifest(enabled=("keys",)))


@given(words("a key {name:Text}"), target_fixture="key")
def make_key(name: str, tmp_path: Path) -> str:
    """For everything but administration."""
    return create(name, tmp_path)


@given(words("a key {name:Text} with {options:Text}"), target_fixture="key")
def make_special_key(name: str, options: str, tmp_path: Path) -> str:
    """With these options of ``jackfield keys create``."""
    return create(f"{name} {options}", tmp_path)


@given("a copy of the key file")
def copy_key_file(tmp_path: Path) -> None:
    """As a backup would have it."""
    _replace(tmp_path / KEY_FILE, tmp_path / f"{KEY_FILE}.backup")


@when("the copy of the key file is put back")
def restore_key_file(tmp_path: Path) -> None:
    """In the place of the present one."""
    _replace(tmp_path / f"{KEY_FILE}.backup", tmp_path / KEY_FILE)


@when("others may read the key file")
def open_key_file(tmp_path: Path) -> None:
    """A mistake of somebody's ``chmod -R``."""
    (tmp_path / KEY_FILE).chmod(0o644)


@when("only its owner may read the key file")
def close_key_file(tmp_path: Path) -> None:
    """As it must be."""
    (tmp_path / KEY_FILE).chmod(0o600)


@when(words("I ask {prompt:Text} with that key"), target_fixture="reply")
@when(words("I ask {prompt:Text} with that key and"), target_fixture="reply")
def ask_with_key(server: Target, prompt: str, key: str, datatable: Table = None) -> Reply:
    """One question; the table's rows join the request."""
    return _ask(server, prompt, key, **fields(datatable))


@when(words("I ask {prompt:Text} with the key {text:Text}"), target_fixture="reply")
def ask_with_text(server: Target, prompt: str, text: str) -> Reply:
    """One question, with whatever for a key."""
    return _ask(server, prompt, text)


@then("its log does not mention that key")
def log_hides_key(service: ServeProcess, key: str) -> None:
    """No process of it has written it."""
    assert key not in service.log


@then(words("within {seconds:g} second that key is refused with {code:Text}"))
def key_refused(service: ServeProcess, key: str, seconds: float, code: str) -> None:
    """By then, and from then on."""

    def refused() -> bool:
        reply = _ask(service.target, "hello", key)
        return reply.status != HTTPStatus.OK and reply.error.code == code

    # the promise is a second from the change; answers on a busy machine take time of their own
    service.wait(f"refused with {code}", refused, deadline_s=seconds + 4)


@then("that key stays refused")
def key_stays_refused(service: ServeProcess, key: str) -> None:
    """Also once the server has seen the file that is there now."""

    def seen() -> bool:
        # who is refused again and again is asked to wait
        assert _ask(service.target, "hello", key).error.code in {"revoked_api_key", "too_many_failures"}
        return "lost revocations" in service.log

    service.wait("seeing the file", seen, deadline_s=5.0)


@then(words("within {seconds:g} second that key is good again"))
def key_good(service: ServeProcess, key: str, seconds: float) -> None:
    """It opens the door."""

    def good() -> bool:
        return _ask(service.target, "hello", key).status == HTTPStatus.OK

    service.wait("good again", good, deadline_s=seconds + 4)


def _ask(server: Target, prompt: str, key: str, **extra: JsonValue) -> Reply:
    body: JsonValue = {"model": server.client.model, "messages": [{"role": "user", "content": prompt}], **extra}
    headers = {"Authorization": f"Bearer {key}"}
    return server.run(server.client.request("POST", "/v1/chat/completions", body, headers=headers))


def serve_with_keys(serve: Callable[[str], ServeProcess], folder: Path, manifest: str) -> ServeProcess:
    """Run ``jackfield serve`` in *folder* with *manifest*, all ready; there is one key, which nobody uses."""
    (folder / "plugins.toml").write_text(manifest)
    create("operator", folder)
    service = serve(manifest)
    service.wait_ready()
    return service


def create(arguments: str, folder: Path) -> str:
    """Run ``jackfield keys create`` with *arguments*; return the key."""
    result = run_command(f"keys create {arguments}", folder)
    assert result.code == 0, result.output
    return result.output.split()[-1]


def _replace(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
    target.chmod(0o600)
