"""Steps: streams that are taken up again."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import serve_with_keys
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

STREAM_HEADER: Final = "x-jackfield-stream"
_OPTION: Final = "\n[config.openai]\nresume_s = 60\n"


@given("a server with a scripted model whose streams can be taken up again", target_fixture="server")
def resumable_server(servers: Callable[[str], Target]) -> Target:
    """For a minute."""
    return servers(scripted_manifest() + _OPTION)


@given("jackfield serve runs with keys and streams that can be taken up again", target_fixture="service")
def resumable_service(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """For a minute, by the key that asked."""
    return serve_with_keys(serve, tmp_path, scripted_manifest(enabled=("keys",)) + _OPTION)


@when(words("I stream {prompt:Text} and keep where it is"), target_fixture="reply")
def stream_whole(server: Target, prompt: str) -> Reply:
    """All of the events as they were sent."""
    return server.run(server.client.ask(prompt, stream=True))


@when(words("I stream {prompt:Text} with that key and keep where it is"), target_fixture="kept")
def stream_with_key(server: Target, prompt: str, key: str) -> str:
    """The path; the stream was read to its end."""
    body: JsonValue = {"model": server.client.model, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    reply = server.run(server.client.request("POST", "/v1/chat/completions", body, headers=_bearer(key)))
    assert reply.body.endswith(b"[DONE]\n\n"), reply.summary
    return reply.headers[STREAM_HEADER]


@when(words("I stream {prompt:Text} and lose the connection after event {number:d}"), target_fixture="kept")
def stream_and_lose(server: Target, prompt: str, number: int) -> str:
    """The path; the answer is still being made."""

    async def lose() -> str:
        opened = await server.client.open(prompt)
        await opened.reached(number)
        await opened.hang_up()
        return opened.headers[STREAM_HEADER]

    return server.run(lose())


@when(words("I take it up again after its event {number:d}"), target_fixture="rest")
def take_up(server: Target, reply: Reply, number: int) -> tuple[int, Reply]:
    """As browsers do."""
    return number, server.run(_take_up(server, reply.headers[STREAM_HEADER], {"Last-Event-ID": str(number)}))


@when(words("two clients take it up again after its event {number:d}"), target_fixture="rests")
def two_take_up(server: Target, kept: str, number: int) -> tuple[int, list[Reply]]:
    """At the same time."""

    async def both() -> list[Reply]:
        return await asyncio.gather(*(_take_up(server, kept, {"Last-Event-ID": str(number)}) for _ in range(2)))

    return number, server.run(both())


@when("I take it up again with that key", target_fixture="reply")
def take_up_with_key(server: Target, kept: str, key: str) -> Reply:
    """From its begin."""
    return server.run(_take_up(server, kept, _bearer(key)))


@when("I cancel that stream")
def cancel_stream(server: Target, reply: Reply) -> None:
    """Once."""
    cancelled = server.run(server.client.request("DELETE", reply.headers[STREAM_HEADER]))
    assert cancelled.status == HTTPStatus.OK, cancelled.summary


@then("the rest is the same, event for event")
def same_rest(reply: Reply, rest: tuple[int, Reply]) -> None:
    """Byte for byte."""
    number, again = rest
    events = reply.body.split(b"\n\n")
    assert again.body == b"\n\n".join(events[number:])
    assert again.body.endswith(b"data: [DONE]\n\n")


@then("both get the same rest, to its end")
def same_rests(rests: tuple[int, list[Reply]]) -> None:
    """No event is missing, and none comes twice."""
    number, (one, other) = rests
    assert one.body == other.body
    assert one.body.endswith(b"data: [DONE]\n\n")
    ids = [int(each) for each in re.findall(rb"^id: (\d+)$", one.body, re.MULTILINE)]
    assert ids == list(range(number + 1, number + 1 + len(ids)))


@then("it is read from its begin to its end")
def read_whole(reply: Reply) -> None:
    """By whoever asked for it."""
    assert reply.body.startswith(b"id: 1\n"), reply.summary
    assert reply.body.endswith(b"data: [DONE]\n\n")


@then("it is not found any more")
def stream_gone(server: Target, reply: Reply) -> None:
    """As if it had never been."""
    assert server.run(_take_up(server, reply.headers[STREAM_HEADER], {})).status == HTTPStatus.NOT_FOUND


async def _take_up(server: Target, path: str, headers: dict[str, str]) -> Reply:
    return await server.client.request("GET", path, headers=headers)


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
