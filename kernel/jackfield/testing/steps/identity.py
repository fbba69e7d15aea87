"""Steps: keys with roles, who is throttled, and servers that share their keys."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.admin import ask
from jackfield.testing.steps.keys import create
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

ROLES: Final = """
[config.rbac.roles.reader]
scopes = ["models:read"]
models = ["*"]
[config.rbac.roles.writer]
scopes = ["generate"]
models = ["scripted"]
[config.rbac.roles.clerk]
scopes = ["keys:read", "keys:write", "embed"]
models = ["*"]
"""

GUESS: Final = "jf_nobody-ever-made-this-key"


@given("a server with keys, roles and administration", target_fixture="server")
def keyed_server(own_server: Callable[[str], Target], operator_key: str) -> Target:
    """There are the roles reader, writer and clerk, and the operator's key."""
    assert operator_key
    models = {"scripted": "", "other": ""}
    return own_server(scripted_manifest(models, enabled=("admin", "keys", "rbac")) + ROLES)


@given("a server with keys behind a proxy that it trusts", target_fixture="server")
def proxied_server(own_server: Callable[[str], Target], operator_key: str) -> Target:
    """All requests of this machine come through the proxy."""
    assert operator_key
    kernel = 'trusted_proxies = ["127.0.0.0/8"]'
    return own_server(scripted_manifest(kernel=kernel, enabled=("admin", "keys")))


@given("two servers with keys in one policy store", target_fixture="both_servers")
def sharing_servers(own_server: Callable[[str], Target], tmp_path: Path) -> tuple[Target, Target]:
    """And no key yet."""
    secret = tmp_path / "store.key"
    secret.touch(0o600)
    secret.write_text("00" * 32)
    manifest = scripted_manifest(enabled=("admin", "keys", "rbac", "store", "secrets"))
    return own_server(manifest), own_server(manifest)


@given(words("the operator's key in that store"), target_fixture="stored_operator_key")
def make_stored_operator(both_servers: tuple[Target, Target], tmp_path: Path) -> str:
    """Made on the command line; both servers know it."""
    key = create("boss --scope '*'", tmp_path)
    _await_answers(both_servers, HTTPStatus.OK, key)
    return key


@when(words("the operator makes the key {name:Text} with"), target_fixture="key")
def make_key_with(server: Target, name: str, operator_key: str, datatable: Table) -> str:
    """The table's rows say what it is for."""
    reply = ask(server, "POST /admin/v1/keys", operator_key, {"name": name, **fields(datatable)})
    assert reply.status == HTTPStatus.CREATED, reply.summary
    key: str = msgspec.json.decode(reply.body)["key"]
    return key


@when("the operator asks for what that key begins with", target_fixture="reply")
def ask_by_prefix(server: Target, key: str, operator_key: str) -> Reply:
    """The first eight characters."""
    return ask(server, f"GET /admin/v1/keys/{key[:8]}", operator_key)


@when(words("the operator makes the key {name:Text} on the first server"), target_fixture="key")
@when(words("the operator makes the key {name:Text} of the role {role:Text} on the first server"), target_fixture="key")
def make_shared_key(both_servers: tuple[Target, Target], name: str, stored_operator_key: str, role: str = "") -> str:
    """With what keys have if nothing is said, or with what a role brings."""
    body: JsonValue = {"name": name, "roles": [role]} if role else {"name": name}
    reply = ask(both_servers[0], "POST /admin/v1/keys", stored_operator_key, body)
    assert reply.status == HTTPStatus.CREATED, reply.summary
    key: str = msgspec.json.decode(reply.body)["key"]
    return key


@when(words("the operator lets the role {role:Text} have the scope {scope:Text}"))
def change_role(both_servers: tuple[Target, Target], stored_operator_key: str, role: str, scope: str) -> None:
    """On the first server."""
    what = f"PUT /admin/v1/policy/documents/role/{role}"
    reply = ask(both_servers[0], what, stored_operator_key, {"scopes": [scope]})
    assert reply.status < HTTPStatus.BAD_REQUEST, reply.summary


@when(words("the operator asks the first server {what:Text}"))
def ask_first(both_servers: tuple[Target, Target], what: str, stored_operator_key: str) -> None:
    """It does what it is asked."""
    reply = ask(both_servers[0], what, stored_operator_key)
    assert reply.status < HTTPStatus.BAD_REQUEST, reply.summary


@when(words("{times:d} guesses come from this address"), target_fixture="reply")
def guess(server: Target, times: int) -> Reply:
    """One after another; the last one's answer."""
    return [ask(server, "GET /v1/models", GUESS) for _ in range(times)][-1]


@when(words("{times:d} guesses come from {address:Text} through the proxy"), target_fixture="reply")
@when(words("{times:d} guess comes from {address:Text} through the proxy"), target_fixture="reply")
def guess_through_proxy(server: Target, times: int, address: str) -> Reply:
    """One after another; the last one's answer."""
    headers = {"Authorization": f"Bearer {GUESS}", "X-Forwarded-For": address}
    asked = [server.run(server.client.request("GET", "/v1/models", None, headers=headers)) for _ in range(times)]
    return asked[-1]


@when(words("that key is used {times:d} times"), target_fixture="reply")
def use_often(server: Target, times: int, key: str) -> Reply:
    """One after another; the last one's answer."""
    return [ask(server, "GET /v1/models", key) for _ in range(times)][-1]


@then(words("soon both servers answer {status:d} to that key"))
def both_answer(both_servers: tuple[Target, Target], status: int, key: str) -> None:
    """A change needs a quarter of a second to get around; a busy machine a little more."""
    _await_answers(both_servers, status, key)


@then("it says when to come back")
def says_when(reply: Reply) -> None:
    """In whole seconds."""
    assert int(reply.headers["Retry-After"]) >= 1


@then(words("the models that it sees are {names:Text}"))
def sees_models(server: Target, key: str, names: str) -> None:
    """Separated by commas."""
    reply = ask(server, "GET /v1/models", key)
    seen = [model["id"] for model in msgspec.json.decode(reply.body)["data"]]
    assert ", ".join(seen) == names


def _await_answers(servers: Iterable[Target], status: int, key: str) -> None:
    for each in servers:
        reply = ask(each, "GET /v1/models", key)
        for _ in range(600):
            if reply.status == status:
                break
            each.run(_moment())
            reply = ask(each, "GET /v1/models", key)
        assert reply.status == status, reply.summary


async def _moment() -> None:
    import asyncio

    await asyncio.sleep(0.05)
