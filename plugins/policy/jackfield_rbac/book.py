"""The book of roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from jackfield.errors import InvalidRequest
from jackfield.ports.roles import Grants
from jackfield_rbac.config import ALL_MODELS, NAME, ROLES_MAX, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.identity import Principal
    from jackfield.ports.policy_store import Documents

_decoder: Final = msgspec.json.Decoder(Role)


SHOWN: Final = 5
"""Documents that are no roles, of which messages say why."""

BROKEN: Final = Grants()
"""What a role brings whose document cannot be read: what it brought before may have been taken away by it."""


class Roles:
    """What roles bring; implements ``RoleBook``, ``Governed``, ``Isolating`` and ``Condition``. Event loop thread.

    A document that cannot be read is a role that brings nothing, and the others are what they say: if one stopped all,
    whoever spoils one would keep alive what is taken away from others.

    Parameters:
        written: Roles of the options, by name.
    """

    document_kind: Final = "role"

    def __init__(self, written: Mapping[str, Role]) -> None:
        self._written = {name: _grants(role) for name, role in written.items()}
        self._grants: Mapping[str, Grants] = self._written
        self._unusable: Mapping[str, str] = {}
        self._log = structlog.get_logger("jackfield.rbac")

    def grants(self, principal: Principal) -> Grants:
        """See ``RoleBook``."""
        known = [self._grants[role] for role in principal.roles if role in self._grants]
        if len(known) == 1:
            return known[0]
        models: frozenset[str] | None = frozenset()
        for each in known:
            models = None if models is None or each.models is None else models | each.models
        return Grants(scopes=frozenset().union(*(each.scopes for each in known)), models=models)

    def governed(self, documents: Documents) -> None:
        """See ``Governed``: nobody changes roles here."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``: of what each document says, see ``check_document``."""
        if len(documents) > ROLES_MAX:
            raise InvalidRequest(f"there are more than {ROLES_MAX} roles", param="role")

    def check_document(self, name: str, content: bytes) -> None:
        """See ``Isolating``."""
        _role(name, content)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        await self.check(documents)
        read: dict[str, Grants] = {}
        unusable: dict[str, str] = {}
        for name, data in documents.items():
            try:
                read[name] = _grants(_role(name, data))
            except InvalidRequest as error:
                read[name] = BROKEN
                unusable[name] = error.message
        self._grants = {**self._written, **read}
        if unusable and unusable != self._unusable:
            self._log.error("documents of roles cannot be read; they bring nothing", documents=sorted(unusable)[:SHOWN])
        self._unusable = unusable

    @property
    def troubles(self) -> tuple[str, ...]:
        """See ``Condition``: which documents are no roles."""
        if not self._unusable:
            return ()
        named = "; ".join(why for _, why in sorted(self._unusable.items())[:SHOWN])
        return (f"documents of roles that cannot be read ({len(self._unusable)}) bring nothing: {named}",)


def _role(name: str, data: bytes) -> Role:
    if not NAME.match(name):
        raise InvalidRequest(
            f"the role {name}: it must be called by letters, digits and . _ : @ / - (at most 64)", param=name
        )
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        what, _, place = str(error).partition(" - at `$")
        raise InvalidRequest(f"the role {name}: {what}", param=f"{name}{place.rstrip('`')}") from error


def _grants(role: Role) -> Grants:
    return Grants(scopes=frozenset(role.scopes), models=None if ALL_MODELS in role.models else frozenset(role.models))
