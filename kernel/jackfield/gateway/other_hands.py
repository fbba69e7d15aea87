"""Which documents of the policy store others have changed: commands, and other servers of the same store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import PluginError
from jackfield.logs import traceback_of
from jackfield.ports.outside_change import OutsideChange
from jackfield.ports.policy_store import Describing, DocumentName, Governed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jackfield.ports.outside_change import Tell
    from jackfield.ports.policy_store import DocumentsRead

_UNNAMED: Final = "a document"


class OtherHands:
    """Compares what was read with what was there before, and leaves out what this server writes. Event loop thread.

    Parameters:
        objects: Those that go by documents, with the names of their plugins.
        tell: Told of what others have changed.
    """

    def __init__(self, objects: Sequence[tuple[str, object]], tell: Tell) -> None:
        self._describing = {
            each.document_kind: (name, each)
            for name, each in reversed(objects)
            if isinstance(each, Governed) and isinstance(each, Describing)
        }
        self._tell = tell
        self._own: list[Mapping[DocumentName, bytes | None]] = []
        self._log = structlog.get_logger("jackfield.gateway")

    @contextmanager
    def writing(self, documents: Mapping[DocumentName, bytes | None]) -> Iterator[None]:
        """What is read meanwhile and is as in *documents* was written by this server."""
        self._own.append(documents)
        try:
            yield
        finally:
            self._own.remove(documents)

    def compare(self, before: DocumentsRead, now: DocumentsRead) -> None:
        """Tell what others have made of *before*."""
        for kind, documents in now.documents.items():
            former = before.documents.get(kind, {})
            if documents is not former:
                self._compare(kind, former, documents)

    def _compare(self, kind: str, before: Mapping[str, bytes], now: Mapping[str, bytes]) -> None:
        lists: dict[str, list[str]] = {"created": [], "changed": [], "removed": []}
        for name in sorted(before.keys() | now.keys()):
            old, new = before.get(name), now.get(name)
            if old == new or self._is_own(DocumentName(kind, name), new):
                continue
            described = self._described(kind, name, old, new)
            if described:
                lists["created" if old is None else "removed" if new is None else "changed"].append(described)
        if any(lists.values()):
            named = {how: tuple(names) for how, names in lists.items()}
            self._tell(OutsideChange(kind=kind, source="store", **named))

    def _is_own(self, name: DocumentName, content: bytes | None) -> bool:
        return any(name in each and each[name] == content for each in self._own)

    def _described(self, kind: str, name: str, before: bytes | None, after: bytes | None) -> str:
        plugin, describing = self._describing.get(kind, ("", None))
        if describing is None:
            return name
        try:
            words: object = describing.described(name, before, after)
            if not isinstance(words, str):
                raise PluginError(f"described() returned {type(words).__name__}, not a text")
            return words
        except Exception as error:  # noqa: BLE001 -- foreign code; the name itself may be no one's business
            trace = traceback_of(error)
            self._log.error("a plugin cannot name its document", plugin=plugin, kind=kind, traceback=trace)
            return _UNNAMED
