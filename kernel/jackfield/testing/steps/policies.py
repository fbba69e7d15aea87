"""Steps: servers with policies, and those who call them."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

import msgspec
import pytest
from pytest_bdd import given, then, when

from jackfield.testing import scripted_house
from jackfield.testing.client import Client
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

Event: TypeAlias = "dict[str, Any]"
"""A line of the house's record."""

RECORD: Final = "record.jsonl"

PATIENCE_S: Final = 40.0
"""Until a change holds; a quarter of a second on an idle machine."""


class House:
    """A server with policies in Cedar, and with what a scenario says besides. Made before it is started.

    Attributes:
        options: Of the plugin ``house``.
        models: As for ``scripted_manifest``.
        stored: Whether there is a policy store, whose documents may replace the policies.
    """

    def __init__(self, folder: Path, loop: BackgroundLoop) -> None:
        self.folder = folder
        self.options: dict[str, object] = {"record": RECORD}
        self.models: dict[str, str] | None = None
        self.stored = False
        self._loop = loop
        self._server: InProcessServer | None = None
        self._clients: list[Client] = []

    def start(self, policies: str) -> Target:
        """The server, with *policies*; nobody has said who they are yet."""
        self.write(policies)
        enabled = (f"house={Path(scripted_house.__file__)}", "cedar", "sqlite", *(("admin", "store") * self.stored))
        options = "\n".join(f"{name} = {json.dumps(value)}" for name, value in self.options.items())
        cedar = f'policies = "rules"\nstore = {json.dumps(self.stored)}'
        tables = f"[config.cedar]\n{cedar}\n[config.house]\n{options}\n"
        if self.stored:
            secret = self.folder / "store.key"
            secret.write_text(secrets.token_hex(32))
            secret.chmod(0o600)
        self._server = InProcessServer(
            scripted_manifest(self.models, enabled=enabled) + tables, self.folder, self._loop
        )
        return self._server.target

    def write(self, policies: str) -> None:
        """Put *policies* in the place of those before."""
        (self.folder / "rules").mkdir(exist_ok=True)
        (self.folder / "rules" / "house.cedar").write_text(policies)

    def as_caller(self, token: str, model: str = "") -> Target:
        """The server as somebody asks it."""
        if self._server is None:
            raise AssertionError("no Given started the server")
        target = self._server.target
        client = Client(
            target.url, model or target.client.model, {"Authorization": f"Bearer {quote(token, safe=':@')}"}
        )
        self._clients.append(client)
        return replace(target, client=client)

    def record(self) -> list[Event]:
        """What was recorded."""
        return [msgspec.json.decode(line) for line in (self.folder / RECORD).read_bytes().splitlines()]

    def close(self) -> None:
        """End all of it."""
        for client in self._clients:
            self._loop.run(client.close())
        if self._server is not None:
            self._server.close()


@pytest.fixture
def house(tmp_path: Path, background: BackgroundLoop) -> Iterator[House]:
    """The server of a scenario with policies."""
    made = House(tmp_path, background)
    yield made
    made.close()


@given(words("a second policy engine that {does:Text}"))
def second_engine(house: House, does: str) -> None:
    """Beside the one with the policies."""
    house.options["engine"] = does


@given(words("a second policy engine that allows {count:d} tokens"))
def second_engine_allows(house: House, count: int) -> None:
    """And so obliges."""
    house.options |= {"engine": "allows", "max_tokens": count}


@given("a policy store")
def stored(house: House) -> None:
    """Its documents replace the policies as soon as there are some."""
    house.stored = True


@given("a guardrail that flags passwords and masks cards")
def flagging(house: House) -> None:
    """By those two words."""
    house.options["guardrail"] = True


@given(
    words(
        "the models {first:Text} with the tag {tag:Text} and {second:Text} with the tag {other:Text}, both {alias:Text}"
    )
)
def two_models(house: House, first: str, tag: str, second: str, other: str, alias: str) -> None:
    """They share the alias."""
    named = {first: tag, second: other}
    house.models = {model: f'aliases = ["{alias}"]\ntags = ["{own}"]' for model, own in named.items()}


@given("a server with these policies", target_fixture="server")
def policed(house: House, docstring: str) -> Target:
    """In Cedar; nobody has said who they are yet."""
    return house.start(docstring)


@given(words("working hours that {are:Text}, and a server with them"), target_fixture="server")
def working_hours(house: House, are: str) -> Target:
    """Of the server's own clock: two hours that are now, or far from it."""
    begin = (time.localtime().tm_hour + {"are now": 0, "are over": 8}[are]) % 24
    hours = f"context.time.hour == {begin} || context.time.hour == {(begin + 1) % 24}"
    return house.start(
        'permit (principal, action, resource);\n@reason("come back in working hours")\n'
        f"forbid (principal, action, resource) unless {{ {hours} }};"
    )


@given(words("I am {who:Text}"), target_fixture="server")
@when(words("I am {who:Text}"), target_fixture="server")
def caller(house: House, who: str) -> Target:
    """``NAME:ROLE@TENANT``."""
    return house.as_caller(who)


@given(words("I am {who:Text} and ask the model {model:Text}"), target_fixture="server")
@when(words("I am {who:Text} and ask the model {model:Text}"), target_fixture="server")
def caller_of(house: House, who: str, model: str) -> Target:
    """The same, with a model or an alias."""
    return house.as_caller(who, model)


@when("the house's policies become")
def changed(house: House, docstring: str) -> None:
    """As an editor writes them."""
    house.write(docstring)


@when(words("I write the document {name:Text} with these policies"), target_fixture="reply")
def write_document(server: Target, name: str, docstring: str) -> Reply:
    """Into the policy store."""
    path, body = f"/admin/v1/policy/documents/cedar/{name}", {"policies": docstring}
    return server.run(server.client.request("PUT", path, msgspec.json.encode(body)))


@then("the document is written")
def written(reply: Reply) -> None:
    """And in force."""
    assert reply.status in {HTTPStatus.OK, HTTPStatus.CREATED}, reply.summary


@when(words("I fetch {path:Text}"), target_fixture="reply")
def fetch(server: Target, path: str) -> Reply:
    """Whatever is there."""
    return server.run(server.client.request("GET", path))


@then(words("before long {prompt:Text} is refused with {status:d} {code:Text}"))
def soon_refused(server: Target, prompt: str, status: int, code: str) -> None:
    """Once the change was seen."""
    _soon(server, prompt, lambda reply: reply.status == status and reply.error.code == code)


@then(words("before long {prompt:Text} is answered"))
def soon_answered(server: Target, prompt: str) -> None:
    """Once the change was seen."""
    _soon(server, prompt, lambda reply: reply.status == HTTPStatus.OK)


def _soon(server: Target, prompt: str, reached: Callable[[Reply], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached(reply := server.run(server.client.ask(prompt))):
        assert time.monotonic() < deadline, reply.summary
        time.sleep(0.05)


@then(words("before long the server says that {plugin:Text} is in trouble with {text:Text}"))
def in_trouble(server: Target, plugin: str, text: str) -> None:
    """On the page for those who look after it."""

    def troubled(_: Reply) -> bool:
        page = msgspec.json.decode(server.run(server.probe.request("GET", "/readyz")).body)
        return any(text in sentence for sentence in page["troubles"].get(plugin, ()))

    _soon(server, "hello", troubled)


@then(words("the error says {text:Text}"))
def error_says(reply: Reply, text: str) -> None:
    """To the caller."""
    assert text in reply.error.message


@then(words("the record has a decision {outcome:Text} about {resource:Text}"), target_fixture="decision")
def decision_recorded(house: House, outcome: str, resource: str) -> Event:
    """The last one of that kind."""
    found = [
        event
        for event in house.record()
        if (event["kind"], event["outcome"], event["resource"]) == ("authorization", outcome, resource)
    ]
    assert found, house.record()
    return found[-1]


@then("it is the decision that the answer names")
def decision_named(reply: Reply, decision: Event) -> None:
    """In its header; and in its message where it is an error."""
    assert reply.headers["x-jackfield-decision"] == decision["decision_id"]
    if reply.status != HTTPStatus.OK:
        assert decision["decision_id"] in reply.error.message


@then(words("the house's record does not mention {text:Text}"))
def not_recorded(house: House, text: str) -> None:
    """In no line."""
    assert text not in (house.folder / RECORD).read_text()


@then(words("the answer came from {model:Text}"))
def answered_by(house: House, model: str) -> None:
    """As the record says of the last request."""
    requests = [event for event in house.record() if event["kind"] == "request"]
    assert requests[-1]["resource"] == model


@then(words("all {count:d} lines of the batch are refused with {code:Text}"))
def lines_refused(server: Target, batch: Event, count: int, code: str) -> None:
    """Each by itself; the batch is done."""
    assert batch["request_counts"] == {"total": count, "completed": 0, "failed": count}
    reply = server.run(server.client.request("GET", f"/v1/files/{batch['error_file_id']}/content"))
    lines = [msgspec.json.decode(line) for line in reply.body.splitlines()]
    assert [line["response"]["body"]["error"]["code"] for line in lines] == [code] * count


@then(words("the batch says {text:Text} where it says why"))
def batch_says(server: Target, batch: Event, text: str) -> None:
    """In the file with errors."""
    reply = server.run(server.client.request("GET", f"/v1/files/{batch['error_file_id']}/content"))
    assert text in reply.body.decode()


@when(words("I ask for a response to {text:Text} that nobody waits for"), target_fixture="response")
def respond(server: Target, text: str) -> Event:
    """It is taken over at once."""
    asked: JsonValue = {"model": server.client.model, "input": text, "background": True}
    reply = server.run(server.client.request("POST", "/v1/responses", asked))
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Event = msgspec.json.decode(reply.body)
    return made


@then(words("it fails with {code:Text}"))
def response_failed(server: Target, response: Event, code: str) -> None:
    """As can be read later."""
    deadline = time.monotonic() + PATIENCE_S
    seen = response
    while seen["status"] in {"queued", "in_progress"}:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
        seen = msgspec.json.decode(server.run(server.client.request("GET", f"/v1/responses/{response['id']}")).body)
    assert (seen["status"], seen["error"]["code"]) == ("failed", code)
