"""Changes of policy documents: what they may be, and one kind's as the object that takes it sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.ports.policy_store import CHANGES_MAX, CONTENT_MAX, KIND, NAME, DocumentName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.policy_store import DocumentsRead, PolicyDocuments, Rewrite


class KindDocuments:
    """See ``jackfield.ports.policy_store.Documents``. Event loop thread.

    Parameters:
        documents: Those of all kinds.
        kind: The only kind that is seen and changed.
    """

    def __init__(self, documents: PolicyDocuments, kind: str) -> None:
        self._documents = documents
        self._kind = kind

    async def rewrite(self, rewrite: Rewrite) -> None:
        """See ``Documents``."""

        def change(read: DocumentsRead) -> Mapping[DocumentName, bytes | None]:
            wanted = rewrite(read.documents.get(self._kind, {}))
            return {DocumentName(self._kind, name): content for name, content in wanted.items()}

        await self._documents.change(change)


def checked(read: DocumentsRead, wanted: Mapping[DocumentName, bytes | None]) -> Mapping[DocumentName, bytes | None]:
    """Those of *wanted* that are not so already.

    Raises:
        InvalidRequest: They are too many, or one cannot be a document; ``param`` names it.
    """
    changed = {
        name: content for name, content in wanted.items() if read.documents.get(name.kind, {}).get(name.name) != content
    }
    if len(changed) > CHANGES_MAX:
        raise InvalidRequest(f"a change may be of {CHANGES_MAX} documents, and this is of {len(changed)}")
    for name, content in changed.items():
        check_document(name, content)
    return changed


def after(read: DocumentsRead, wanted: Mapping[DocumentName, bytes | None], kind: str) -> Mapping[str, bytes]:
    """All documents of *kind*, once *wanted* is written."""
    documents = {**read.documents.get(kind, {})}
    for name, content in wanted.items():
        if name.kind != kind:
            continue
        if content is None:
            documents.pop(name.name, None)
        else:
            documents[name.name] = content
    return documents


def check_document(name: DocumentName, content: bytes | None) -> None:
    """Refuse what cannot be a document; None is one that goes.

    Raises:
        InvalidRequest: ``param`` names it.
    """
    if not KIND.match(name.kind):
        raise InvalidRequest("a kind is a small letter and then small letters, digits and - (at most 32)", param="kind")
    if not NAME.match(name.name):
        raise InvalidRequest("a name is letters, digits and . _ : @ / - (at most 128)", param="name")
    if content is None:
        return
    if len(content) > CONTENT_MAX:
        raise InvalidRequest(f"the document has more than {CONTENT_MAX} bytes", param=f"{name.kind}/{name.name}")
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("the document is not JSON", param=f"{name.kind}/{name.name}") from error
