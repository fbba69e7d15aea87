"""The policy engine of Cedar; implements ``jackfield.ports.policy.PolicyEngine`` and ``PolicyWorkbench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import PolicyUnavailable
from jackfield_cedar.documents import read_documents
from jackfield_cedar.live import LivePolicies
from jackfield_cedar.schema import schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jackfield.ports.policy import Decision, Explanation, PolicyInput, PolicyTest
    from jackfield.ports.policy_store import Documents
    from jackfield_cedar.config import CedarConfig
    from jackfield_cedar.policies import Policies

KIND: Final = "cedar"
"""Of documents in the policy store."""


class CedarEngine:
    """Decides by the policies of a folder. Event loop thread: a decision takes about 0.1 ms.

    Parameters:
        live: The folder.
    """

    def __init__(self, live: LivePolicies) -> None:
        self._live = live
        self._closed = False

    @property
    def troubles(self) -> Sequence[str]:
        """See ``jackfield.ports.condition.Condition``."""
        return (f"the policies in force are older ones: {self._live.trouble}",) if self._live.trouble else ()

    async def decide(self, question: PolicyInput) -> Decision:
        """See ``PolicyEngine``."""
        return (await self._policies()).decide(question)

    async def explain(self, question: PolicyInput) -> Explanation:
        """See ``PolicyWorkbench``."""
        return (await self._policies()).explain(question)

    async def test(self) -> Sequence[PolicyTest]:
        """See ``PolicyWorkbench``."""
        return (await self._policies()).test()

    async def close(self) -> None:
        """See ``PolicyEngine``."""
        self._closed = True
        await self._live.close()

    async def _policies(self) -> Policies:
        if self._closed:
            raise PolicyUnavailable("the policy engine is closed")
        return await self._live.current()


class GovernedCedarEngine(CedarEngine):
    """The same, by documents of the policy store as soon as there are some; implements ``Governed`` too.

    Parameters:
        live: The folder, while there are none.
        schema: What policies may name.
    """

    document_kind: Final = KIND

    def __init__(self, live: LivePolicies, schema: str) -> None:
        super().__init__(live)
        self._schema = schema
        self._adopted: Policies | None = None

    def governed(self, documents: Documents) -> None:
        """See ``Governed``: nothing here changes documents."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        await read_documents(documents, self._schema)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        self._adopted = await read_documents(documents, self._schema)

    async def _policies(self) -> Policies:
        folder = await super()._policies()
        return folder if self._adopted is None else self._adopted


def engine(name: str, folder: Path, config: CedarConfig) -> CedarEngine:
    """An engine as *config* wants it.

    Parameters:
        name: The plugin instance's.
        folder: ``config.policies``, absolute.
        config: Its options.

    Raises:
        ManifestError: The policies cannot be used.
    """
    text = schema(config.actions)
    live = LivePolicies(name, folder, config.policies, text)
    return GovernedCedarEngine(live, text) if config.store else CedarEngine(live)
