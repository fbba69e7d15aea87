"""Requests of every kind, above all of those that go wrong, with a secret in every place."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import aiohttp
from tests.kernel.planted import IN_COOKIE, IN_QUERY, PATTERN, PROMPT, SALT, STRANGE
from tests.kernel.policy_provocations import provoke_policies

if TYPE_CHECKING:
    from tests.kernel.planted import Planted

    from jackfield.testing.client import JsonValue, Reply

    Body = dict[str, JsonValue]

CHAT: Final = "/v1/chat/completions"
ASKED: Final[list[JsonValue]] = [{"role": "user", "content": PROMPT}]
QUESTION: Final[Body] = {"model": "scripted", "messages": ASKED}
FAILING: Final[list[JsonValue]] = [{"role": "user", "content": PROMPT + "[fail:3]"}]
DEADLINE_S: Final = 60.0

BOUNDARY: Final = "fourscore"


def provoke(planted: Planted) -> None:
    """All of them; one worker is killed in the end."""
    provoke_policies(planted)
    chats(planted)
    shapes(planted)
    tools(planted)
    others(planted)
    stored(planted)
    slots(planted)
    operators(planted)
    strangers(planted)
    crash = {**QUESTION, "messages": [{"role": "user", "content": PROMPT + "[crash:2]"}]}
    with suppress(aiohttp.ClientError):
        planted.send(CHAT, crash)
    planted.process.wait_ready()
    planted.send(CHAT, {**QUESTION, "cache_salt": SALT})


def chats(planted: Planted) -> None:
    """With good and bad keys, in every header."""
    good, revoked, limited = (planted.keys[name] for name in ("good", "revoked", "limited"))
    bodies = [
        json.dumps(QUESTION).encode(),
        json.dumps({**QUESTION, "temperature": PROMPT}).encode(),
        json.dumps({**QUESTION, "messages": PROMPT}).encode(),
        json.dumps({**QUESTION, "messages": FAILING}).encode(),
        json.dumps({**QUESTION, "stop": [PROMPT] * 100}).encode(),
        json.dumps(QUESTION).encode()[:-9],
        f"{PROMPT}".encode(),
    ]
    for key in (good, revoked, limited, STRANGE, good[:-1]):
        for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}, {"Authorization": f"Basic {key}"}):
            for body in bodies:
                planted.ask("POST", CHAT, headers, body)
    planted.ask("GET", "/v1/models", {"Authorization": f"Bearer {good}", "x-api-key": revoked})


def shapes(planted: Planted) -> None:
    """Salts, schemas, patterns and grammars that cannot be used."""
    fields: list[Body] = [
        {"cache_salt": SALT},
        {"cache_salt": SALT, "priority": -1},
        {"cache_salt": [SALT]},
        {"cache_salt": SALT * 99},
        {"json_schema": {"enum": [PROMPT], "not": {"const": PROMPT}}},
        {"json_schema": PROMPT},
        {"response_format": {"type": "json_object", "schema": PROMPT}},
        {"guided_choice": [PROMPT, ""]},
        {"regex": PATTERN + "("},
        {"guided_grammar": f"start: /{PATTERN}/ nobody"},
        {"grammar": f'root ::= "{PATTERN}" nobody'},
    ]
    for each in fields:
        planted.send(CHAT, {**QUESTION, **each})


def tools(planted: Planted) -> None:
    """Calls, earlier calls and their results, thoughts: good ones, and some that cannot be read."""
    function: Body = {"name": "look", "description": PROMPT, "parameters": {"type": "object", "properties": {}}}
    tool: JsonValue = {"type": "function", "function": function}
    called: Body = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": PROMPT}}
    told: list[JsonValue] = [
        *ASKED,
        {"role": "assistant", "content": PROMPT, "reasoning_content": PROMPT, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": PROMPT},
    ]
    broken: JsonValue = [{"role": "user", "content": f'[say:<tool_call>{{"name": "look", "arguments": {PROMPT}]'}]
    for fields in (
        {"tools": [tool], "messages": told},
        {"tools": [tool], "messages": broken},
        {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": "look"}}},
        {"tools": [{"type": "function", "function": {**function, "parameters": PROMPT}}]},
        {"tools": [{"type": "function", "function": {**function, "strict": True, "parameters": {"not": PROMPT}}}]},
        {"tools": PROMPT},
        {"tools": [tool], "tool_choice": PROMPT},
        {"reasoning_effort": PROMPT},
        {"chat_template_kwargs": PROMPT},
        {"user": STRANGE, "metadata": {"note": PROMPT}, "prompt_cache_key": SALT},
    ):
        planted.send(CHAT, {**QUESTION, **fields})
        planted.send(CHAT, {**QUESTION, **fields, "stream": True})


def others(planted: Planted) -> None:
    """The same of other APIs, each with its own errors."""
    message: Body = {**QUESTION, "max_tokens": 8}
    for path, good, wrong in (
        ("/v1/messages", message, {"system": [PROMPT], "tools": PROMPT, "tool_choice": PROMPT, "max_tokens": PROMPT}),
        ("/v1/messages/count_tokens", QUESTION, {"system": [PROMPT], "thinking": PROMPT}),
        ("/api/chat", {**QUESTION, "stream": False}, {"format": PROMPT, "options": {"seed": PROMPT}, "think": PROMPT}),
        (
            "/api/generate",
            {"model": "scripted", "prompt": PROMPT, "stream": False},
            {"images": [PROMPT], "raw": PROMPT},
        ),
        ("/api/embed", {"model": "scripted", "input": PROMPT}, {"dimensions": PROMPT}),
        (
            "/completion",
            {"prompt": PROMPT, "n_predict": 8},
            {"json_schema": PROMPT, "samplers": [PROMPT], "seed": PROMPT},
        ),
        ("/infill", {"input_prefix": PROMPT, "input_suffix": PROMPT}, {"input_extra": PROMPT}),
        ("/tokenize", {"content": PROMPT}, {"add_special": PROMPT}),
        ("/detokenize", {"tokens": [104, 105]}, {"tokens": [PROMPT]}),
        ("/apply-template", QUESTION, {"messages": PROMPT}),
        ("/rerank", {"query": PROMPT, "documents": [PROMPT]}, {"documents": PROMPT}),
        ("/embedding", {"content": PROMPT}, {"content": {"text": PROMPT}}),
        ("/v1/completions", {"model": "scripted", "prompt": PROMPT}, {"suffix": PROMPT, "best_of": PROMPT}),
        ("/v1/embeddings", {"model": "scripted", "input": PROMPT}, {"encoding_format": PROMPT}),
    ):
        planted.send(path, good)
        planted.send(
            path, {**good, "messages": FAILING} if "messages" in good else {**good, "prompt": PROMPT + "[fail:3]"}
        )
        for name, value in wrong.items():
            planted.send(path, {**good, name: value})
        for key in ("revoked", "limited"):
            planted.send(path, good, key=key)
        for data in (json.dumps(good).encode()[:-3], PROMPT.encode(), json.dumps([PROMPT]).encode(), b"\xff"):
            planted.ask("POST", path, {"x-api-key": planted.keys["good"]}, data)
        planted.ask("POST", f"{path}?api_key={IN_QUERY}", {"x-api-key": STRANGE}, json.dumps(good).encode())
        planted.ask("POST", path, {"x-api-key": planted.keys["good"], "Authorization": f"Bearer {STRANGE}"}, b"{}")
    for path in ("/api/tags", "/api/ps", "/api/version", "/", "/props", "/slots", "/health", "/openapi.json", "/docs"):
        planted.look(f"{path}?api_key={IN_QUERY}")


def stored(planted: Planted) -> None:
    """Responses, files and batches; what their callers said is kept, and shown to nobody else."""
    asked: Body = {"model": "scripted", "input": PROMPT, "max_output_tokens": 8}
    kept = json.loads(planted.send("/v1/responses", asked).body)
    planted.send("/v1/responses", {**asked, "previous_response_id": kept["id"]})
    planted.send("/v1/responses", {**asked, "input": PROMPT + "[fail:3]", "background": True})
    for name, value in (
        ("input", [{"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": PROMPT}]}]),
        ("input", [{"type": "function_call_output", "call_id": "none", "output": PROMPT}, PROMPT]),
        ("instructions", [PROMPT]),
        ("tools", [{"type": "function", "name": "f", "parameters": PROMPT}]),
        ("text", {"format": {"type": "json_schema", "name": "f", "schema": PROMPT}}),
        ("metadata", {"note": [PROMPT]}),
        ("conversation", PROMPT),
        ("cache_salt", SALT),
    ):
        planted.send("/v1/responses", {**asked, name: value})
        planted.send("/v1/responses", {**asked, name: value, "stream": True})
    line: Body = {"method": "POST", "url": CHAT, "custom_id": "a", "body": {**QUESTION, "max_tokens": 8}}
    wrong: Body = {**line, "custom_id": "b", "body": {**QUESTION, "temperature": PROMPT}}
    good = json.loads(upload(planted, json.dumps(line) + "\n" + json.dumps(wrong)).body)
    torn = json.loads(upload(planted, json.dumps(line)[:-9]).body)
    for file in (good, torn):
        batch = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        ended(planted, json.loads(planted.send("/v1/batches", batch).body)["id"])
    planted.send("/v1/batches", {"endpoint": PROMPT, "input_file_id": good["id"], "completion_window": "24h"})
    planted.ask("POST", "/v1/files", {"x-api-key": planted.keys["good"]}, PROMPT.encode())
    for path in ("/v1/files", "/v1/batches", f"/v1/files/{good['id']}"):
        planted.look(path)
    for path in (f"/v1/responses/{kept['id']}", f"/v1/files/{good['id']}/content"):
        planted.ask("GET", f"{path}?api_key={IN_QUERY}", {"x-api-key": planted.keys["limited"]})
        planted.ask("GET", path, {"x-api-key": planted.keys["boss"]})


def upload(planted: Planted, content: str) -> Reply:
    """Hand over a file for batches."""
    fields = {'name="purpose"': "batch", 'name="file"; filename="lines.jsonl"': content}
    parts = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n" for name, text in fields.items()
    ]
    headers = {"x-api-key": planted.keys["good"], "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return planted.ask("POST", "/v1/files", headers, "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode())


def ended(planted: Planted, batch: str) -> None:
    """Wait for a batch, and keep what is said of it."""
    key = {"x-api-key": planted.keys["good"]}
    deadline = time.monotonic() + DEADLINE_S
    while True:
        reply = planted.ask("GET", f"/v1/batches/{batch}", key)
        if json.loads(reply.body)["status"] in {"completed", "failed"}:
            planted.answers.append((f"batch {json.loads(reply.body)['status']}", reply.body))
            return
        assert time.monotonic() < deadline, reply.summary
        time.sleep(0.1)


def slots(planted: Planted) -> None:
    """What a slot has computed is saved; names that are none are refused."""
    planted.send("/completion", {"prompt": PROMPT, "n_predict": 8})
    saved = planted.send("/slots/0?action=save", {"filename": "saved.bin"})
    assert saved.status == 200, saved.summary
    planted.answers.append(("slot saved", saved.body))
    for fields in ({"filename": f"../{STRANGE}"}, {"filename": STRANGE}, {"filename": [STRANGE]}):
        planted.send("/slots/0?action=restore", fields)
    planted.send(f"/slots/0?action={IN_QUERY}", {})
    planted.send("/slots/0?action=save", {"filename": "saved.bin"}, key="limited")


def operators(planted: Planted) -> None:
    """Everything that is shown to operators, and keys that they make."""
    for path in ("plugins", "models", "workers", "queues", "sequences/scripted", "caches", "config", "keys"):
        planted.look(f"/admin/v1/{path}", key="boss")
        planted.ask("GET", f"/admin/v1/{path}?api_key={IN_QUERY}", {"x-api-key": STRANGE})
        planted.ask("GET", f"/admin/v1/{path}", {"x-api-key": planted.keys["good"]})
    made = planted.send("/admin/v1/keys", {"name": "made", "scopes": ["models:read"]}, key="boss")
    planted.keys["made"] = json.loads(made.body)["key"]
    rotated = planted.send("/admin/v1/keys/made/rotate", {"grace_s": 60}, key="boss")
    planted.keys["rotated"] = json.loads(rotated.body)["key"]
    for path, body in (
        ("keys", {"name": "other", "scopes": [STRANGE], "owner": [STRANGE]}),
        (f"keys/{STRANGE}/rotate", {}),
        (f"keys/{planted.keys['good']}/rotate", {"grace_s": STRANGE}),
        ("workers/scripted/restart", {"now": PROMPT}),
    ):
        planted.send(f"/admin/v1/{path}", body, key="boss")
    boss = {"x-api-key": planted.keys["boss"]}
    planted.ask("PATCH", "/admin/v1/config", boss, json.dumps({"log_level": STRANGE}).encode())
    planted.ask("DELETE", f"/admin/v1/keys/{STRANGE}", boss)
    planted.look("/admin/v1/keys", key="boss")


def strangers(planted: Planted) -> None:
    """Cookies and queries are no places for keys."""
    good = planted.keys["good"]
    for header in ({}, {"Cookie": f"key={IN_COOKIE}"}, {"Authorization": f"Bearer {good}", "Cookie": IN_COOKIE}):
        planted.ask("GET", f"/v1/models?api_key={IN_QUERY}", header)
        planted.ask("POST", f"/v1/nothing?token={IN_QUERY}", header, PROMPT.encode())
        for path in ("/v1/messages", "/api/chat", "/completion", "/admin/v1/drain", "/v1/responses"):
            planted.ask("POST", f"{path}?key={IN_QUERY}", {**header, "x-goog-api-key": STRANGE}, PROMPT.encode())
