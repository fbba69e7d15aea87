"""Steps: what the server remembers: responses, files, batches."""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import msgspec
from pytest_bdd import given, then, when

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import serve_with_keys
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

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


@given("jackfield serve runs with a scripted model, keys and a record store", target_fixture="service")
def storing_service_with_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    return serve_with_keys(serve, tmp_path, scripted_manifest(enabled=("keys", "sqlite")))


@when(words("I ask for a response to {text:Text} with that key"), target_fixture="response")
def respond_with_key(server: Target, text: str, key: str) -> Body:
    """It is the key's owner's."""
    body: JsonValue = {"model": server.client.model, "input": text}
    reply = _send(server, "POST", "/v1/responses", body, key)
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Body = msgspec.json.decode(reply.body)
    return made


@then("the response can be read with that key")
def readable(server: Target, response: Body, key: str) -> None:
    """By its owner."""
    assert _send(server, "GET", f"/v1/responses/{response['id']}", key=key).status == HTTPStatus.OK


@then("nothing can be read of the response with that key")
def hidden(server: Target, response: Body, key: str) -> None:
    """Not even that it is there; and nothing can be done to it."""
    path = f"/v1/responses/{response['id']}"
    for method, more in (("GET", ""), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", "")):
        assert _send(server, method, path + more, key=key).status == HTTPStatus.NOT_FOUND


@when(words("I stream a response to {text:Text}"), target_fixture="events")
def stream(server: Target, text: str) -> list[Body]:
    """To its end."""
    body: JsonValue = {"model": server.client.model, "input": text, "max_output_tokens": _TOKENS, "stream": True}
    reply = _send(server, "POST", "/v1/responses", body)
    assert reply.status == HTTPStatus.OK, reply.summary
    parser = SseParser()
    found = [msgspec.json.decode(item.data) for item in parser.feed(reply.body) if isinstance(item, SseEvent)]
    parser.close()
    return found


@then(words("its events are numbered from {kind:Text} on"))
def numbered(events: list[Body], kind: str) -> None:
    """Without a gap, and each item has one id in all of them."""
    assert events[0]["type"] == kind
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    named = {(event["output_index"], event["item_id"]) for event in events if "item_id" in event}
    begun = {(event["output_index"], event["item"]["id"]) for event in events if "item" in event}
    assert named == begun


@then("the last of its events has the whole response")
def whole(events: list[Body]) -> None:
    """What the pieces were of."""
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    response = events[-1]["response"]
    assert events[-1]["type"] == f"response.{response['status']}"
    assert "".join(part["text"] for item in response["output"] for part in item["content"]) == said


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
    return _hand_over(server, b"\n".join(map(msgspec.json.encode, lines)), "/v1/chat/completions")


@when(words("I hand over a batch that asks {text:Text}"), target_fixture="batch")
def hand_over_text(server: Target, text: str) -> Body:
    """One chat."""
    chat = {"model": server.client.model, "messages": [{"role": "user", "content": text}]}
    line = {"custom_id": "0", "method": "POST", "url": "/v1/chat/completions", "body": chat}
    return _hand_over(server, msgspec.json.encode(line), "/v1/chat/completions")


def _hand_over(server: Target, content: bytes, endpoint: str) -> Body:
    file = _upload(server, content)
    body: JsonValue = {"input_file_id": file["id"], "endpoint": endpoint, "completion_window": "24h"}
    reply = _send(server, "POST", "/v1/batches", body)
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Body = msgspec.json.decode(reply.body)
    return made


@when(words("I hand over a batch of {count:d} responses"), target_fixture="batch")
def hand_over_responses(server: Target, count: int) -> Body:
    """A file with one response a line."""
    asked = {"model": server.client.model, "input": "abcd", "max_output_tokens": _TOKENS}
    line = {"method": "POST", "url": "/v1/responses", "body": asked}
    lines = [{**line, "custom_id": str(number)} for number in range(count)]
    return _hand_over(server, b"\n".join(map(msgspec.json.encode, lines)), "/v1/responses")


@when(words("I hand over a batch with the line {text:Text}"), target_fixture="batch")
def hand_over_line(server: Target, text: str) -> Body:
    """A file as it was written by mistake."""
    return _hand_over(server, text.encode(), "/v1/responses")


@then("the batch is failed", target_fixture="batch")
def failed(server: Target, batch: Body) -> Body:
    """Before anything was computed."""
    done = _batch(server, batch, lambda seen: seen["status"] in {"completed", "failed", "expired", "cancelled"})
    assert (done["status"], done["request_counts"]["completed"]) == ("failed", 0), done
    return done


@then(words("it says {code:Text} of line {number:d}"))
def says(batch: Body, code: str, number: int) -> None:
    """So that the line can be mended."""
    assert (code, number) in {(problem["code"], problem["line"]) for problem in batch["errors"]["data"]}


@then(words("each of its {count:d} lines has a response that can be read"))
def stored(server: Target, batch: Body, count: int) -> None:
    """Stored like any other."""
    reply = _send(server, "GET", f"/v1/files/{batch['output_file_id']}/content")
    output = [msgspec.json.decode(line)["response"]["body"] for line in reply.body.splitlines()]
    assert len(output) == count
    assert all(_read(server, f"/v1/responses/{response['id']}") == response for response in output)


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


def _send(server: Target, method: str, path: str, body: JsonValue = None, key: str = "") -> Reply:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return server.run(server.client.request(method, path, body, headers=headers))


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
