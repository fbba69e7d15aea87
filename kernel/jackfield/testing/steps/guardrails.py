"""Steps: servers whose guardrails are made for the scenario, and what is left of what they have masked."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from pytest_bdd import given, then, when
from structlog.testing import capture_logs

from jackfield.testing.manifests import scripted_manifest, tool_manifest
from jackfield.testing.steps.tools import told
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import OpenStream, Reply, Stream
    from jackfield.testing.target import Target

Body: TypeAlias = "dict[str, Any]"
"""A JSON object of OpenAI's."""

PLUGIN: Final = '''\
"""Guardrails that look for patterns, and one that breaks. What reaches the model is written to a file."""

import json
import re
from pathlib import Path

from jackfield import hookimpl
from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Verdict

RULES = json.loads({rules!r})
SEEN = Path({seen!r})


class Looking:
    def __init__(self, rule):
        self.pattern = re.compile(rule["find"])
        self.blocks = rule["do"] == "block"
        self.rule = rule
        stages = {{"input"}} if rule["do"] == "restore" else {{"input", "output"}}
        self.traits = GuardrailTraits(
            stages=frozenset(stages), masks=not self.blocks, longest=64, categories=(rule["do"],)
        )

    def concerns(self, subject):
        return True

    async def judge(self, subject, texts):
        numbers = {{}}
        return [self.look(text, numbers) for text in texts]

    def scan(self, subject, text):
        return self.look(text, {{}})

    def look(self, text, numbers):
        if self.rule["find"] == "BREAK":
            raise RuntimeError("no")
        found = [each for each in self.pattern.finditer(text.text) if each.start() >= text.begin]
        found = [each for each in found if text.complete or each.end() < len(text.text)]
        if not found:
            return Verdict()
        finding = Finding(category=self.rule["do"], code="pattern", action="block" if self.blocks else "mask")
        return Verdict(findings=(finding,), masks=() if self.blocks else tuple(self.masks(found, numbers)))

    def masks(self, found, numbers):
        for each in found:
            number = numbers.setdefault(each[0], len(numbers) + 1)
            there = self.rule["with"].replace("n]", f"{{number}}]")
            yield Mask(each.start(), each.end(), there, self.rule["do"] == "restore")

    async def close(self):
        pass


class Watching:
    traits = GuardrailTraits(stages=frozenset({{"input"}}), longest=1, moderation=False)

    def concerns(self, subject):
        return True

    async def judge(self, subject, texts):
        SEEN.write_text(json.dumps([text.text for text in texts]))
        return [Verdict() for _ in texts]

    async def close(self):
        pass


@hookimpl
def jackfield_guardrails(instance):
    made = {{rule["find"]: lambda asking, rule=rule: Looking(rule) for rule in RULES}}
    return {{**made, "watching": lambda asking: Watching()}}
'''
"""The watching one does not mask, so it is asked last: it sees what the model will."""


def _plugin(folder: Path, rules: list[dict[str, str]]) -> str:
    """The entry of ``enabled`` for guardrails that go by *rules*."""
    file = folder / "guards.py"
    file.write_text(PLUGIN.format(rules=json.dumps(rules), seen=str(folder / "seen.json")))
    return f"guards={file}"


def _rules(table: list[list[str]]) -> list[dict[str, str]]:
    names, *rows = table
    return [dict(zip(names, row, strict=True)) for row in rows]


def _with(manifest: str, entry: str) -> str:
    """*manifest* with one more plugin."""
    return manifest.replace("enabled = [", f"enabled = [{json.dumps(entry)}, ", 1)


@given("a server with a scripted model that calls tools, whose guardrails do this", target_fixture="server")
def guarded_tool_server(servers: Callable[[str], Target], tmp_path: Path, datatable: list[list[str]]) -> Target:
    """One guardrail for each row."""
    return servers(_with(tool_manifest(), _plugin(tmp_path, _rules(datatable))))


@given("a server that keeps answers, with a scripted model whose guardrails do this", target_fixture="server")
def guarded_keeping_server(servers: Callable[[str], Target], tmp_path: Path, datatable: list[list[str]]) -> Target:
    """Chats, responses and batches in a record store, and streams that can be taken up again."""
    manifest = scripted_manifest(enabled=("sqlite", _plugin(tmp_path, _rules(datatable))))
    return servers(
        manifest + f'\n[config.sqlite]\nfile = "{tmp_path / "records.db"}"\n[config.openai]\nresume_s = 60\n'
    )


@given("a server with a scripted model whose guardrail breaks", target_fixture="server")
def broken_guardrail_server(servers: Callable[[str], Target], tmp_path: Path) -> Target:
    """Whenever it is asked."""
    return servers(scripted_manifest(enabled=(_plugin(tmp_path, [{"find": "BREAK", "do": "block"}]),)))


@when(words("the model says {text:Text}"), target_fixture="reply")
def says(server: Target, text: str) -> Reply:
    """A whole answer."""
    return server.run(server.client.ask(told(text)))


@when(words("the model says {text:Text} and how likely it was"), target_fixture="reply")
def says_likely(server: Target, text: str) -> Reply:
    """The same with log probabilities."""
    return server.run(server.client.ask(told(text), logprobs=True))


@when(words("the model streams {text:Text}"), target_fixture="opened")
def streams(server: Target, text: str) -> OpenStream:
    """A streamed answer."""
    return server.run(server.client.open(told(text)))


@when(words("the model streams {text:Text} and thinks"), target_fixture="opened")
def streams_thoughts(server: Target, text: str) -> OpenStream:
    """Of a model that may think."""
    return server.run(server.client.open(told(text), enable_thinking=True))


@when(words("I have {one:Text} and {other:Text} moderated"), target_fixture="reply")
def moderated(server: Target, one: str, other: str) -> Reply:
    """Two texts at once."""
    return server.run(server.client.request("POST", "/v1/moderations", {"input": [one, other]}))


@when(words("I ask {text:Text} and watch the log"), target_fixture="log")
def ask_and_watch(server: Target, text: str) -> str:
    """What is logged meanwhile."""
    with capture_logs() as lines:
        reply = server.run(server.client.ask(text))
        assert reply.status == HTTPStatus.OK, reply.summary
    assert lines, "nothing is logged of a request"
    return json.dumps(lines, default=str)


@then(words("the refusal does not repeat {text:Text}"))
def not_repeated(reply: Reply, text: str) -> None:
    """Neither in words nor in headers."""
    assert text not in reply.body.decode()
    assert not any(text in value for value in reply.headers.values())


@then(words("the log probabilities are those of {text:Text}"))
def scores_of(reply: Reply, text: str) -> None:
    """Token by token."""
    [choice] = msgspec.json.decode(reply.body)["choices"]
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == text


@then("the first of them is flagged, and the other is not")
def first_flagged(reply: Reply) -> None:
    """With the category that was found."""
    first, other = msgspec.json.decode(reply.body)["results"]
    assert (first["flagged"], first["categories"]) == (True, {"block": True, "mask": False})
    assert (other["flagged"], other["categories"]) == (False, {"block": False, "mask": False})


@then(words("no more was streamed than {text:Text}"))
def no_more(stream: Stream, text: str) -> None:
    """Perhaps less: the end of it may have been held back."""
    assert text.startswith(stream.text)


@then(words("the model has seen {text:Text}"))
def model_saw(tmp_path: Path, text: str) -> None:
    """In its last prompt."""
    assert text in json.loads((tmp_path / "seen.json").read_text())


@then(words("what is stored of the chat says {shown:Text} and not {hidden:Text}"))
def stored_chat(server: Target, reply: Reply, shown: str, hidden: str) -> None:
    """The answer, and what was asked."""
    path = f"/v1/chat/completions/{reply.completion.id}"
    for each in (path, f"{path}/messages"):
        _says(json.dumps(_read(server, each)), shown, hidden)


@then(words("what is stored of the response says {shown:Text} and not {hidden:Text}"))
def stored_response(server: Target, response: Body, tmp_path: Path, shown: str, hidden: str) -> None:
    """What was asked, and all that is in the store's file."""
    _says(json.dumps(_read(server, f"/v1/responses/{response['id']}/input_items")), shown, hidden)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("records.db*")).decode(errors="replace")
    _says(kept, shown, hidden)


@then(words("its results say {shown:Text} and not {hidden:Text}"))
def batch_results(server: Target, batch: Body, shown: str, hidden: str) -> None:
    """The whole file."""
    reply = server.run(server.client.request("GET", f"/v1/files/{batch['output_file_id']}/content"))
    _says(reply.body.decode(), shown, hidden)


@then(words("it says {shown:Text} and not {hidden:Text}"))
def rest_says(rest: tuple[int, Reply], shown: str, hidden: str) -> None:
    """What came when it was taken up again."""
    _says(rest[1].body.decode(), shown, hidden)


@then(words("the log says neither {one:Text} nor {other:Text}"))
def log_says(log: str, one: str, other: str) -> None:
    """Nowhere."""
    assert one not in log
    assert other not in log


def _says(text: str, shown: str, hidden: str) -> None:
    assert shown in text
    assert hidden not in text


def _read(server: Target, path: str) -> Body:
    reply = server.run(server.client.request("GET", path))
    assert reply.status == HTTPStatus.OK, reply.summary
    made: Body = msgspec.json.decode(reply.body)
    return made
