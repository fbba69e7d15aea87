"""The watch over the policy store."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Self

import pytest
from tests.kernel.gateway.documents_played import PlayedStore, Reader, Shelf, away

from jackfield.errors import (
    InvalidRequest,
    JackfieldError,
    ManifestError,
    PluginError,
    PolicyUnavailable,
    StoreUnavailable,
)
from jackfield.gateway import documents, governed, policy_reading
from jackfield.gateway.documents import LOOK_S, PolicyWatch
from jackfield.ports.policy_store import CHANGES_MAX, CONTENT_MAX, DocumentName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from jackfield.ports.policy_store import DocumentsRead

DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and retries come soon, so that nobody waits for them."""
    monkeypatch.setattr(documents, "LOOK_S", 0.005)
    monkeypatch.setattr(governed, "RETRY_S", 0.01)


class Room:
    """A gateway's watch, as far as it is one."""

    def __init__(self, *readers: Reader, shelf: Shelf | None = None, stale_s: float = 30.0) -> None:
        self.store = PlayedStore(shelf or Shelf())
        self.shelf = self.store.shelf
        named = [(f"plugin-{number}", reader) for number, reader in enumerate(readers)]
        self.watch = PolicyWatch({"shelf": lambda: self.store}, named, stale_s)

    async def __aenter__(self) -> Self:
        await self.watch.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.watch.close()

    def write(self, name: str, content: bytes | None, kind: str = "limit") -> Awaitable[DocumentsRead]:
        """A change of one document, through the watch."""
        return self.watch.change(lambda _: {DocumentName(kind, name): content})


async def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(DEADLINE_S):
        while not reached():  # noqa: ASYNC110 - polled under a deadline
            await asyncio.sleep(0.001)


def run(scenario: Awaitable[None]) -> None:
    """Play it."""

    async def body() -> None:
        await scenario

    asyncio.run(body())


def test_everything_is_adopted_before_anything_is_served() -> None:
    """Also where there is nothing: what stood in a file does not hold then."""

    async def scenario() -> None:
        limits, roles = Reader("limit"), Reader("role")
        shelf = Shelf()
        shelf.put("limit", "a", b"1")
        shelf.put("limit", "gone", None)
        shelf.put("unknown", "b", b"2")
        async with Room(limits, roles, shelf=shelf) as room:
            assert limits.adopted == [{"a": 1}]
            assert roles.adopted == [{}]
            assert room.watch.kinds == ("limit", "role")
            room.watch.require()
            assert room.watch.troubles() == {}
        assert room.store.closed

    run(scenario())


def test_what_somebody_writes_is_adopted_soon() -> None:
    """By all that take documents of that kind, and by nobody else."""

    async def scenario() -> None:
        one, other, roles = Reader(), Reader(), Reader("role")
        async with Room(one, other, roles) as room:
            room.shelf.put("limit", "a", b"1")
            await until(lambda: one.now == other.now == {"a": 1})
            room.shelf.put("limit", "a", None)
            await until(lambda: one.now == other.now == {})
            assert roles.adopted == [{}]

    run(scenario())


def test_nothing_is_adopted_twice() -> None:
    """Neither what has not changed, nor what was written again as it was."""

    async def scenario() -> None:
        reader = Reader()
        async with Room(reader) as room:
            await room.write("a", b"1")
            await room.write("a", b"1")
            room.shelf.put("limit", "a", b"1")
            reads = room.store.reads
            await until(lambda: room.store.reads > reads + 2)
            assert reader.adopted == [{}, {"a": 1}]

    run(scenario())


def test_a_change_is_in_force_when_it_returns() -> None:
    """And is there for the next one."""

    async def scenario() -> None:
        reader = Reader()
        async with Room(reader) as room:
            read = await room.write("a", b"1")
            assert reader.now == {"a": 1}
            assert read.documents["limit"] == {"a": b"1"}
            assert read.version == room.shelf.version
            assert (await room.watch.read()) == read
            await room.write("a", None)
            assert reader.now == {}

    run(scenario())


def test_two_servers_that_count_lose_nothing() -> None:
    """Each looks again where the other was faster."""

    async def scenario() -> None:
        shelf = Shelf()
        readers = Reader(), Reader()

        def counted(there: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            return {"count": b"%d" % (int(there.get("count", b"0")) + 1)}

        async def count(reader: Reader) -> None:
            assert reader.documents is not None
            for _ in range(20):
                await reader.documents.rewrite(counted)

        async with Room(readers[0], shelf=shelf), Room(readers[1], shelf=shelf):
            await asyncio.gather(*map(count, readers))
            await until(lambda: readers[0].now == readers[1].now == {"count": 40})

    run(scenario())


def test_a_rewrite_sees_and_changes_its_kind_only() -> None:
    """Whatever else is in the store."""

    async def scenario() -> None:
        reader = Reader()
        shelf = Shelf()
        shelf.put("role", "a", b"1")
        async with Room(reader, shelf=shelf) as room:
            seen: list[Mapping[str, bytes]] = []

            def rewrite(there: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
                seen.append(dict(there))
                return {"a": b"2"}

            assert reader.documents is not None
            await reader.documents.rewrite(rewrite)
            assert seen == [{}]
            assert {name: content for name, (_, content) in room.shelf.rows.items()} == {
                DocumentName("role", "a"): b"1",
                DocumentName("limit", "a"): b"2",
            }

    run(scenario())


def test_a_rewrite_that_refuses_leaves_everything() -> None:
    """What it raises arrives."""

    async def scenario() -> None:
        reader = Reader()
        async with Room(reader) as room:

            def refuse(_there: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
                raise KeyError("no")

            assert reader.documents is not None
            with pytest.raises(KeyError):
                await reader.documents.rewrite(refuse)
            assert room.shelf.version == 0

    run(scenario())


def test_conflicts_end() -> None:
    """Where others never let one through, that is said."""

    async def scenario() -> None:
        async with Room(Reader()) as room:
            room.store.conflicts = 3
            await room.write("a", b"1")
            room.store.conflicts = 1000
            with pytest.raises(StoreUnavailable, match="at the same time"):
                await room.write("b", b"1")

    run(scenario())


@pytest.mark.parametrize(
    ("kind", "name", "content", "param"),
    [
        ("Limit", "a", b"1", "kind"),
        ("limit", "", b"1", "name"),
        ("limit", "a b", b"1", "name"),
        ("limit", "x" * 129, None, "name"),
        ("limit", "a", b"{", "limit/a"),
        ("limit", "a", b'"\xff"', "limit/a"),
        ("limit", "a", b"[" * 100_000, "limit/a"),
        ("limit", "a", b'"' + b"x" * CONTENT_MAX + b'"', "limit/a"),
        ("limit", "a", b'"bad"', "limit/a"),
    ],
)
def test_what_cannot_be_a_document_is_refused(kind: str, name: str, content: bytes | None, param: str) -> None:
    """By its name, and nothing of it is written."""

    async def scenario() -> None:
        async with Room(Reader()) as room:
            if content is None:
                room.shelf.put(kind, name, b"1")
            version = room.shelf.version
            with pytest.raises(InvalidRequest) as refused:
                await room.write(name, content, kind)
            assert refused.value.param == param
            assert room.shelf.version == version

    run(scenario())


def test_too_many_at_once_are_refused() -> None:
    """A thousand are not."""

    async def scenario() -> None:
        async with Room(Reader()) as room:
            many = {DocumentName("limit", f"n{number}"): b"1" for number in range(CHANGES_MAX + 1)}
            with pytest.raises(InvalidRequest, match="1000"):
                await room.watch.change(lambda _: many)
            many.popitem()
            assert len((await room.watch.change(lambda _: many)).documents["limit"]) == CHANGES_MAX

    run(scenario())


def test_a_broken_document_changes_nothing_and_is_said() -> None:
    """What was adopted before holds, until somebody mends it."""

    async def scenario() -> None:
        reader, roles = Reader(), Reader("role")
        async with Room(reader, roles) as room:
            room.shelf.put("limit", "a", b"1")
            await until(lambda: reader.now == {"a": 1})
            room.shelf.put("limit", "a", b'"bad"')
            room.shelf.put("role", "b", b"2")
            await until(lambda: bool(room.watch.troubles()))
            assert room.watch.troubles() == {"plugin-0": ["documents of the kind limit are not in force: a is bad"]}
            await until(lambda: roles.now == {"b": 2})
            assert reader.now == {"a": 1}
            room.watch.require()
            with pytest.raises(InvalidRequest):
                await room.write("c", b"3")
            await room.write("a", b"4")
            assert reader.now == {"a": 4}
            assert room.watch.troubles() == {}

    run(scenario())


def test_an_object_that_fails_is_asked_again() -> None:
    """It may be the moment's fault; a change that waits for it says that it is written and not in force."""

    async def scenario() -> None:
        reader = Reader()
        async with Room(reader) as room:
            reader.failure = RuntimeError("no memory")
            with pytest.raises(PolicyUnavailable, match="written"):
                await room.write("a", b"1")
            assert room.watch.troubles() == {"plugin-0": ["documents of the kind limit are not in force: RuntimeError"]}
            reader.failure = None
            await until(lambda: reader.now == {"a": 1})
            await until(lambda: not room.watch.troubles())

    run(scenario())


def test_an_object_that_hangs_holds_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the store's reading nor other kinds; then it is left."""
    monkeypatch.setattr(governed, "DEADLINE_S", 0.2)

    async def scenario() -> None:
        reader, roles = Reader(), Reader("role")
        async with Room(reader, roles) as room:
            reader.hangs = True
            room.shelf.put("limit", "a", b"1")
            reads = room.store.reads
            await until(lambda: room.store.reads > reads)
            room.shelf.put("role", "b", b"2")
            await until(lambda: roles.now == {"b": 2})
            await until(lambda: bool(room.watch.troubles()))
            assert room.watch.troubles()["plugin-0"] == [
                "documents of the kind limit are not in force: no answer within 0.2 s"
            ]
            reader.hangs = False
            await until(lambda: reader.now == {"a": 1})

    run(scenario())


@pytest.mark.parametrize("how", ["fails", "hangs", "breaks", "goes back"])
def test_rules_that_are_too_old_let_nobody_do_anything(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the store can be read again."""
    monkeypatch.setattr(policy_reading, "READ_S", 0.05)

    async def scenario() -> None:
        reader = Reader()
        async with Room(reader, stale_s=0.5) as room:
            room.shelf.put("limit", "a", b"1")
            await until(lambda: reader.now == {"a": 1})
            if how == "hangs":
                room.store.hangs = True
            elif how == "goes back":
                room.shelf.version -= 1
            else:
                room.store.failure = away() if how == "fails" else ValueError("a defect")
            await until(lambda: room.watch.stale)
            with pytest.raises(PolicyUnavailable):
                room.watch.require()
            [said] = room.watch.troubles()["shelf"]
            assert "all requests are refused" in said
            with pytest.raises(StoreUnavailable):
                await room.write("b", b"2")
            room.store.failure, room.store.hangs = None, False
            room.shelf.version = max(room.shelf.version, 1)
            room.shelf.put("limit", "a", b"2")
            await until(lambda: not room.watch.stale)
            await until(lambda: reader.now == {"a": 2})
            room.watch.require()
            assert room.watch.troubles() == {}

    run(scenario())


def test_a_short_cut_is_not_felt() -> None:
    """It is only said."""

    async def scenario() -> None:
        async with Room(Reader()) as room:
            room.store.failure = away()
            await until(lambda: bool(room.watch.troubles()))
            assert room.watch.troubles() == {"shelf": ["the policy store cannot be read: the cable is cut"]}
            room.watch.require()

    run(scenario())


def test_a_write_that_fails_says_so() -> None:
    """And what is written all the same is seen with the next look."""

    async def scenario() -> None:
        reader = Reader()
        async with Room(reader) as room:
            change = room.store.change

            async def late(version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
                await change(version, documents)
                raise TimeoutError

            room.store.change = late  # type: ignore[method-assign]
            with pytest.raises(StoreUnavailable, match="look whether"):
                await room.write("a", b"1")
            await until(lambda: reader.now == {"a": 1})

    run(scenario())


@pytest.mark.parametrize("what", ["unreachable", "broken", "foreign", "unfit", "governed"])
def test_what_cannot_begin_well_does_not_begin(what: str) -> None:
    """With an error that names the plugin."""

    async def scenario() -> None:
        reader = Reader()
        room = Room(reader)
        expected: tuple[type[JackfieldError], str] = (ManifestError, "plugin-0")
        if what == "unreachable":
            room.store.failure = away()
            expected = (StoreUnavailable, "shelf cannot be read: the cable is cut")
        elif what == "broken":
            room.shelf.put("limit", "a", b'"bad"')
        elif what == "foreign":
            room.store.failure = ManifestError("config.store.key: another key", param="config.store.key")
            expected = (ManifestError, "config.store.key")
        elif what == "unfit":
            reader.failure = RuntimeError("no")
        else:
            reader.governed = None  # type: ignore[assignment,method-assign]
            expected = (PluginError, r"plugin-0: governed\(\)")
        with pytest.raises(expected[0], match=expected[1]):
            await room.watch.start()
        await room.watch.close()

    run(scenario())


def test_what_is_no_answer_of_a_store_is_said() -> None:
    """By a plugin that does not keep its promise."""

    async def scenario() -> None:
        room = Room(Reader())

        async def nonsense(_version: int) -> object:
            return json

        room.store.since = nonsense  # type: ignore[assignment,method-assign]
        with pytest.raises(StoreUnavailable, match="not Changes"):
            await room.watch.start()

    run(scenario())


def test_factories_that_fail_are_named() -> None:
    """In their own words, where they have any."""
    with pytest.raises(PluginError, match="policy store x: its factory raised ZeroDivisionError"):
        PolicyWatch({"x": lambda: 1 // 0}, (), 5.0)  # type: ignore[dict-item,return-value]
    odd = Reader("No Kind")
    with pytest.raises(PluginError, match="No Kind"):
        PolicyWatch({"x": lambda: PlayedStore(Shelf())}, [("odd", odd)], 5.0)


def test_without_a_store_nothing_is_asked_of_anybody() -> None:
    """And nothing is refused."""

    async def scenario() -> None:
        reader = Reader()
        watch = PolicyWatch({}, [("reader", reader)], 5.0)
        await watch.start()
        watch.require()
        assert not watch.enabled
        assert reader.documents is None
        assert watch.kinds == ()
        with pytest.raises(StoreUnavailable):
            await watch.read()
        await watch.close()

    run(scenario())


def test_one_store_is_used() -> None:
    """The first one listed."""
    first, second = PlayedStore(Shelf()), PlayedStore(Shelf())

    async def scenario() -> None:
        watch = PolicyWatch({"first": lambda: first, "second": lambda: second}, (), 5.0)
        await watch.start()
        await watch.close()

    run(scenario())
    assert (first.reads > 0, second.reads) == (True, 0)


def test_looks_leave_time_to_adopt() -> None:
    """Changes are promised to be in force within 250 ms."""
    assert LOOK_S <= 0.1
