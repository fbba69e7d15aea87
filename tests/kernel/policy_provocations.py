"""Requests that every stage of policies refuses, changes or records, with a secret in every place."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from tests.kernel.planted import IN_QUERY, PROMPT, STRANGE
from tests.kernel.planted_policies import EMAIL, WORD

if TYPE_CHECKING:
    from tests.kernel.planted import Planted

    from jackfield.testing.client import JsonValue, Reply

    Body = dict[str, JsonValue]

CHAT: Final = "/v1/chat/completions"
DEADLINE_S: Final = 60.0
DOCUMENTS: Final = "/admin/v1/policy/documents"


def provoke_policies(planted: Planted) -> None:
    """All of them."""
    tokens(planted)
    denials(planted)
    masked(planted)
    documents(planted)
    tenants(planted)
    broken_policies(planted)


def chat(content: str, **more: JsonValue) -> Body:
    """A question."""
    return {"model": "scripted", "messages": [{"role": "user", "content": content}], **more}


def tokens(planted: Planted) -> None:
    """Good ones and bad ones; the issuer's keys are fetched first."""
    body = json.dumps(chat(PROMPT)).encode()
    deadline = time.monotonic() + DEADLINE_S
    given = {name: {"Authorization": f"Bearer {token}"} for name, token in planted.surroundings.tokens.items()}
    while (reply := planted.ask("GET", "/v1/models", given["good"])).status == 503:
        assert time.monotonic() < deadline, reply.summary
    assert reply.status == 200, reply.summary
    for name, headers in given.items():
        reply = planted.ask("POST", CHAT, headers, body)
        assert reply.status == (200 if name == "good" else 401), f"{name}: {reply.summary}"


def denials(planted: Planted) -> None:
    """By a policy, by a limit, by somebody elsewhere."""
    assert planted.send(CHAT, chat(PROMPT), key="denied").status == 403
    planted.send("/v1/embeddings", {"model": "scripted", "input": PROMPT}, key="denied")
    assert [planted.send(CHAT, chat(PROMPT), key="few").status for _ in range(2)] == [200, 429]
    assert planted.send(CHAT, chat(PROMPT), key="hooked").status == 200
    blocked = planted.send(CHAT, chat(f"{PROMPT} {WORD}"), key="hooked")
    assert blocked.error.code == "content_policy_violation", blocked.summary
    # a tool whose name no policy can be asked about
    planted.send(CHAT, chat(PROMPT, tools=[{"type": "function", "function": {"name": STRANGE + "?" * 300}}]))


def masked(planted: Planted) -> None:
    """The caller gets back what was masked; no record, and nobody later, has it."""
    said = f"{PROMPT}, write to {EMAIL}"
    for body in (chat(said), chat(said, stream=True), chat(said, logprobs=True, top_logprobs=2)):
        reply = planted.send(CHAT, body)
        assert reply.status == 200, reply.summary
        planted.restored.append(reply.body)
    reply = planted.send("/v1/responses", {"model": "scripted", "input": said})
    planted.restored.append(reply.body)
    kept = planted.ask("GET", f"/v1/responses/{json.loads(reply.body)['id']}", {"x-api-key": planted.keys["good"]})
    assert PROMPT.encode() in kept.body
    assert EMAIL.encode() not in kept.body
    for body in (chat(f"{said}[fail:3]"), chat(said, temperature=EMAIL), chat(said, stop=[EMAIL] * 100)):
        planted.send(CHAT, body)
    planted.send("/v1/moderations", {"input": [said]})


def documents(planted: Planted) -> None:
    """Of the policy store: written, refused, listed."""

    def write(name: str, body: object, key: str = "boss") -> Reply:
        headers = {"x-api-key": planted.keys[key]}
        return planted.ask("PUT", f"{DOCUMENTS}/{name}", headers, json.dumps(body).encode())

    limit: Body = {"per": ["key"], "requests": {"minute": 90_000}}
    assert write("limit/many", limit).status in {200, 201}
    assert write("role/writer", {"scopes": ["generate"], "models": ["*"]}).status in {200, 201}
    for name, body in (
        ("limit/many", {"per": [STRANGE]}),
        ("limit/many", {**limit, "requests": {"minute": STRANGE}}),
        (f"{STRANGE}/many", {}),
        ("role/writer", {"scopes": [f"{STRANGE}!"]}),
        ("guardrail/personal", {"kind": "words", "words": [PROMPT]}),
        ("cedar/more", {"text": PROMPT}),
    ):
        assert write(name, body).status >= 400, name
    write("limit/many", limit, "good")
    for path in (DOCUMENTS, f"{DOCUMENTS}/limit", f"{DOCUMENTS}/limit/many", "/admin/v1/limits"):
        planted.look(path, key="boss")
        planted.ask("GET", f"{path}?api_key={IN_QUERY}", {"x-api-key": planted.keys["good"]})


def tenants(planted: Planted) -> None:
    """Keys that are kept in the policy store."""
    made = planted.send("/admin/v1/keys?issuer=tenants", {"name": "kept", "scopes": ["models:read"]}, key="boss")
    assert made.status in {200, 201}, made.summary
    planted.keys["kept"] = json.loads(made.body)["key"]
    assert planted.ask("GET", "/v1/models", {"x-api-key": planted.keys["kept"]}).status == 200
    rotated = planted.send("/admin/v1/keys/kept/rotate?issuer=tenants", {}, key="boss")
    planted.keys["kept anew"] = json.loads(rotated.body)["key"]
    planted.send(f"/admin/v1/keys/{planted.keys['kept']}/rotate?issuer=tenants", {}, key="boss")
    planted.look("/admin/v1/keys?issuer=tenants", key="boss")


def broken_policies(planted: Planted) -> None:
    """An edit that no engine can use; what was there before holds."""
    cedar, rego = planted.folder / "cedar" / "main.cedar", planted.folder / "rego" / "main.rego"
    good = {file: file.read_text() for file in (cedar, rego)}
    cedar.write_text("permit (principal, action, )")
    rego.write_text("package jackfield\n\nallow if {\n")
    target = planted.process.target
    deadline = time.monotonic() + DEADLINE_S
    body = b""
    while not (b"cedar" in body and b"opa" in body):
        assert time.monotonic() < deadline, body
        time.sleep(0.1)
        body = target.run(target.probe.request("GET", "/readyz")).body
    planted.answers.append(("/readyz with broken policies", body))
    planted.send(CHAT, chat(PROMPT))
    for file, text in good.items():
        file.write_text(text)
