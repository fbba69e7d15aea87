"""The kit of role books itself: it passes a correct book and catches each kind of wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from jackfield.ports.roles import Grants
from jackfield.testing.kits.roles import RoleBookKit

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal
    from jackfield.ports.roles import RoleBookFactory

KNOWN = ("reader", "boss")


class Plain:
    """The simplest correct book."""

    def grants(self, principal: Principal) -> Grants:
        scopes = {"reader": {"models:read"}, "boss": {"*"}}
        known = principal.roles & scopes.keys()
        models = None if "boss" in known else frozenset({"m"}) if known else frozenset()
        return Grants(scopes=frozenset().union(*(scopes[role] for role in known)), models=models)


class Generous(Plain):
    """Whoever has any role may read."""

    def grants(self, principal: Principal) -> Grants:
        return Grants(scopes=frozenset({"models:read"})) if principal.roles else Grants()


class Open(Plain):
    """So may whoever has none."""

    def grants(self, principal: Principal) -> Grants:
        return Grants(scopes=frozenset({"models:read"}))


class Empty(Plain):
    """Knows nothing."""

    def grants(self, principal: Principal) -> Grants:
        return Grants()


class Odd(Plain):
    """Brings what is no scope."""

    def grants(self, principal: Principal) -> Grants:
        return Grants(scopes=frozenset({"Not A Scope"})) if principal.roles & set(KNOWN) else Grants()


class Narrow(Plain):
    """Brings what the least role does."""

    def grants(self, principal: Principal) -> Grants:
        return Grants(scopes=frozenset({"embed"})) if len(principal.roles) > 1 else super().grants(principal)


class Nosy(Plain):
    """Looks at who it is."""

    def grants(self, principal: Principal) -> Grants:
        return Grants(scopes=frozenset({"*"})) if principal.owner else super().grants(principal)


class TestPlain(RoleBookKit):
    """All of it."""

    needs: ClassVar = {"known": list(KNOWN)}

    @pytest.fixture
    def make_book(self) -> RoleBookFactory:
        return Plain


@pytest.mark.parametrize(
    ("wrong", "test", "more"),
    [
        (Empty, "test_a_known_role_brings_something", (KNOWN,)),
        (Odd, "test_a_known_role_brings_something", (KNOWN,)),
        (Open, "test_without_a_role_nothing_is_brought", ()),
        (Generous, "test_an_unknown_role_brings_nothing", ("nobody",)),
        (Narrow, "test_unknown_roles_change_nothing", (KNOWN,)),
        (Narrow, "test_more_roles_never_bring_less", (KNOWN,)),
        (Nosy, "test_what_is_brought_hangs_on_roles_alone", (KNOWN,)),
    ],
)
def test_what_is_wrong_is_caught(wrong: type[Plain], test: str, more: tuple[object, ...]) -> None:
    """By the test that is about it."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(RoleBookKit(), test)(wrong, *more)
