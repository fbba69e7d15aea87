"""Steps: running a server over HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from pytest_bdd import given, then, when

from jackfield.testing.client import Client
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import create
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jackfield.testing.client import JsonValue, OpenStream, Reply
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

CONFIG: Final = "PATCH /admin/v1/config"


@pytest.fixture
def operator_key(tmp_path: Path) -> str:
    """That of whoever runs the server, who may do everything; made before it starts."""
    manifest = scripted_manifest(enabled=("admin", "keys"), scheduler="fair")
    (tmp_path / "plugins.toml").write_text(manifest)
    return create("boss --scope '*'", tmp_path)


@pytest.fixture
def keyed_client(server: Target, key: str) -> Iterator[Client]:
    """A client with the key of the scenario."""
    client = Client(server.url, server.client.model, {"Authorization": f"Bearer {key}"})
    yield client
    server.run(client.close())


@given("jackfield serve runs with a scripted model, keys and admin", target_fixture="service")
def administered(serve: Callable[[str], ServeProcess], tmp_path: Path, operator_key: str) -> ServeProcess:
    """All ready; there is one key, the operator's."""
    assert operator_key
    service = serve((tmp_path / "plugins.toml").read_text())
    service.wait_ready()
    return service


@given("jackfield serve runs with a scripted model and admin, but without keys", target_fixture="service")
def unadministered(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """All ready; nobody is asked who calls."""
    service = serve(scripted_manifest(enabled=("admin",)))
    service.wait_ready()
    return service


@given(words("an answer to {prompt:Text} is being streamed with that key"), target_fixture="opened")
def streamed_with_key(server: Target, keyed_client: Client, prompt: str) -> OpenStream:
    """An answer of which the first words have come."""
    opened = server.run(keyed_client.open(prompt))
    server.run(opened.reached(3))
    return opened


@when(words("anybody asks {what:Text}"), target_fixture="reply")
def ask_as_anybody(server: Target, what: str) -> Reply:
    """Without a key."""
    return ask(server, what, "")


@when(words("{what:Text} is asked with that key"), target_fixture="reply")
@when(words("{what:Text} is asked with that key and"), target_fixture="reply")
def ask_with_key(server: Target, what: str, key: str, datatable: Table = None) -> Reply:
    """Method and path; the table's rows are the body."""
    return ask(server, what, key, fields(datatable))


@when(words("the operator asks {what:Text}"), target_fixture="reply")
@when(words("the operator asks {what:Text} with"), target_fixture="reply")
def ask_as_operator(server: Target, what: str, operator_key: str, datatable: Table = None) -> Reply:
    """Method and path; the table's rows are the body."""
    return ask(server, what, operator_key, fields(datatable))


@when(words("the operator makes the key {name:Text}"), target_fixture="key")
def make_key(server: Target, name: str, operator_key: str) -> str:
    """For everything but administration."""
    reply = ask(server, "POST /admin/v1/keys", operator_key, {"name": name})
    assert reply.status == HTTPStatus.CREATED, reply.summary
    key: str = msgspec.json.decode(reply.body)["key"]
    return key


@when("the operator sets", target_fixture="reply")
def change_settings(server: Target, operator_key: str, datatable: Table) -> Reply:
    """Keys and values in JSON."""
    return ask(server, CONFIG, operator_key, {"settings": fields(datatable)})


@when("the operator tries out", target_fixture="reply")
def try_settings(server: Target, operator_key: str, datatable: Table) -> Reply:
    """Keys and values in JSON; nothing is changed."""
    return ask(server, f"{CONFIG}?dry_run=true", operator_key, {"settings": fields(datatable)})


@then("only the operator is answered")
def only_operator(server: Target, operator_key: str, key: str, datatable: list[list[str]]) -> None:
    """Each method and path; neither strangers nor holders of another key are."""
    for (what,) in datatable:
        stranger, other, operator = (ask(server, what, each) for each in ("", key, operator_key))
        assert (stranger.status, stranger.error.code) == (HTTPStatus.UNAUTHORIZED, "missing_api_key"), what
        assert (other.status, other.error.code) == (HTTPStatus.FORBIDDEN, "insufficient_scope"), what
        assert operator.status == HTTPStatus.OK, (what, operator.summary)


@then("these changes are refused by their key (setting, value, code)")
def changes_refused(server: Target, operator_key: str, datatable: list[list[str]]) -> None:
    """Each by itself."""
    for key, value, code in datatable:
        reply = ask(server, CONFIG, operator_key, {"settings": {key: msgspec.json.decode(value)}})
        assert (reply.status, reply.error.code, reply.error.param) == (HTTPStatus.BAD_REQUEST, code, key), reply.summary


@then(words("the setting {key:Text} is {value}, {origin:Text}"))
def setting_is(server: Target, operator_key: str, key: str, value: str, origin: str) -> None:
    """A value in JSON, and where it comes from."""
    reply = ask(server, "GET /admin/v1/config", operator_key)
    found = msgspec.json.decode(reply.body)["settings"][key]
    assert (found["value"], found["origin"]) == (msgspec.json.decode(value), origin)


@then(words("the reply mentions {text:Text}"))
def reply_mentions(reply: Reply, text: str) -> None:
    """An answer, not an error."""
    assert reply.status < HTTPStatus.BAD_REQUEST, reply.summary
    assert text in reply.body.decode()


@then(words("the reply does not mention {text:Text}"))
def reply_silent(reply: Reply, text: str) -> None:
    """Nowhere."""
    assert text not in reply.body.decode()


@then("the reply does not mention that key")
def reply_hides_key(reply: Reply, key: str) -> None:
    """Nowhere."""
    assert key not in reply.body.decode()


def ask(server: Target, what: str, key: str, body: JsonValue = None) -> Reply:
    """``METHOD PATH``, with *key* if there is one, and *body* if that says anything."""
    method, _, path = what.partition(" ")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return server.run(server.client.request(method, path, body or None, headers=headers))
