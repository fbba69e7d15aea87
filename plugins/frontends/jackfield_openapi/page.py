"""The document as one HTML page: no script, no other file, no network."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Schema: TypeAlias = "Mapping[str, object]"

DEPTH_MAX: Final = 4
"""Types within types that are written out; deeper ones, and those that contain themselves, are named only."""

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
code, pre, .type { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { background: #8881; overflow-x: auto; padding: 0.3rem 0.6rem; white-space: pre-wrap; }
details { border-top: 1px solid #8884; padding: 0.3rem 0; }
details details { border: 0; margin-left: 1rem; }
summary { cursor: pointer; }
.method { display: inline-block; font-weight: 600; min-width: 4.5rem; }
.note, .type { opacity: 0.75; }
table { border-collapse: collapse; margin: 0.3rem 0 0.6rem; width: 100%; }
td { border-top: 1px solid #8883; padding: 0.15rem 0.6rem 0.15rem 0; vertical-align: top; }
"""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The page's own style and nothing else."""


class _Content(msgspec.Struct):
    schema: dict[str, object] = {}
    event: dict[str, object] = msgspec.field(name="x-event", default_factory=dict)
    example: object | None = None


class _Body(msgspec.Struct):
    content: dict[str, _Content] = {}


class _Answer(msgspec.Struct):
    shared: str = msgspec.field(name="$ref", default="")
    description: str = ""
    content: dict[str, _Content] = {}


class _Parameter(msgspec.Struct):
    name: str
    where: str = msgspec.field(name="in")
    required: bool = False
    description: str = ""
    schema: dict[str, object] = {}


class _Operation(msgspec.Struct):
    tags: list[str] = []
    summary: str = ""
    parameters: list[_Parameter] = []
    body: _Body | None = msgspec.field(name="requestBody", default=None)
    responses: dict[str, _Answer] = {}
    security: list[dict[str, list[str]]] = []


class _Components(msgspec.Struct):
    schemas: dict[str, dict[str, object]] = {}
    responses: dict[str, _Answer] = {}


class _Info(msgspec.Struct):
    title: str
    version: str


class _Document(msgspec.Struct):
    info: _Info
    paths: dict[str, dict[str, _Operation]]
    components: _Components = msgspec.field(default_factory=_Components)


def render_page(document: bytes) -> bytes:
    """*document*, an OpenAPI document as JSON, as HTML in UTF-8."""
    read = msgspec.json.decode(document, type=_Document)
    title = escape(f"{read.info.title} {read.info.version}")
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    return "".join(
        [head, f"<style>{_STYLE}</style></head><body><h1>{title}</h1>", *_groups(read), "</body></html>"]
    ).encode()


def _groups(document: _Document) -> Iterable[str]:
    groups: dict[str, list[str]] = {}
    errors: dict[str, dict[str, None]] = {}
    types = _Types(document.components.schemas)
    for path, methods in document.paths.items():
        for method, operation in methods.items():
            tag = operation.tags[0] if operation.tags else ""
            groups.setdefault(tag, []).append(_operation(method, path, operation, types))
            names = (each.shared.rpartition("/")[2] for each in operation.responses.values() if each.shared)
            errors.setdefault(tag, {}).update(dict.fromkeys(names))
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag)}</h2>"
        yield from operations
        yield from _errors({name: document.components.responses[name] for name in errors[tag]}, types)


def _errors(answers: Mapping[str, _Answer], types: _Types) -> Iterable[str]:
    """What the routes of one plugin may be refused with."""
    if not answers:
        return
    yield "<details><summary>Errors</summary>"
    for name, answer in sorted(answers.items()):
        status = name.rstrip("-").rpartition("-")[2]
        yield f'<h4>{escape(status)} <span class="note">{escape(answer.description)}</span></h4>'
        yield from _contents(answer, types)
    yield "</details>"


def _operation(method: str, path: str, operation: _Operation, types: _Types) -> str:
    summary = f'<span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code>'
    parts = [f"<details><summary>{summary} {escape(operation.summary)}</summary>"]
    scopes = sorted({scope for scheme in operation.security for names in scheme.values() for scope in names})
    if scopes:
        parts.append(f'<p class="note">Needs a key that may do: {escape(", ".join(scopes))}</p>')
    if operation.parameters:
        rows = (_row(each.name, types.name(each.schema), each.where, each.description) for each in operation.parameters)
        parts.append(f"<h4>Parameters</h4><table>{''.join(rows)}</table>")
    if operation.body is not None:
        bodies = operation.body.content.values()
        parts += [f"<h4>Body</h4>{types.table(content.schema)}{_example(content)}" for content in bodies]
    for status, answer in operation.responses.items():
        if not answer.shared:
            parts.append(f'<h4>{escape(status)} <span class="note">{escape(answer.description)}</span></h4>')
            parts += _contents(answer, types)
    errors = ", ".join(status for status, answer in operation.responses.items() if answer.shared)
    parts.append(f'<p class="note">Errors: {escape(errors)}</p>' if errors else "")
    return "".join([*parts, "</details>"])


def _contents(answer: _Answer, types: _Types) -> Iterable[str]:
    for kind, content in answer.content.items():
        yield f'<p class="note">{escape(kind)}</p>'
        # what an error says tells more than its fields
        yield _example(content) or types.table(content.event or content.schema)


def _example(content: _Content) -> str:
    if content.example is None:
        return ""
    return f"<pre>{escape(msgspec.json.encode(content.example).decode())}</pre>"


def _row(*cells: str) -> str:
    first, kind, *others = map(escape, cells)
    rest = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<tr><td><code>{first}</code></td><td class="type">{kind}</td>{rest}</tr>'


class _Types:
    """Schemas as names and tables.

    Parameters:
        components: Those that others refer to, by name.
    """

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def name(self, schema: Schema) -> str:
        """A type in a few words."""
        reference, choices = schema.get("$ref"), schema.get("anyOf") or schema.get("oneOf")
        if isinstance(reference, str):
            return reference.rpartition("/")[2]
        if isinstance(choices, list):
            return " or ".join(self.name(each) for each in choices)
        if "enum" in schema:
            return msgspec.json.encode(schema["enum"]).decode()[1:-1].replace(",", " or ")
        if schema.get("type") == "array":
            items = schema.get("items")
            return f"array of {self.name(items) if isinstance(items, dict) else 'anything'}"
        return str(schema.get("type", "anything")) + _bounds(schema)

    def table(self, schema: Schema, seen: tuple[str, ...] = ()) -> str:
        """The fields of an object, with the objects in it below."""
        name, resolved = self._resolve(schema)
        properties = resolved.get("properties")
        if not isinstance(properties, dict):
            return f'<p class="type">{escape(self.name(schema))}</p>{self._inner(resolved, seen)}'
        required = resolved.get("required")
        needed = required if isinstance(required, list) else []
        rows = (
            _row(field, self.name(each), "required" if field in needed else "", str(each.get("description", "")))
            for field, each in properties.items()
        )
        inner = "".join(self._inner(each, (*seen, name)) for each in properties.values())
        return f"<table>{''.join(rows)}</table>{inner}"

    def _inner(self, schema: Schema, seen: tuple[str, ...]) -> str:
        parts: list[str] = []
        for name in _references(schema):
            if name not in seen and len(seen) < DEPTH_MAX:
                table = self.table({"$ref": f"/{name}"}, seen)
                parts.append(f"<details><summary><code>{escape(name)}</code></summary>{table}</details>")
        return "".join(parts)

    def _resolve(self, schema: Schema) -> tuple[str, Schema]:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return "", schema
        name = reference.rpartition("/")[2]
        return name, self._components.get(name, {})


def _references(schema: object) -> Iterable[str]:
    """Names of the types that *schema* refers to at its top, in its arrays and in its choices."""
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].rpartition("/")[2]
        for key in ("anyOf", "oneOf", "items", "additionalProperties"):
            yield from _references(schema.get(key))


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return ""
    return f" ({'' if least is None else least} to {'' if most is None else most})"
