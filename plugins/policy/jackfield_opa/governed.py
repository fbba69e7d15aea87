"""The embedded engine whose policies may come from the policy store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest, ManifestError
from jackfield_opa.embedded import EmbeddedEngine
from jackfield_opa.sources import documents_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.policy_store import Documents
    from jackfield_opa.bundle import Bundle
    from jackfield_opa.pool import Pool

KIND: Final = "rego"


class GovernedEngine(EmbeddedEngine):
    """An ``EmbeddedEngine`` that is ``Governed``: documents replace the folder as long as there are some."""

    @property
    def document_kind(self) -> str:
        return KIND

    def governed(self, documents: Documents) -> None:
        del documents  # it changes none itself

    async def check(self, documents: Mapping[str, bytes]) -> None:
        if documents:
            pool = await self._pool_of(documents_bundle(documents), documents)
            await pool.close()

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        bundle = documents_bundle(documents) if documents else await asyncio.to_thread(self.source.read)
        await self.change(bundle)
        self.follow(files=not documents)

    async def _pool_of(self, bundle: Bundle, documents: Mapping[str, bytes]) -> Pool:
        try:
            return await self.prepared(bundle)
        except ManifestError as error:
            named = error.message.partition(":")[0]
            raise InvalidRequest(error.message, param=named if named in documents else KIND) from error
