"""Steps: what the server remembers: responses, files, batches."""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

Body: TypeAlias = "dict[str, Any]"
"""A JSON object of OpenAI's."""

DEADLINE_S: Final = 120.0
"""Until a batch has ended: what a killed gateway held is free after a quarter of a minute."""

POLL_S: Final = 0.05

_BOUNDARY: Final = "fourscore"
_TOKENS: Final = 8


@given("jackfield serve runs with a scripted model and a record store", target_fixture="service")
def storing_service(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """One whose records outlive its gateway; each answer takes a while."""
    service = serve(scripted_manifest(enabled=("sqlite",)) + '\n[config.sqlite]\nfile = "records.db"\n')
    service.wait_ready()
    return service


@when(words("I ask for a response to {text:Text}"), target_fixture="response")
@when(words("I ask for a response to {text:Text} with"), target_fixture="response")
def respond(server: Target, text: str, datatable: Table = None) -> Body:
    """The table's rows join the request."""
    return _respond(server, text, fields(datatable))


@when(words("I go on with {text:Text}"), target_fixture="second")
def go_on(server: Target, response: Body, text: str) -> Body:
    """What was said before is not sent again."""
    return _respond(server, text, {"previous_response_id": response["id"]})


@when("I delete the response")
def delete(server: Target, response: Body) -> None:
    """For good."""
    assert _send(server, "DELETE", f"/v1/responses/{response['id']}").status == HTTPStatus.OK


@then("the second response follows the first one")
def follows(response: Body, second: Body) -> None:
    """And says so."""
    assert second["previous_response_id"] == response["id"]


@then("the second prompt is longer than the first one")
def longer(response: Body, second: Body) -> None:
    """It has the first one in it, and its answer."""
    assert second["usage"]["input_tokens"] > response["usage"]["input_tokens"]


@then("the response can be read again, as it was")
def read_again(server: Target, response: Body) -> None:
    """To the last field."""
    assert _read(server, f"/v1/responses/{response['id']}") == response


@then("what was asked can be listed")
def listed(server: Target, response: Body) -> None:
    """One message."""
    items = _read(server, f"/v1/responses/{response['id']}/input_items")["data"]
    assert [item["role"] for item in items] == ["user"]


@then("nothing can be read of the response")
def gone(server: Target, response: Body) -> None:
    """As if it had never been."""
    assert _send(server, "GET", f"/v1/responses/{response['id']}").status == HTTPStatus.NOT_FOUND


@then("the conversation cannot be continued")
def not_continued(server: Target, response: Body) -> None:
    """And the refusal names the field."""
    body: JsonValue = {"model": server.client.model, "input": "hi", "previous_response_id": response["id"]}
    reply = _send(server, "POST", "/v1/responses", body)
    assert (reply.status, reply.error.param) == (HTTPStatus.BAD_REQUEST, "previous_response_id")


@then("the response is there in the end")
def there(server: Target, response: Body) -> None:
    """Although nobody waited."""
    assert response["status"] == "queued"
    path = f"/v1/responses/{response['id']}"
    done = _until(lambda: _read(server, path), lambda seen: seen["status"] not in {"queued", "in_progress"})
    assert done["status"] in {"completed", "incomplete"}
    assert done["output"]


@when(words("I hand over a batch of {count:d} chats"), target_fixture="batch")
def hand_over(server: Target, count: int) -> Body:
    """A file with one chat a line."""
    delay = "" if server.live or "llama-cpu" in server.plugins else "[delay:100]"
    line = {"method": "POST", "url": "/v1/chat/completions"}
    chat = {"model": server.client.model, "max_tokens": _TOKENS}
    lines = [
        {**line, "custom_id": str(number), "body": {**chat, "messages": [{"role": "user", "content": f"{delay}abcd"}]}}
        for number in range(count)
    ]
    file = _upload(server, b"\n".join(map(msgspec.json.encode, lines)))
    body: JsonValue = {
        "input_file_id": file["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    reply = _send(server, "POST", "/v1/batches", body)
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Body = msgspec.json.decode(reply.body)
    return made


@when("some lines of the batch are finished")
def some_finished(server: Target, batch: Body) -> None:
    """And others are not."""
    seen = _batch(server, batch, lambda seen: bool(seen["request_counts"]["completed"]))
    assert seen["status"] == "in_progress", "it was over before anything could happen to it"


@then("the batch is completed", target_fixture="batch")
def completed(server: Target, batch: Body) -> Body:
    """Whatever happened meanwhile."""
    done = _batch(server, batch, lambda seen: seen["status"] in {"completed", "failed", "expired", "cancelled"})
    assert done["status"] == "completed", done
    return done


@then(words("each of its {count:d} lines has an answer"))
def answers(server: Target, batch: Body, count: int) -> None:
    """Once, in order."""
    assert batch["request_counts"] == {"total": count, "completed": count, "failed": 0}
    reply = _send(server, "GET", f"/v1/files/{batch['output_file_id']}/content")
    output = [msgspec.json.decode(line) for line in reply.body.splitlines()]
    assert [line["custom_id"] for line in output] == [str(number) for number in range(count)]
    assert all(line["response"]["body"]["choices"][0]["message"]["content"] for line in output)


def _respond(server: Target, text: str, more: Mapping[str, JsonValue]) -> Body:
    body: JsonValue = {"model": server.client.model, "input": text, "max_output_tokens": _TOKENS, **more}
    reply = _send(server, "POST", "/v1/responses", body)
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Body = msgspec.json.decode(reply.body)
    return made


def _upload(server: Target, content: bytes) -> Body:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="'
    form = f'{head}purpose"\r\n\r\nbatch\r\n{head}file"; filename="lines.jsonl"\r\n\r\n'.encode()
    body = form + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    reply = server.run(server.client.request("POST", "/v1/files", body, headers=headers))
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Body = msgspec.json.decode(reply.body)
    return made


def _send(server: Target, method: str, path: str, body: JsonValue = None) -> Reply:
    return server.run(server.client.request(method, path, body))


def _read(server: Target, path: str) -> Body:
    reply = _send(server, "GET", path)
    assert reply.status == HTTPStatus.OK, reply.summary
    found: Body = msgspec.json.decode(reply.body)
    return found


def _batch(server: Target, batch: Body, reached: Callable[[Body], bool]) -> Body:
    def look() -> Body:
        # while the gateway is being replaced nobody answers
        with suppress(aiohttp.ClientError):
            return _read(server, f"/v1/batches/{batch['id']}")
        return batch

    return _until(look, reached)


def _until(look: Callable[[], Body], reached: Callable[[Body], bool]) -> Body:
    deadline = time.monotonic() + DEADLINE_S
    while not reached(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(POLL_S)
    return seen
