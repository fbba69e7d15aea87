"""Work of frontends that no request waits for, and the record stores that it has until the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.kernel.gateway.conftest import SmallFrontend

from jackfield.errors import ManifestError, PluginError, StoreUnavailable
from jackfield.gateway import records
from jackfield.gateway.records import NamedRecordStore
from jackfield.ports.records import Record, StoreFull

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from tests.kernel.gateway.conftest import Serve

    from jackfield.ports.frontend import Gateway


class Worker(SmallFrontend):
    """A frontend with work of its own."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.seen: list[str] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        self.seen.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            self.seen.append("ended")


class Broken(SmallFrontend):
    """A frontend whose work breaks at once."""

    async def run(self) -> None:
        """It cannot."""
        raise ValueError("hunter2")


def test_work_begins_with_the_server_and_ends_with_it(serve: Serve) -> None:
    """Without any request."""
    made: list[Worker] = []

    def make(gateway: Gateway) -> Worker:
        made.append(Worker(gateway))
        return made[-1]

    served = serve(frontends={"small": make})
    served.until(lambda: made[0].seen == ["began"])
    served.loop.run(served.server.close())
    assert made[0].seen == ["began", "ended"]


def test_work_that_breaks_costs_nothing_else(serve: Serve) -> None:
    """Requests are served, and the server ends as ever."""
    served = serve(frontends={"small": Broken})
    assert served.get_health("/livez")[0] == 200
    served.loop.run(served.server.close())


class Faulty:
    """A store in which every call does what it is told."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def put(self, record: Record, *, when: Literal["new", "there", "always"] = "always") -> bool:
        """Fail, or never come back."""
        return await self._fail()

    async def get(self, kind: str, record_id: str, tenant: str) -> Record | None:
        """Fail, or never come back."""
        await self._fail()
        return None

    async def delete(self, kind: str, record_id: str, tenant: str) -> bool:
        """Fail, or never come back."""
        return await self._fail()

    async def find(
        self,
        kind: str,
        tenant: str | None,
        *,
        parent: str = "",
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Record]:
        """Fail, or never come back."""
        await self._fail()
        return ()

    async def close(self) -> None:
        """Fail, or never come back."""
        await self._fail()

    async def _fail(self) -> bool:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        return True


RECORD = Record(kind="file", id="one", created=0.0)


@pytest.mark.parametrize("error", [ValueError("hunter2"), None], ids=["broken", "hanging"])
def test_a_store_that_fails_fails_the_request(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Whatever it is asked, in bounded time, with an error that may be tried again and says nothing of what broke."""
    monkeypatch.setattr(records, "DEADLINE_S", 0.01)

    async def body() -> None:
        store = NamedRecordStore("faulty", lambda: Faulty(error))
        for call in (
            store.put(RECORD),
            store.get("file", "one", ""),
            store.delete("file", "one", ""),
            store.find("file", None),
        ):
            with pytest.raises(StoreUnavailable) as refusal:
                await call
            assert "hunter2" not in refusal.value.message
        await store.close()

    asyncio.run(body())


def test_a_full_store_says_so() -> None:
    """That is for the frontend to tell."""

    async def body() -> None:
        with pytest.raises(StoreFull):
            await NamedRecordStore("full", lambda: Faulty(StoreFull("full"))).put(RECORD)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ManifestError("config.x: no such folder"), ManifestError, "no such folder"),
        (ValueError("odd"), PluginError, "record store x"),
    ],
)
def test_a_store_that_cannot_be_made(error: Exception, kind: type[Exception], text: str) -> None:
    """Stops the start, in its own words or with its name."""

    def make() -> Faulty:
        raise error

    with pytest.raises(kind, match=text):
        NamedRecordStore("x", make)
