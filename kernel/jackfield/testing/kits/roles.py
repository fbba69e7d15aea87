"""What every ``RoleBook`` must pass.

Subclass ``RoleBookKit`` in a test module and say which plugin it is about, and which roles it knows::

    class TestConformance(RoleBookKit):
        manifest = 'enabled = ["my-plugin"]'
        needs = {"known": ["reader", "writer"]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.plugins import Kernel
from jackfield.ports.identity import SCOPE, Principal
from jackfield.ports.roles import Grants
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.ports.roles import RoleBook, RoleBookFactory

NOTHING: Final = Grants()

STRANGE: Final = ("", " ", "*", "no such role", "x" * 10_000, "\0", "\ud800", "../admin", "{0}", "admin\nroot")
"""Roles that an authenticator may claim, and nobody knows."""

_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixture gives the same thing each time."""


class RoleBookNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of a book of roles."""

    known: tuple[str, ...]
    """Roles that it knows; each brings something. At least one."""


class RoleBookKit(Kit):
    """Books of roles bring what is known, nothing for what is not, and never less for more roles."""

    Needs = RoleBookNeeds

    @pytest.fixture
    def make_book(self) -> RoleBookFactory:
        """The factory that the plugin hands over."""
        factory: RoleBookFactory = self.made(Kernel.roles)
        return factory

    @pytest.fixture
    def known(self) -> tuple[str, ...]:
        """Roles that it knows."""
        known = self.told(RoleBookNeeds).known
        assert known, "the kit must be told of a role that is known"
        return known

    def test_a_known_role_brings_something(self, make_book: RoleBookFactory, known: tuple[str, ...]) -> None:
        """With scopes that are scopes; and the same each time."""
        book = make_book()
        for role in known:
            grants = granted(book, [role])
            assert grants.scopes or grants.models is None or grants.models, f"the role {role} brings nothing"
            assert all(SCOPE.match(scope) for scope in grants.scopes)
            assert granted(book, [role]) == grants

    def test_without_a_role_nothing_is_brought(self, make_book: RoleBookFactory) -> None:
        """Whoever it is."""
        assert granted(make_book(), []) == NOTHING

    @pytest.mark.parametrize("role", STRANGE)
    def test_an_unknown_role_brings_nothing(self, make_book: RoleBookFactory, role: str) -> None:
        """Whatever an authenticator says of its principals."""
        assert granted(make_book(), [role]) == NOTHING

    @settings(max_examples=100, deadline=None, suppress_health_check=_ACCEPTED)
    @given(roles=st.lists(st.text(max_size=50), max_size=5))
    def test_unknown_roles_change_nothing(
        self, make_book: RoleBookFactory, known: tuple[str, ...], roles: list[str]
    ) -> None:
        """Beside known ones either."""
        book = make_book()
        strange = [role for role in roles if role not in known and granted(book, [role]) == NOTHING]
        assert granted(book, [known[0], *strange]) == granted(book, [known[0]])

    def test_more_roles_never_bring_less(self, make_book: RoleBookFactory, known: tuple[str, ...]) -> None:
        """All that each of them brings."""
        book = make_book()
        together = granted(book, known)
        for role in known:
            alone = granted(book, [role])
            assert alone.scopes <= together.scopes
            if together.models is not None:
                assert alone.models is not None
                assert alone.models <= together.models

    def test_what_is_brought_hangs_on_roles_alone(self, make_book: RoleBookFactory, known: tuple[str, ...]) -> None:
        """Not on what its holder has already."""
        book = make_book()
        rich = holder(known, scopes=frozenset({"*"}), models=frozenset({"m"}), owner="somebody", team="some")
        assert book.grants(rich) == granted(book, known)


def granted(book: RoleBook, roles: Iterable[str]) -> Grants:
    """What *book* brings to whoever has *roles* and nothing else."""
    grants = book.grants(holder(roles))
    assert isinstance(grants, Grants), f"grants() returned {type(grants).__name__}"
    return grants


def holder(
    roles: Iterable[str],
    *,
    scopes: frozenset[str] = frozenset(),
    models: frozenset[str] | None = frozenset(),
    owner: str = "",
    team: str = "",
) -> Principal:
    """Whoever has *roles*."""
    return Principal(
        id="kit",
        name="kit",
        fingerprint="000000",
        roles=frozenset(roles),
        scopes=scopes,
        models=models,
        owner=owner,
        team=team,
    )
