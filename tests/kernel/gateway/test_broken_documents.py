"""Documents of each kind that cannot be read: at a start, and where they come while a server runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from tests.kernel.gateway.documents_played import PlayedStore, Shelf

from jackfield.errors import InvalidRequest, ManifestError
from jackfield.gateway import documents
from jackfield.gateway.asked_models import AskedModels
from jackfield.gateway.documents import PolicyWatch
from jackfield.ports.policy_store import DocumentName
from jackfield.testing.kits.kit import kernel_of
from jackfield.testing.kits.roles import granted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.plugins import Kernel

DEADLINE_S: Final = 30.0

WHOLE: Final = {
    "limits": ("limit", "keys", b'{"per": ["key"], "requests": {"minute": 60}}'),
    "guardrails": ("guardrail", "pets", b'{"kind": "regex", "patterns": ["cats?"]}'),
    "cedar": ("cedar", "rules", b'{"policies": "permit (principal, action, resource);"}'),
}
"""Kinds that are adopted as a whole: by plugin, with a document that can be used."""

OPTIONS: Final = {
    "limits": 'file = ""\n',
    "guardrails": 'rules.pets = { kind = "regex", patterns = ["dogs?"] }\n',
    "cedar": "store = true\n",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LOOK_S", 0.005)


def objects(kernel: Kernel) -> Sequence[tuple[str, object]]:
    """All that goes by documents."""
    made: list[tuple[str, object]] = []
    for factories in (kernel.roles(), kernel.policies(), kernel.limiters()):
        made += [(name, factory()) for name, factory in factories.items()]
    asked = AskedModels()
    return [*made, *((name, factory(asked)) for name, factory in kernel.guardrails().items())]


async def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(DEADLINE_S):
        while not reached():  # noqa: ASYNC110 - polled under a deadline
            await asyncio.sleep(0.001)


def watch_of(plugin: str, shelf: Shelf) -> PolicyWatch:
    """A gateway's watch with that plugin."""
    kernel = kernel_of(f'enabled = ["{plugin}"]\n[config.{plugin}]\n{OPTIONS[plugin]}')
    return PolicyWatch({"shelf": lambda: PlayedStore(shelf)}, objects(kernel), 30.0)


@pytest.mark.parametrize("plugin", WHOLE)
def test_a_start_with_a_broken_document_is_refused(plugin: str) -> None:
    """Nobody knows what held before; with the same document whole it starts."""
    kind, name, content = WHOLE[plugin]

    async def start(data: bytes) -> None:
        shelf = Shelf()
        shelf.put(kind, name, data)
        watch = watch_of(plugin, shelf)
        try:
            await watch.start()
        finally:
            await watch.close()

    with pytest.raises(ManifestError, match="cannot go by what the store shelf holds"):
        asyncio.run(start(b'{"nonsense": 1}'))
    asyncio.run(start(content))


@pytest.mark.parametrize("plugin", WHOLE)
def test_a_broken_document_changes_nothing_and_is_said(plugin: str) -> None:
    """Until it is gone; it cannot be written through the server."""
    kind, name, content = WHOLE[plugin]

    async def scenario() -> None:
        shelf = Shelf()
        shelf.put(kind, name, content)
        watch = watch_of(plugin, shelf)
        await watch.start()
        try:
            with pytest.raises(InvalidRequest):
                await watch.change(lambda _: {DocumentName(kind, name): b'{"nonsense": 1}'})
            assert watch.troubles() == {}
            shelf.put(kind, name, b'{"nonsense": 1}')
            await until(lambda: bool(watch.troubles()))
            shelf.put(kind, name, content)
            await until(lambda: not watch.troubles())
        finally:
            await watch.close()

    asyncio.run(scenario())


def test_a_broken_role_keeps_no_other_grant_alive() -> None:
    """At a start, and while the server runs: it brings nothing, and all others are what their documents say."""

    async def scenario() -> None:
        shelf = Shelf()
        shelf.put("role", "spoilt", b"{}")
        shelf.put("role", "admin", b'{"scopes": ["admin"]}')
        shelf.put("role", "broken", b'{"scopes": 1}')
        [(name, book)] = objects(kernel_of('enabled = ["rbac"]\n'))
        watch = PolicyWatch({"shelf": lambda: PlayedStore(shelf)}, [(name, book)], 30.0)
        await watch.start()
        try:
            assert granted(book, ["admin", "broken"]).scopes == {"admin"}  # type: ignore[arg-type]
            shelf.put("role", "spoilt", b'{"scopes": 1}')
            shelf.put("role", "admin", None)
            await until(lambda: not granted(book, ["admin", "broken", "spoilt"]).scopes)  # type: ignore[arg-type]
            with pytest.raises(InvalidRequest):
                await watch.change(lambda _: {DocumentName("role", "other"): b'{"scopes": 1}'})
            await watch.change(lambda _: {DocumentName("role", "other"): b'{"scopes": ["embed"]}'})
            assert granted(book, ["other"]).scopes == {"embed"}  # type: ignore[arg-type]
        finally:
            await watch.close()

    asyncio.run(scenario())
