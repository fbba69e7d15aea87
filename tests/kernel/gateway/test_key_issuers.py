"""Key issuers as frontends see them: who is one, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from jackfield.errors import AuthenticatorFailed, Conflict
from jackfield.gateway import key_issuers
from jackfield.gateway.identity import Identity
from jackfield.gateway.key_issuers import NamedKeyIssuer
from jackfield.ports.key_issuer import IssuedKey, KeyChange, KeyGrant, NewKey
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.ports.identity import Credential, Principal
    from jackfield.ports.key_issuer import Judge

KEY = IssuedKey(name="ci", fingerprint="000000", state="active", scopes=("generate",), created=datetime.now(UTC))
GRANT = KeyGrant(name="ci", scopes=("generate",))


class Plain:
    """An authenticator that is no issuer."""

    async def authenticate(self, credential: Credential) -> Principal | None:
        """Nobody."""
        return None


class Issuer(Plain):
    """One that is; it does what a test says before it answers."""

    def __init__(self, first: Callable[[], Awaitable[object]] | None = None) -> None:
        self._first = first

    async def issued(self) -> Sequence[IssuedKey]:
        await self._go()
        return [KEY]

    async def issue(self, grant: KeyGrant) -> NewKey:
        await self._go()
        return NewKey(key=Secret("x"), issued=KEY)

    async def change(self, which: str, change: KeyChange, judge: Judge) -> Sequence[IssuedKey]:
        await self._go()
        judge([KEY], [])
        return [KEY]

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        await self._go()
        judge([KEY], [])
        return [KEY]

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        await self._go()
        return NewKey(key=Secret("x"), issued=KEY, replaced=KEY)

    async def _go(self) -> None:
        if self._first is not None:
            await self._first()


def calls(issuer: NamedKeyIssuer) -> list[Awaitable[object]]:
    """Every method."""
    return [
        issuer.issued(),
        issuer.issue(GRANT),
        issuer.change("ci", KeyChange(blocked=True), lambda _affected, _others: None),
        issuer.revoke("ci", lambda _affected, _others: None),
        issuer.rotate("ci", lambda _affected, _others: None, grace_s=0, expires=None),
    ]


def test_who_has_all_methods_is_one() -> None:
    """In the order in which they are asked who calls."""
    identity = Identity({"second": Issuer, "plain": Plain, "first": Issuer})
    assert list(identity.key_issuers) == ["second", "first"]


def test_what_works_is_passed_on() -> None:
    """As it is."""

    async def ask() -> list[object]:
        return [await call for call in calls(NamedKeyIssuer("mine", Issuer()))]

    listed, made, changed, revoked, rotated = asyncio.run(ask())
    assert listed == changed == revoked == [KEY]
    assert isinstance(made, NewKey)
    assert isinstance(rotated, NewKey)


def test_what_breaks_is_named_in_the_log_only() -> None:
    """Whoever asks is told to look there."""

    async def broken() -> None:
        raise ValueError("a secret of the plugin's")

    async def ask() -> None:
        for call in calls(NamedKeyIssuer("mine", Issuer(broken))):
            with pytest.raises(AuthenticatorFailed) as failed:
                await call
            assert "secret" not in failed.value.message

    with capture_logs() as lines:
        asyncio.run(ask())
    assert [(line["plugin"], line["reason"]) for line in lines] == [("mine", "ValueError")] * 5


def test_who_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the port's deadline."""
    monkeypatch.setattr(key_issuers, "DEADLINE_S", 0.01)

    async def ask() -> None:
        with pytest.raises(AuthenticatorFailed):
            await NamedKeyIssuer("mine", Issuer(asyncio.Event().wait)).issued()

    with capture_logs() as lines:
        asyncio.run(ask())
    assert [line["reason"] for line in lines] == ["no answer within 0.01 s"]


def test_a_refusal_is_a_refusal() -> None:
    """The issuer's own, and that of whoever judges."""

    async def ask() -> None:
        def refuse(_affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
            raise Conflict("not that one")

        with pytest.raises(Conflict):
            await NamedKeyIssuer("mine", Issuer()).revoke("ci", refuse)

    with capture_logs() as lines:
        asyncio.run(ask())
    assert lines == []
