"""What others change without asking the server, as audit sinks are told of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.kernel.gateway.documents_played import PlayedStore, Reader, Shelf, away

from jackfield.errors import InvalidRequest, PluginError, PolicyUnavailable, StoreUnavailable
from jackfield.gateway import documents
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.documents import PolicyWatch
from jackfield.gateway.outside_changes import NAME_MAX, NAMES, OutsideChanges
from jackfield.ports.outside_change import Inventory, OutsideChange
from jackfield.ports.policy_store import DocumentName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.ports.audit import AuditEvent
    from jackfield.ports.outside_change import Tell

DEADLINE_S: Final = 30.0


class Sink:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.full = False

    def note(self, event: AuditEvent) -> None:
        """See ``AuditSink``."""
        if self.full:
            raise OSError
        self.events.append(event)

    async def write(self, event: AuditEvent) -> None:
        """See ``AuditSink``."""
        self.note(event)

    async def close(self) -> None:
        """See ``AuditSink``."""


class Watchful:
    """What goes by a file that others change."""

    def __init__(self) -> None:
        self.inventory = Inventory(kind="key", source="file", count=1, state="sha256:0")
        self.tell: Tell | None = None

    def watch(self, tell: Tell) -> None:
        """See ``Watching``."""
        self.tell = tell


class Named(Reader):
    """Has words for its documents."""

    def described(self, name: str, before: bytes | None, after: bytes | None) -> str:
        """See ``Describing``."""
        if name == "broken":
            raise RuntimeError
        return "" if name == "counter" else f"<{name} {before!r} {after!r}>"


class Apart(Reader):
    """Goes by each document on its own."""

    async def check(self, documents: object) -> None:
        """See ``Governed``: all."""

    def check_document(self, name: str, content: bytes) -> None:
        """See ``Isolating``."""
        if content == b'"odd"':
            raise RuntimeError
        if b"bad" in content:
            raise InvalidRequest("no", param=name)


def told(sink: Sink) -> Sequence[tuple[str, tuple[str, ...]]]:
    """What others did, by the sink's events: how, and what."""
    return [
        (how, msgspec.convert(value, tuple[str, ...]))
        for event in sink.events
        if event.kind == "admin"
        for how, value in event.details.items()
        if how != "source"
    ]


class Room:
    """A watch with a record."""

    def __init__(self, *readers: Reader) -> None:
        self.shelf = Shelf()
        self.store = PlayedStore(self.shelf)
        self.sink = Sink()
        outside = OutsideChanges(Auditing({"sink": lambda: self.sink}))
        objects = [(f"plugin-{number}", each) for number, each in enumerate(readers)]
        self.watch = PolicyWatch({"shelf": lambda: self.store}, objects, 30.0, outside)

    def write(self, kind: str, name: str, content: bytes | None) -> Awaitable[object]:
        """As the server's own API does."""
        return self.watch.change(lambda _: {DocumentName(kind, name): content})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LOOK_S", 0.005)


def play(room: Room, scenario: Callable[[], Awaitable[None]]) -> None:
    """Run *scenario* while the watch goes on."""

    async def run() -> None:
        await room.watch.start()
        try:
            await scenario()
        finally:
            await room.watch.close()

    asyncio.run(run())


async def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(DEADLINE_S):
        while not reached():  # noqa: ASYNC110 - polled under a deadline
            await asyncio.sleep(0.001)


def test_what_others_write_into_the_store_is_told() -> None:
    """Created, changed and removed documents of all kinds, known here or not; what was there at first is not new."""
    room = Room(Reader("limit"))
    room.shelf.put("role", "old", b"1")

    async def scenario() -> None:
        room.shelf.put("limit", "a", b"1")
        await until(lambda: told(room.sink) == [("created", ("a",))])
        room.shelf.put("role", "old", b"2")
        await until(lambda: told(room.sink)[1:] == [("changed", ("old",))])
        room.shelf.put("limit", "a", None)
        await until(lambda: told(room.sink)[2:] == [("removed", ("a",))])

    play(room, scenario)
    [first, *_] = [event for event in room.sink.events if event.kind == "admin"]
    assert (first.action, first.resource, first.reason, first.outcome) == ("limit.changed", "shelf", "outside", "ok")
    assert first.details["source"] == "store"


def test_what_the_server_itself_writes_is_not_told() -> None:
    """Nor where others write at the same time, of which it is told."""
    room = Room(Reader("limit"))

    async def scenario() -> None:
        await room.write("limit", "a", b"1")
        room.store.conflicts = 2
        await room.write("limit", "a", b"2")
        await room.write("limit", "a", None)
        await asyncio.gather(*(room.write("limit", f"b{number}", b"1") for number in range(8)))
        room.shelf.put("limit", "b0", b"2")
        await until(lambda: ("changed", ("b0",)) in told(room.sink))

    play(room, scenario)
    assert {name for _, names in told(room.sink) for name in names} == {"one", "b0"}


def test_a_change_that_failed_is_told_where_it_is_there_all_the_same() -> None:
    """The store wrote it and did not say so: by then it is nobody's."""
    room = Room(Reader("limit"))

    async def scenario() -> None:
        genuine = room.store.change

        async def lost(version: int, wanted: object) -> int:
            await genuine(version, wanted)  # type: ignore[arg-type]
            raise away()

        room.store.change = lost  # type: ignore[method-assign,assignment]
        with pytest.raises(StoreUnavailable):
            await room.write("limit", "a", b"1")
        await until(lambda: told(room.sink) == [("created", ("a",))])

    play(room, scenario)


def test_a_plugin_has_words_for_its_documents() -> None:
    """None for what nobody decides by; where it fails, the name is not told."""
    room = Room(Named("key"))

    async def scenario() -> None:
        room.shelf.put("key", "counter", b"1")
        room.shelf.put("key", "a", b"1")
        await until(lambda: told(room.sink) == [("created", ("<a None b'1'>",))])
        room.shelf.put("key", "broken", b"1")
        await until(lambda: told(room.sink)[1:] == [("created", ("a document",))])

    play(room, scenario)


def test_documents_that_stand_alone_are_checked_one_by_one() -> None:
    """When somebody writes them: others that are broken already refuse nothing."""
    room = Room(Apart("role"))
    room.shelf.put("role", "spoilt", b'"bad"')

    async def scenario() -> None:
        await room.write("role", "good", b"1")
        with pytest.raises(InvalidRequest):
            await room.write("role", "worse", b'"bad"')
        with pytest.raises(PolicyUnavailable):
            await room.write("role", "odd", b'"odd"')
        await room.write("role", "spoilt", None)
        assert room.shelf.rows.keys() == {DocumentName("role", "spoilt"), DocumentName("role", "good")}

    play(room, scenario)
    assert told(room.sink) == []


def test_start_and_end_say_what_there_is() -> None:
    """So that what was changed in between can be seen, though not what it was."""
    room = Room(Reader("limit"))
    room.shelf.put("limit", "a", b"1")

    async def scenario() -> None:
        await room.write("limit", "b", b"1")

    play(room, scenario)
    assert [(event.kind, event.action, event.resource, dict(event.details)) for event in room.sink.events] == [
        ("lifecycle", "document.found", "shelf", {"source": "store", "count": 1, "state": "version 1"}),
        ("lifecycle", "document.left", "shelf", {"source": "store", "count": 2, "state": "version 2"}),
    ]


def test_objects_that_watch_files_tell_by_themselves() -> None:
    """In as many events as it takes, and none of them too long for a sink."""
    sink, watchful = Sink(), Watchful()
    outside = OutsideChanges(Auditing({"sink": lambda: sink}))
    outside.begin([("keys", watchful), ("other", object())])
    assert watchful.tell is not None
    many = tuple(f"key-{number}" for number in range(2 * NAMES + 1))
    watchful.tell(OutsideChange(kind="key", source="file", created=many, removed=("x" * 10_000,)))
    watchful.inventory = Inventory(kind="key", source="file", count=2, state="sha256:1")
    outside.end()
    found, *changes, left = sink.events
    assert (found.action, found.details["state"], left.action, left.details["state"]) == (
        "key.found",
        "sha256:0",
        "key.left",
        "sha256:1",
    )
    lists = [value for _, value in told(sink)]
    assert [name for each in lists[:-1] for name in each] == list(many)
    assert max(map(len, lists)) == NAMES
    assert lists[-1] == ("x" * NAME_MAX,)
    assert len(changes) == len(lists)


def test_what_cannot_be_recorded_stops_no_look() -> None:
    """It is in force already; what depends on the record fails by itself."""
    sink, watchful = Sink(), Watchful()
    outside = OutsideChanges(Auditing({"sink": lambda: sink}))
    outside.begin([("keys", watchful)])
    sink.full = True
    assert watchful.tell is not None
    watchful.tell(OutsideChange(kind="key", source="file", created=("a",)))
    assert told(sink) == []


def test_nobody_need_watch_where_nothing_is_recorded() -> None:
    """It costs a look a second."""
    watchful = Watchful()
    outside = OutsideChanges(Auditing({}))
    outside.begin([("keys", watchful)])
    assert watchful.tell is None
    outside.end()


def test_an_object_that_cannot_watch_refuses_the_start() -> None:
    """And is named."""
    sink, watchful = Sink(), Watchful()
    watchful.watch = lambda: None  # type: ignore[method-assign,assignment,misc]
    with pytest.raises(PluginError, match=r"plugin keys: watch\(\) raised TypeError"):
        OutsideChanges(Auditing({"sink": lambda: sink})).begin([("keys", watchful)])
