"""The book of roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.ports.roles import Grants
from jackfield_rbac.config import ALL_MODELS, NAME, ROLES_MAX, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.identity import Principal
    from jackfield.ports.policy_store import Documents

_decoder: Final = msgspec.json.Decoder(Role)


class Roles:
    """What roles bring; implements ``RoleBook`` and ``Governed``. Event loop thread.

    Parameters:
        written: Roles of the options, by name.
    """

    document_kind: Final = "role"

    def __init__(self, written: Mapping[str, Role]) -> None:
        self._written = {name: _grants(role) for name, role in written.items()}
        self._grants: Mapping[str, Grants] = self._written

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
        _read(documents)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        self._grants = {**self._written, **_read(documents)}


def _read(documents: Mapping[str, bytes]) -> Mapping[str, Grants]:
    """The roles in *documents*, by name.

    Raises:
        InvalidRequest: One is none; ``param`` names it and its field.
    """
    if len(documents) > ROLES_MAX:
        raise InvalidRequest(f"there are more than {ROLES_MAX} roles", param="role")
    return {name: _grants(_role(name, data)) for name, data in documents.items()}


def _role(name: str, data: bytes) -> Role:
    if not NAME.match(name):
        raise InvalidRequest("a role is called by letters, digits and . _ : @ / - (at most 64)", param=name)
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        what, _, place = str(error).partition(" - at `$")
        raise InvalidRequest(f"the role {name}: {what}", param=f"{name}{place.rstrip('`')}") from error


def _grants(role: Role) -> Grants:
    return Grants(scopes=frozenset(role.scopes), models=None if ALL_MODELS in role.models else frozenset(role.models))
