"""Questions for policies on the command line: read from JSON in several wrappings, or made up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias

import click
import msgspec

from jackfield.ports.policy import PolicyInput, PolicyPrincipal, PolicyResource, PolicyTime, RequestFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTIONS_MAX: Final = 100_000
"""Most questions of one file."""

_WRAPPINGS: Final = ("input", "details", "event")
"""Where a question stands in what OPA's API takes (``input``), and in an audit record (``event``, ``details``)."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def read_questions(data: bytes, name: str) -> Sequence[PolicyInput]:
    """The questions in *data*: one JSON document, or one on each line.

    Parameters:
        data: Content of a file.
        name: Of the file, for messages.

    Raises:
        click.UsageError: There is none, or one cannot be used; the message says which field.
    """
    whole = _document(data)
    if whole is not None:
        documents: list[tuple[str, Json]] = [("", whole)]
    else:
        lines = [line for line in data.splitlines() if line.strip()]
        documents = [(f", line {number}", _line(line, name, number)) for number, line in enumerate(lines, start=1)]
    if not documents or len(documents) > QUESTIONS_MAX:
        raise click.UsageError(f"{name}: a file has 1 to {QUESTIONS_MAX} questions; see: jackfield policy input")
    return [_question(document, f"{name}{where}") for where, document in documents]


def sample_question(action: str, model: str, tenant: str, roles: Sequence[str]) -> PolicyInput:
    """A question as a chat would bring it, now; raises ``click.UsageError`` for names that cannot be asked about."""
    local = time.localtime()
    question = PolicyInput(
        action=action,
        principal=PolicyPrincipal(
            id="keys/ada", name="ada", authenticator="keys", owner="ada", tenant=tenant, roles=tuple(roles)
        ),
        resource=PolicyResource(kind="model", name=model, capabilities=("generate",), backend="llama-cpu"),
        request=RequestFacts(
            route="/v1/chat/completions",
            method="POST",
            body_bytes=180,
            prompt_tokens=40,
            max_tokens=256,
            answers=1,
            messages=1,
            modalities=("text",),
            temperature=0.7,
        ),
        time=PolicyTime(
            unix=int(time.time()),
            weekday=local.tm_wday + 1,
            hour=local.tm_hour,
            minute=local.tm_min,
            utc_offset_minutes=local.tm_gmtoff // 60,
        ),
        client="127.0.0.1",
    )
    return _question(msgspec.to_builtins(question), "the question")


def _document(data: bytes) -> Json:
    try:
        document: Json = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document


def _line(line: bytes, name: str, number: int) -> Json:
    document = _document(line)
    if document is None:
        raise click.UsageError(f"{name}, line {number}: not JSON; see: jackfield policy input")
    return document


def _question(document: Json, where: str) -> PolicyInput:
    try:
        return msgspec.convert(_unwrapped(document), PolicyInput)
    except msgspec.ValidationError as error:
        hint = "docs/policy.md has all fields; jackfield policy input prints a question to begin with"
        raise click.UsageError(f"{where}: {error}; {hint}") from error


def _unwrapped(document: Json) -> Json:
    while isinstance(document, dict) and not isinstance(document.get("resource"), dict):
        inner = next((document[name] for name in _WRAPPINGS if name in document), None)
        if inner is None:
            break
        document = _document(inner.encode()) if isinstance(inner, str) else inner
    return document
