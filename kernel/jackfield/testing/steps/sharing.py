"""Steps: who profits from whose prompts on a real model, in every form in which one asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from pytest_bdd import given, then, when

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.client import DONE
from jackfield.testing.manifests import DEMO
from jackfield.testing.openai_shapes import Usage
from jackfield.testing.steps.keys import KEY_FILE, serve_with_keys
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

_STREAMED: Final[Mapping[str, JsonValue]] = {"stream": True, "stream_options": {"include_usage": True}}

FORMS: Final[Mapping[str, Mapping[str, JsonValue]]] = {
    "whole": {},
    "streamed": _STREAMED,
    "three answers": {"n": 3},
    "three answers, streamed": {"n": 3, **_STREAMED},
}
"""How an answer may be asked for, as fields of the request."""


class Counted(NamedTuple):
    """What one answer's usage says."""

    form: str
    prompt: int
    cached: int


class _WithUsage(msgspec.Struct, frozen=True):
    """What an answer or the last event of a stream has, whatever else."""

    usage: Usage | None = None


@given("jackfield serve runs with the demo model and keys", target_fixture="service")
def demo_with_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    return _started(serve, tmp_path, "")


@given(
    "jackfield serve runs with the demo model, which shares prefixes between all, and keys", target_fixture="service"
)
def sharing_demo_with_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    return _started(serve, tmp_path, 'prefix_cache = "shared"\n')


@when(words("I ask {prompt:Text} in every form with that key"), target_fixture="counted")
@when(words("I ask {prompt:Text} in every form with that key and"), target_fixture="counted")
def ask_in_every_form(server: Target, prompt: str, key: str, datatable: Table = None) -> list[Counted]:
    """Chats and continuations, each with a salt of its own, so that none finds what another one of this key left."""
    extra = fields(datatable)
    bodies: dict[str, Mapping[str, JsonValue]] = {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": prompt}]},
        "/v1/completions": {"prompt": prompt},
    }
    return [
        _counted(server, path, {**body, **form, "cache_salt": f"{path} {name}", **extra}, name, key)
        for path, body in bodies.items()
        for name, form in FORMS.items()
    ]


@then("nothing of any prompt was cached")
def none_cached(counted: list[Counted]) -> None:
    """As each answer's usage says."""
    assert [each for each in counted if each.cached] == []


@then("each prompt was cached but for its last token")
def all_cached(counted: list[Counted]) -> None:
    """As each answer's usage says."""
    assert [each for each in counted if each.cached != each.prompt - 1] == []


def _started(serve: Callable[[str], ServeProcess], folder: Path, lines: str) -> ServeProcess:
    enabled, _, rest = DEMO.partition("]\n")
    service = serve_with_keys(serve, folder, f'{enabled}, "keys"]\n{rest}{lines}')
    assert (folder / KEY_FILE).exists()
    return service


def _counted(server: Target, path: str, body: Mapping[str, JsonValue], form: str, key: str) -> Counted:
    asked: JsonValue = {"model": server.client.model, "max_tokens": 4, **body}
    headers = {"Authorization": f"Bearer {key}"}
    reply = server.run(server.client.request("POST", path, asked, headers=headers))
    assert reply.status == HTTPStatus.OK, reply.summary
    usage = _usage(reply)
    assert usage.prompt_tokens_details is not None, "the answer does not say how much was cached"
    return Counted(f"{path}, {form}", usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens)


def _usage(reply: Reply) -> Usage:
    """The only usage that *reply* has, streamed or not."""
    texts: list[str | bytes] = [reply.body]
    if reply.headers["Content-Type"].startswith("text/event-stream"):
        events = [item for item in SseParser().feed(reply.body) if isinstance(item, SseEvent)]
        texts = [event.data for event in events if event.data != DONE]
    given = [msgspec.json.decode(text, type=_WithUsage).usage for text in texts]
    [usage] = [each for each in given if each is not None]
    return usage
