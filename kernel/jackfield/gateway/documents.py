"""The watch over the policy store: what anybody changes is in force here a moment later, or nothing is served.

The store is asked several times a second what has changed. Each kind's documents go to the objects that take them
(``jackfield.gateway.governed``). Where the store has not answered for longer than ``kernel.policy_stale_s``, somebody
may have revoked something that this gateway does not know of: it refuses all requests until the store answers again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import (
    InvalidRequest,
    JackfieldError,
    ManifestError,
    PluginError,
    PolicyUnavailable,
    StoreUnavailable,
)
from jackfield.gateway.document_changes import KindDocuments, after, checked
from jackfield.gateway.governed import governed_kinds
from jackfield.gateway.other_hands import OtherHands
from jackfield.gateway.policy_reading import PolicyReading
from jackfield.logs import traceback_of
from jackfield.ports.outside_change import Inventory
from jackfield.ports.policy_store import DocumentName, DocumentsRead, Governed, Isolating, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.gateway.outside_changes import OutsideChanges
    from jackfield.ports.outside_change import OutsideChange
    from jackfield.ports.policy_store import Change, PolicyStoreFactory

LOOK_S: Final = 0.1
"""Between two looks at the store."""

ATTEMPTS: Final = 20
"""How often a change is tried where others change the store at the same time; each time one of them succeeds."""


class PolicyWatch:
    """The policy store, and the objects that go by what is in it. Event loop thread. Implements ``PolicyDocuments``.

    Parameters:
        factories: By name, as ``Kernel.policy_stores`` gives them; the first one is used.
        objects: Of all stages, with the names of their plugins.
        stale_s: ``kernel.policy_stale_s``.
        outside: Told of what others have changed; None tells nobody.

    Raises:
        PluginError: The factory failed, or an object cannot be governed; the message names the plugin.
        ManifestError: The store cannot be used.
    """

    def __init__(
        self,
        factories: Mapping[str, PolicyStoreFactory],
        objects: Sequence[tuple[str, object]],
        stale_s: float,
        outside: OutsideChanges | None = None,
    ) -> None:
        self._stale_s = stale_s
        self._outside = outside
        self._hands = OtherHands(objects, self._changed_outside)
        self._isolating = [
            (name, each) for name, each in objects if isinstance(each, Governed) and isinstance(each, Isolating)
        ]
        self._log = structlog.get_logger("jackfield.gateway")
        self._reading: PolicyReading | None = None
        for name, factory in factories.items():
            self._reading = PolicyReading(name, factory)
            break
        self._kinds = governed_kinds(objects) if factories else {}
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    @property
    def enabled(self) -> bool:
        """Whether there is a store."""
        return self._reading is not None

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """The store, with the name of its plugin, where there is one."""
        return () if self._reading is None else ((self._reading.name, self._reading.store),)

    @property
    def kinds(self) -> Sequence[str]:
        """See ``PolicyDocuments``."""
        return tuple(self._kinds)

    @property
    def stale(self) -> bool:
        """Whether the store has been out of reach for too long."""
        return self._reading is not None and time.monotonic() - self._reading.fresh_at > self._stale_s

    def require(self) -> None:
        """Let nobody do anything by rules that are too old.

        Raises:
            PolicyUnavailable: They are.
        """
        if self.stale:
            raise PolicyUnavailable("the policies cannot be read at present, so nobody is allowed anything; try again")

    def troubles(self) -> Mapping[str, Sequence[str]]:
        """What is wrong with the store and with documents, by the name of the plugin."""
        found: dict[str, list[str]] = {}
        if self._reading is not None and self._reading.fault:
            refused = "; all requests are refused" if self.stale else ""
            found[self._reading.name] = [f"the policy store cannot be read: {self._reading.fault}{refused}"]
        for kind, governed in self._kinds.items():
            for name, fault in governed.faults.items():
                found.setdefault(name, []).append(f"documents of the kind {kind} are not in force: {fault}")
        return found

    async def start(self) -> None:
        """Have all documents adopted, and watch from then on. Does nothing where there is no store.

        Raises:
            StoreUnavailable: The store does not answer.
            ManifestError: What it holds cannot be read, or an object cannot adopt it.
            PluginError: An object has failed.
        """
        reading = self._reading
        if reading is None:
            return
        for kind, governed in self._kinds.items():
            governed.introduce(KindDocuments(self, kind))
        try:
            await reading.look()
        except StoreUnavailable as error:
            raise StoreUnavailable(f"the policy store {reading.name} cannot be read: {reading.fault}") from error
        for kind, governed in self._kinds.items():
            governed.offer(reading.kind(kind))
            await governed.settled()
            for name, fault in governed.faults.items():
                raise ManifestError(f"the plugin {name} cannot go by what the store {reading.name} holds: {fault}")
        if self._outside is not None:
            self._outside.found(reading.name, _inventory(reading.read))
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """End the watch, and close the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if self._outside is not None and self._reading is not None:
                self._outside.left(self._reading.name, _inventory(self._reading.read))
        for governed in self._kinds.values():
            governed.close()
        if self._reading is not None:
            await self._reading.close()

    async def read(self) -> DocumentsRead:
        """See ``PolicyDocuments``."""
        return await self._look()

    async def change(self, change: Change) -> DocumentsRead:
        """See ``PolicyDocuments``."""
        for _ in range(ATTEMPTS):
            read = await self._look()
            wanted = checked(read, change(read))
            if not wanted:
                return read
            await self._check(read, wanted)
            with self._hands.writing(wanted), suppress(VersionConflict):
                await self._written().change(read.version, wanted)
                return await self._in_force({name.kind for name in wanted})
        raise StoreUnavailable("others change the policies at the same time; try again")

    async def _check(self, read: DocumentsRead, wanted: Mapping[DocumentName, bytes | None]) -> None:
        """Ask all objects whether they would go by *wanted*, and by each document of it."""
        for name, content in wanted.items():
            if content is not None:
                self._check_document(name, content)
        for kind in {name.kind for name in wanted} & self._kinds.keys():
            await self._kinds[kind].check(after(read, wanted, kind))

    def _check_document(self, name: DocumentName, content: bytes) -> None:
        for plugin, each in self._isolating:
            if name.kind != each.document_kind:
                continue
            check: Callable[[str, bytes], object] = each.check_document
            try:
                if check(name.name, content) is not None:
                    raise PluginError("check_document() returned something, as if it were to be awaited")
            except InvalidRequest:
                raise
            except Exception as error:
                self._log.error("a plugin failed with a document", plugin=plugin, traceback=traceback_of(error))
                raise PolicyUnavailable(f"{plugin} cannot tell whether it would go by that; try again") from error

    async def _in_force(self, kinds: set[str]) -> DocumentsRead:
        """What is there now, once the objects go by it."""
        read = await self._look()
        for kind in kinds & self._kinds.keys():
            await self._kinds[kind].settled()
            for name in self._kinds[kind].faults:
                raise PolicyUnavailable(f"the change is written, but the plugin {name} does not go by it yet")
        return read

    def _written(self) -> PolicyReading:
        if self._reading is None:
            raise StoreUnavailable("no enabled plugin keeps policies in a store")
        return self._reading

    async def _look(self) -> DocumentsRead:
        """What is there now; objects whose documents have changed are told."""
        reading = self._written()
        try:
            async with self._looking:
                before = reading.read
                changed = await reading.look()
                self._hands.compare(before, reading.read)
        except ManifestError as error:
            raise StoreUnavailable("the policies cannot be read; the server's log says why") from error
        for kind in changed & self._kinds.keys():
            self._kinds[kind].offer(reading.kind(kind))
        return reading.read

    def _changed_outside(self, change: OutsideChange) -> None:
        if self._outside is not None:
            self._outside.changed(self._written().name, change)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(JackfieldError):  # it has been told
                await self._look()
            for governed in self._kinds.values():
                governed.retry()


def _inventory(read: DocumentsRead) -> Inventory:
    count = sum(len(documents) for documents in read.documents.values())
    return Inventory(kind="document", source="store", count=count, state=f"version {read.version}")
