"""Steps: who is served before whom, and by how much."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from pytest_bdd import given, then, when

from jackfield.testing.client import Client, Reply
from jackfield.testing.command import run_command
from jackfield.testing.manifests import DEMO, DEMO_PLUGINS, scripted_manifest
from jackfield.testing.serve import ServeProcess
from jackfield.testing.steps.health import look, samples
from jackfield.testing.steps.words import Table, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import JsonValue, OpenStream, Stream
    from jackfield.testing.target import Target

URGENT_MAX: Final = 400
"""More urgent questions after which one that is still not answered counts as forgotten."""

ASKERS: Final = 4
"""Clients that keep asking."""

STEP_TOKENS: Final = 64
"""Tokens that the scripted model computes in a step."""


class Meanwhile(NamedTuple):
    """A request, and when it was under way."""

    reply: Reply
    began: float
    ended: float


class Sharing(NamedTuple):
    """A server, and a client for each of its keys."""

    service: ServeProcess
    clients: Mapping[str, Client]


def _options(name: str, table: Table) -> str:
    """The table of a plugin's options; its cells are TOML."""
    return "\n".join([f"[config.{name}]", *(f"{key} = {value}" for key, value in table or ())]) + "\n"


@given(words("a server that runs {slots:d} request at a time under the scheduler {name:Text}"), target_fixture="server")
@given(
    words("a server that runs {slots:d} request at a time under the scheduler {name:Text} with"),
    target_fixture="server",
)
@given(
    words("a server that runs {slots:d} requests at a time under the scheduler {name:Text}"), target_fixture="server"
)
def scheduled_server(servers: Callable[[str], Target], slots: int, name: str, datatable: Table = None) -> Target:
    """A scripted server; the table has the scheduler's options."""
    manifest = scripted_manifest({"scripted": f"max_sequences = {slots}"}, scheduler=name)
    return servers(manifest + _options(name, datatable))


@given(
    words("the demo model in deterministic mode, one request at a time, under the scheduler {name:Text}"),
    target_fixture="server",
)
def deterministic_server(servers: Callable[[str], Target], name: str) -> Target:
    """A server in this process whose answers depend on nothing but their requests."""
    pytest.importorskip("llama_cpp")
    plugins = [name if plugin == "fcfs" else plugin for plugin in DEMO_PLUGINS]
    manifest = DEMO.replace(json.dumps(DEMO_PLUGINS), json.dumps(plugins))
    return servers(f"{manifest}max_sequences = 1\n[config.llama-cpu]\ndeterministic = true\n")


@given(
    words("jackfield serve runs one request at a time under the scheduler {name:Text} with"), target_fixture="service"
)
def scheduled_service(serve: Callable[[str], ServeProcess], name: str, datatable: Table = None) -> ServeProcess:
    """All ready; the table has the scheduler's options."""
    service = serve(scripted_manifest({"scripted": "max_sequences = 1"}, scheduler=name) + _options(name, datatable))
    service.wait_ready()
    return service


@given("jackfield serve shares one slot by these weights of keys", target_fixture="sharing")
def keys_with_weights(serve: Callable[[str], ServeProcess], tmp_path: Path, datatable: list[list[str]]) -> Sharing:
    """One key for each row."""
    weights = ", ".join(f'"keys/{name}" = {weight}' for name, weight in datatable)
    manifest = scripted_manifest({"scripted": "max_sequences = 1"}, enabled=("keys",), scheduler="fair")
    manifest += f"[config.fair]\nweights = {{ {weights} }}\n"
    (tmp_path / "plugins.toml").write_text(manifest)
    keys = {name: run_command(f"keys create {name}", tmp_path).output.split()[-1] for name, _ in datatable}
    service = serve(manifest)
    service.wait_ready()
    url, model = service.target.url, service.target.client.model
    clients = {name: Client(url, model, {"Authorization": f"Bearer {key}"}) for name, key in keys.items()}
    return Sharing(service, clients)


@when("I stream the first of these, and then all others at once, with their priorities", target_fixture="several")
def open_with_priorities(server: Target, datatable: list[list[str]]) -> list[OpenStream]:
    """One stream for each row."""
    return server.run(_open_all(server.client, datatable))


async def _open_all(client: Client, rows: list[list[str]]) -> list[OpenStream]:
    (prompt, priority), *others = rows
    first = await client.open(prompt, priority=int(priority))
    await first.reached(1)
    # the headers of an answer that waits come with its first token
    opening = [client.open(prompt, priority=int(priority)) for prompt, priority in others]
    return [first, *await asyncio.gather(*opening)]


@when(words("each key asks {prompt:Text} {times:d} times at once"), target_fixture="winners")
def race(sharing: Sharing, prompt: str, times: int) -> list[str]:
    """Whose answers come, in the order in which they do."""
    return sharing.service.target.run(_race(sharing.clients, prompt, times))


async def _race(keys: Mapping[str, Client], prompt: str, times: int) -> list[str]:
    winners: list[str] = []

    async def ask(name: str) -> None:
        reply = await keys[name].ask(prompt)
        assert reply.status == HTTPStatus.OK, reply.summary
        winners.append(name)

    # what runs first runs alone: the others are all there when it ends
    blocker = asyncio.create_task(next(iter(keys.values())).ask("[repeat:200:x][delay:10]"))
    await asyncio.gather(*(ask(name) for _ in range(times) for name in keys))
    await blocker
    await asyncio.gather(*(client.close() for client in keys.values()))
    return winners


@when(words("a prompt of {tokens:d} tokens comes in"), target_fixture="meanwhile")
def long_prompt(server: Target, tokens: int) -> Meanwhile:
    """A question with a long text before it, and one token for an answer."""
    began = time.monotonic()
    reply = server.run(server.client.ask("[say:.]" + "x" * tokens))
    return Meanwhile(reply, began, time.monotonic())


@when(words("I ask {prompt:Text} with the priority {priority:d} in the middle of it"), target_fixture="reply")
def ask_in_the_middle(server: Target, opened: OpenStream, prompt: str, priority: int) -> Reply:
    """Some of the stream has come, and it is not at its end."""
    server.run(opened.reached(3))
    return server.run(server.client.ask(prompt, priority=priority, max_tokens=8))


@when(
    words("I ask {prompt:Text} with the priority {priority:d} while others keep asking {other:Text}"),
    target_fixture="outpaced",
)
def ask_behind(server: Target, prompt: str, priority: int, other: str) -> tuple[Reply, int]:
    """The answer, and how many of the others were answered while it waited."""
    return server.run(_ask_behind(server.client, prompt, priority, other))


async def _ask_behind(client: Client, prompt: str, priority: int, other: str) -> tuple[Reply, int]:
    answered = 0
    crowded, late = asyncio.Event(), asyncio.Event()

    async def keep_asking() -> None:
        nonlocal answered
        while not late.is_set() and answered < URGENT_MAX:
            reply = await client.ask(other)
            assert reply.status == HTTPStatus.OK, reply.summary
            answered += 1
            if answered >= ASKERS:
                crowded.set()

    others = [asyncio.create_task(keep_asking()) for _ in range(ASKERS)]
    # before that there may be nobody to wait for
    crowd = asyncio.create_task(crowded.wait())
    await asyncio.wait([crowd, *others], return_when=asyncio.FIRST_COMPLETED)
    crowd.cancel()
    earlier = answered
    reply = await client.ask(prompt, priority=priority)
    before = answered - earlier
    late.set()
    await asyncio.gather(*others)
    return reply, before


@when(words("{key:Text} in plugins.toml becomes {value:Text} and SIGHUP is sent"))
def change_option(service: ServeProcess, key: str, value: str) -> None:
    """And the supervisor has said what came of it."""
    file = service.folder / "plugins.toml"
    lines = [f"{key} = {value}" if line.startswith(f"{key} = ") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    service.signal(signal.SIGHUP)
    told = ('"reconfigured"', "stay as they were")
    service.wait("an answer to SIGHUP", lambda: any(text in service.announced for text in told))


@then(words("they end in the order {order:Text}"))
def in_that_order(streams: list[Stream], order: str) -> None:
    """Numbers of the rows."""
    assert all(stream.done for stream in streams), streams
    ended = sorted(range(len(streams)), key=lambda number: streams[number].arrivals[-1].at)
    assert [number + 1 for number in ended] == [int(number) for number in order.split(", ")]


@then(words("answer {number:d} is {text:Text} {times:d} times"))
def whole_answer(streams: list[Stream], number: int, text: str, times: int) -> None:
    """Nothing is missing and nothing came twice."""
    assert streams[number - 1].text == text * times


@then(words("of the first {count:d} answers {share:d} are for {name:Text}"))
def shared(winners: list[str], count: int, share: int, name: str) -> None:
    """One more or less: somebody is first."""
    assert abs(winners[:count].count(name) - share) <= 1, winners


@then(words("the answer went on in at least {steps:d} steps of that prompt"))
def went_on(stream: Stream, meanwhile: Meanwhile, steps: int) -> None:
    """Each byte is a token, and each step gives one."""
    assert meanwhile.reply.text == "."
    prompt_tokens = meanwhile.reply.completion.usage.prompt_tokens
    assert prompt_tokens > steps * STEP_TOKENS / 2
    texts = [
        choice.delta.content or ""
        for chunk, arrival in zip(stream.chunks, stream.arrivals, strict=False)
        if meanwhile.began <= arrival.at <= meanwhile.ended
        for choice in chunk.choices
    ]
    assert len("".join(texts)) >= steps


@then("some answer lost its slot on the way")
def preempted(server: Target) -> None:
    """As the metrics count it."""
    counted = samples(look(server, "/metrics"))
    assert sum(value for name, value in counted.items() if name.startswith("jackfield_engine_preemptions_total")) >= 1


@then("the streamed text is the one I remember")
def streamed_as_before(stream: Stream, earlier: Reply) -> None:
    """Letter for letter."""
    assert stream.done
    assert stream.text == earlier.text


@then(words("it is answered with {text:Text} before the others are done"))
def answered_in_time(outpaced: tuple[Reply, int], text: str) -> None:
    """It had to wait, but not for all of them."""
    reply, before = outpaced
    assert reply.status == HTTPStatus.OK, reply.summary
    assert reply.text == text
    assert 0 < before < URGENT_MAX


@then(words("the server says that the scheduler {name:Text} has new options"))
def says_reconfigured(service: ServeProcess, name: str) -> None:
    """On its standard output."""
    events: list[dict[str, JsonValue]] = [json.loads(line) for line in service.announced.splitlines()]
    assert any(event["event"] == "reconfigured" and event["plugin"] == name for event in events), events
