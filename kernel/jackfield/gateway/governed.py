"""Objects of plugins that go by documents of one kind, and how far they do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from jackfield.errors import InvalidRequest, JackfieldError, PluginError, PolicyUnavailable
from jackfield.gateway.answering import answered
from jackfield.logs import traceback_of
from jackfield.ports.policy_store import KIND, Governed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.policy_store import Documents

DEADLINE_S: Final = 5.0
"""How long one object may take to check documents, and to adopt them."""

RETRY_S: Final = 1.0
"""Between two attempts to have documents adopted by an object that has failed without a reason in them."""


class Taker(NamedTuple):
    """One object."""

    name: str
    """Of its plugin."""
    object: Governed


class GovernedKind:
    """All objects that take documents of one kind. Event loop thread.

    Parameters:
        kind: Of the documents.
        takers: At least one.

    Attributes:
        faults: Why the latest documents are not adopted, by the plugin's name; what was adopted before holds there.
    """

    def __init__(self, kind: str, takers: Sequence[Taker]) -> None:
        self.faults: Mapping[str, str] = {}
        self._kind = kind
        self._takers = takers
        self._documents: Mapping[str, bytes] = {}
        self._task: asyncio.Task[None] | None = None
        self._retry_at = float("inf")
        self._log = structlog.get_logger("jackfield.gateway")

    def introduce(self, documents: Documents) -> None:
        """Tell all objects how to change their documents.

        Raises:
            PluginError: One of them has failed; the message names it.
        """
        for taker in self._takers:
            try:
                taker.object.governed(documents)
            except Exception as error:
                raise PluginError(f"plugin {taker.name}: governed() raised {type(error).__name__}: {error}") from error

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """Ask all objects whether they would adopt *documents*.

        Raises:
            InvalidRequest: One would not, and says why.
            PolicyUnavailable: One cannot tell.
        """
        for taker in self._takers:
            try:
                await answered(taker.object.check(documents), DEADLINE_S)
            except InvalidRequest:
                raise
            except Exception as error:
                self._report(taker, error)
                raise PolicyUnavailable(f"{taker.name} cannot tell whether it would go by that; try again") from error

    def offer(self, documents: Mapping[str, bytes]) -> None:
        """Have *documents* adopted, after what is being adopted now; ``settled`` waits for that."""
        self._documents = documents
        self._retry_at = float("inf")
        self._task = asyncio.get_running_loop().create_task(self._adopt(documents, self._task))

    def retry(self) -> None:
        """Offer the same documents again, where it is time to."""
        if time.monotonic() >= self._retry_at:
            self.offer(self._documents)

    async def settled(self) -> None:
        """Wait until what was offered last is adopted, or has failed to be."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def close(self) -> None:
        """Adopt nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _adopt(self, documents: Mapping[str, bytes], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        if documents is not self._documents:
            return  # newer ones wait already
        faults: dict[str, str] = {}
        for taker in self._takers:
            fault = await self._adopted(taker, documents)
            if fault is not None:
                faults[taker.name] = fault
        self._tell(faults)
        self.faults = faults

    async def _adopted(self, taker: Taker, documents: Mapping[str, bytes]) -> str | None:
        """None where *taker* goes by *documents* now; why not, where it does not."""
        try:
            await answered(taker.object.check(documents), DEADLINE_S)
            await answered(taker.object.adopt(documents), DEADLINE_S)
        except InvalidRequest as error:
            return error.message
        except Exception as error:  # noqa: BLE001 -- foreign code; what it has adopted before holds
            self._retry_at = time.monotonic() + RETRY_S
            self._report(taker, error)
            return _reason(error)
        return None

    def _tell(self, faults: Mapping[str, str]) -> None:
        for name, reason in faults.items():
            if self.faults.get(name) != reason:
                self._log.error(
                    "documents cannot be used; what was adopted before holds",
                    plugin=name,
                    kind=self._kind,
                    reason=reason,
                )
        for name in self.faults.keys() - faults.keys():
            self._log.info("documents can be used again", plugin=name, kind=self._kind)

    def _report(self, taker: Taker, error: Exception) -> None:
        if self.faults.get(taker.name) != _reason(error):
            self._log.error(
                "a plugin failed with its documents",
                plugin=taker.name,
                kind=self._kind,
                reason=_reason(error),
                traceback=traceback_of(error),
            )


def governed_kinds(objects: Sequence[tuple[str, object]]) -> Mapping[str, GovernedKind]:
    """Those of *objects* that go by documents, by kind.

    Raises:
        PluginError: What an object says of its kind cannot be one.
    """
    takers: dict[str, dict[int, Taker]] = {}
    for name, each in objects:
        if not isinstance(each, Governed):
            continue
        kind = each.document_kind
        if not KIND.match(str(kind)):
            raise PluginError(f"plugin {name}: {kind!r} is no kind of documents")
        takers.setdefault(kind, {})[id(each)] = Taker(name, each)
    return {kind: GovernedKind(kind, list(found.values())) for kind, found in sorted(takers.items())}


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {DEADLINE_S:g} s"
    return error.message if isinstance(error, JackfieldError) else type(error).__name__
