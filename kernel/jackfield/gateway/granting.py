"""What callers may by their roles, besides what their credentials allow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import AuthenticatorFailed, PluginError
from jackfield.gateway.plugged import plug
from jackfield.port_calls import CallTimes
from jackfield.ports.identity import SCOPE
from jackfield.ports.roles import Grants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.gateway.plugged import Plugged
    from jackfield.ports.identity import Principal
    from jackfield.ports.roles import RoleBook, RoleBookFactory

_MESSAGE: Final = "what you may do cannot be looked up now; try again in a moment"


class Granting:
    """All enabled role books, in manifest order. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.roles`` gives them.

    Raises:
        PluginError: A factory failed, or made what knows no roles; the message names it.
    """

    def __init__(self, factories: Mapping[str, RoleBookFactory]) -> None:
        self._books = [(book, CallTimes("RoleBook.grants", book.name)) for book in _books(factories)]

    @property
    def objects(self) -> Sequence[tuple[str, RoleBook]]:
        """What plugins have supplied, with their names."""
        return [(book.name, book.object) for book, _ in self._books]

    def granted(self, principal: Principal) -> Principal:
        """*principal* with what its roles bring, united with what it has.

        Raises:
            AuthenticatorFailed: A book of roles broke.
        """
        if not self._books or not principal.roles:
            return principal
        scopes, models = principal.scopes, principal.models
        for book, times in self._books:
            grants = _asked(book, times, principal)
            scopes |= grants.scopes
            models = None if models is None or grants.models is None else models | grants.models
        return msgspec.structs.replace(principal, scopes=scopes, models=models)


def _books(factories: Mapping[str, RoleBookFactory]) -> list[Plugged[RoleBook]]:
    books = list(plug("role book", factories, AuthenticatorFailed, _MESSAGE))
    for book in books:
        if not callable(getattr(book.object, "grants", None)):
            made = type(book.object).__name__
            raise PluginError(f"role book {book.name}: its factory made {made}, which has no grants()")
    return books


def _asked(book: Plugged[RoleBook], times: CallTimes, principal: Principal) -> Grants:
    began = time.perf_counter()
    try:
        grants = book.object.grants(principal)
        _check(grants)
    except Exception as error:
        raise book.failed(error) from error
    finally:
        times.took(time.perf_counter() - began)
    return grants


def _check(grants: Grants) -> None:
    if not isinstance(grants, Grants):
        raise PluginError(f"grants() returned {type(grants).__name__}, not Grants")
    found: Sequence[object] = (grants.scopes, grants.models)
    if not all(isinstance(each, frozenset | None) for each in found):
        raise PluginError("grants() returned scopes or models that are no frozenset")
    if not all(map(SCOPE.match, grants.scopes)):
        raise PluginError("grants() returned what is not a scope")
