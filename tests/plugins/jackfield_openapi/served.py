"""A server with every frontend, its document, and what the document allows of an answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import requests
from jsonschema import Draft202012Validator

from jackfield.ports.identity import ADMIN, ADMINISTRATION, SCOPES
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import SCRIPTED_PLUGIN
from jackfield.testing.script import TOOL_TEMPLATE
from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

DEADLINE_S: Final = 30.0

FRONTENDS: Final = ("openai", "anthropic", "ollama", "llamacpp", "admin", "openapi")

PLUGINS: Final = ("hermes", "llguidance", "fcfs", "sqlite", "keys", "prometheus")
"""Besides them."""

MODELS: Final[Mapping[str, str]] = {"demo": "generate", "vectors": "embed", "ranker": "rerank"}
"""One for each task."""

_OWN: Final[Mapping[str, str]] = {
    "generate": f'dialect = "hermes"\noptions = {{chat_template = {json.dumps(TOOL_TEMPLATE + "{# documents #}")}}}',
    "embed": "matryoshka = true",
}
"""By task: what lets every field do something."""

HTTP_HEADERS: Final = frozenset(
    {
        *("cache-control", "connection", "content-length", "content-type", "date", "server", "transfer-encoding"),
        *("content-security-policy", "cross-origin-resource-policy", "referrer-policy", "x-content-type-options"),
        *("vary", "x-accel-buffering", "x-frame-options"),
    }
)
"""What every answer may have: HTTP's own, and what protects browsers and passes proxies."""

Answer = requests.Response


def manifest(*, unknown_fields: str = "") -> str:
    """All frontends, a record store, keys, and a scripted model for each task. Answers end soon: contexts are short.

    Parameters:
        unknown_fields: What each frontend does with fields that it cannot honour; empty leaves each its default.
    """
    source = json.dumps(str(SCRIPTED_PLUGIN))
    backends = [f"{task}={SCRIPTED_PLUGIN}" for task in MODELS.values()]
    tables = [f"enabled = {json.dumps([*backends, *FRONTENDS, *PLUGINS])}", "[kernel]\nqueue = 1024"]
    for name, task in MODELS.items():
        own = _OWN.get(task, "")
        tables.append(f"[config.{task}]\ntasks = {json.dumps([task])}")
        tables.append(f"[models.{name}]\nbackend = {json.dumps(task)}\nsource = {source}\ncontext = 256\n{own}")
    modes = [f"[config.{name}]\nunknown_fields = {json.dumps(unknown_fields)}" for name in FRONTENDS[1:4]]
    tables += modes if unknown_fields else []
    tables.append(f'[config.openai]\nresume_s = 60\nunknown_fields = "{unknown_fields or "strict"}"')
    return "\n".join(tables) + "\n"


class Served:
    """The server, keys of all kinds, and its document.

    Parameters:
        folder: For its files.
        loop: Runs it.
        text: Its manifest.
    """

    def __init__(self, folder: Path, loop: BackgroundLoop, text: str) -> None:
        file = KeyFile(folder / "keys.toml", "keys.toml")
        self.key = _bearer(_made(file, "all", "*"))
        self.other_scopes = {
            scope: _bearer(_made(file, f"not-{number}", *(SCOPES.keys() - {scope} - _ABOVE.get(scope, set()))))
            for number, scope in enumerate(SCOPES)
        }
        """Keys that may do everything but what is asked."""
        self._server = InProcessServer(text, folder, loop)
        self._session = requests.Session()
        self.url = self._server.target.url
        self.document: dict[str, Any] = self.send("GET", "/openapi.json", self.key).json()
        self._closed = closed(self.document["components"])

    def close(self) -> None:
        """End it."""
        self._session.close()
        self._server.close()

    def send(self, method: str, path: str, headers: Mapping[str, str], **parts: Any) -> Answer:
        """One request, answered in whole."""
        return self._session.request(
            method, self.url + path, headers=dict(headers), timeout=DEADLINE_S, allow_redirects=False, **parts
        )

    def ask(self, path: str, body: object) -> Answer:
        """POST *body*, by somebody who may do everything."""
        return self.send("POST", path, self.key, json=body)

    def operations(self) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """Path, method and description of each."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method, operation

    def operation(self, route: str) -> dict[str, Any]:
        """The description of a route such as ``POST /v1/completions``."""
        method, _, path = route.partition(" ")
        found: dict[str, Any] = self.document["paths"][path][method.lower()]
        return found

    def problems(self, operation: Mapping[str, Any], answer: Answer) -> list[str]:
        """What of *answer* is not as *operation* says."""
        said = operation["responses"].get(str(answer.status_code))
        if said is None:
            return [f"status {answer.status_code} is not documented"]
        said = self.resolved(said)
        found = list(self._headers(said, answer))
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if "content" not in said:
            return found + (["there is a body"] if answer.content else [])
        if kind not in said["content"]:
            return [*found, f"{kind} is not documented"]
        content = said["content"][kind]
        if "x-event" in content:
            return found + list(self._events(content, answer))
        if kind == "application/json" and "schema" in content:
            found += self.wrong(content["schema"], answer.json())
        return found

    def _headers(self, said: Mapping[str, Any], answer: Answer) -> Iterable[str]:
        for name, reference in said["headers"].items():
            described = self.resolved(reference)
            value = answer.headers.get(name)
            if value is not None:
                read = value if described["schema"].get("type") != "integer" else int(value)
                yield from self.wrong(described["schema"], read, name)
            elif described.get("required"):
                yield f"the header {name} is missing"
        known = HTTP_HEADERS | {name.lower() for name in said["headers"]}
        for name in {name.lower() for name in answer.headers} - known:
            yield f"the header {name} is not documented"

    def _events(self, content: Mapping[str, Any], answer: Answer) -> Iterable[str]:
        lines = answer.content.decode().splitlines()
        data = [line.removeprefix("data:").strip() for line in lines if line.startswith(("data:", "{"))]
        end = content.get("x-end")
        if end and data and data[-1] == end:
            del data[-1]
        elif not data:
            yield "the stream has no events"
        for each in data:
            yield from self.wrong(content["x-event"], json.loads(each))
        for line in lines:
            if not re.match(r"data: |event: |id: |:|\{| *$", line):
                yield f"no line of a stream: {line[:80]}"

    def resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """*node*, or what it refers to."""
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        found: Mapping[str, Any] = self.document["components"][kind][name]
        return found

    def wrong(self, schema: Mapping[str, Any], value: Any, name: str = "") -> list[str]:
        """What of *value* is not as *schema* says, or not said at all; *name* is its path."""
        whole = {**schema, "components": self._closed}
        return [
            f"{name}{list(error.absolute_path)}: {error.message[:300]}"
            for error in Draft202012Validator(whole).iter_errors(value)
        ]


def closed(components: Mapping[str, Any]) -> dict[str, Any]:
    """*components*, whose objects may have no other fields than are documented."""
    copy: dict[str, Any] = json.loads(json.dumps(components))
    for schema in copy["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return copy


def example_for(operation: Mapping[str, Any], example: Any) -> Any:
    """*example* for a model that can do what the operation is about."""
    if not isinstance(example, dict):
        return example
    scope = operation["security"][0]["bearer"][0]
    names = {"embed": "vectors", "rerank": "ranker"}
    return {**example, "model": names.get(scope, "demo")} if scope in names or "model" in example else example


_ABOVE: Final = {scope: {ADMIN} for scope in ADMINISTRATION}
"""Scopes that contain another one."""


def _made(file: KeyFile, name: str, *scopes: str) -> str:
    return file.create(Grant(name, "", scopes, None, None))[0]


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}
