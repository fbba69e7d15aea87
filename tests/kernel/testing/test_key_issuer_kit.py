"""The kit of key issuers itself: it passes a correct issuer and catches each kind of wrong one."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.errors import Conflict, CredentialBlocked, CredentialRevoked, InvalidRequest, KeyNotFound
from jackfield.ports.identity import Principal, fingerprint
from jackfield.ports.key_issuer import IssuedKey, KeyChange, KeyGrant, NewKey
from jackfield.secret import Secret
from jackfield.testing.kits.key_issuer import KeyIssuerKit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.identity import AuthenticatorFactory, Credential
    from jackfield.ports.key_issuer import Judge


class Plain:
    """The simplest correct issuer: a dictionary from keys to what they are."""

    def __init__(self) -> None:
        self.keys: dict[str, IssuedKey] = {}

    async def authenticate(self, credential: Credential) -> Principal | None:
        key = self.keys.get(credential.value.reveal())
        if key is None:
            return None
        if key.state == "revoked":
            raise CredentialRevoked("the key was revoked")
        if key.state == "blocked":
            raise CredentialBlocked("the key is blocked")
        return Principal(
            id=key.name,
            name=key.name,
            fingerprint=key.fingerprint,
            owner=key.owner,
            user=key.user,
            team=key.team,
            tenant_name=key.tenant,
            roles=frozenset(key.roles),
            tags=frozenset(key.tags),
            scopes=frozenset(key.scopes),
            models=None if key.models is None else frozenset(key.models),
            priority=key.priority,
        )

    async def issued(self) -> Sequence[IssuedKey]:
        return list(self.keys.values())

    async def issue(self, grant: KeyGrant) -> NewKey:
        if not grant.name.isprintable():
            raise InvalidRequest("name must be printable", param="name")
        if any(each.name == grant.name and each.revoked is None for each in self.keys.values()):
            raise Conflict("that name is taken")
        return self.make(grant)

    async def change(self, which: str, change: KeyChange, judge: Judge) -> Sequence[IssuedKey]:
        found = [key for key, each in self.called(which).items() if each.state != "revoked"]
        if not found:
            raise Conflict("it was revoked")
        self.ask(judge, found)
        return [self.alter(key, change) for key in found]

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        found = [key for key, each in self.called(which).items() if each.state != "revoked"]
        if found:
            self.ask(judge, found)
        return [self.end(key, datetime.now(UTC)) for key in found]

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        found = [key for key, each in self.called(which).items() if each.revoked is None]
        if not found:
            raise Conflict("it was revoked")
        self.ask(judge, found[:1])
        old = self.end(found[0], datetime.now(UTC) + timedelta(seconds=grace_s))
        if expires is None and old.expires is not None:
            expires = datetime.now(UTC) + (old.expires - old.created)
        rights = {name: getattr(old, name) for name in KeyGrant.__struct_fields__ if name != "expires"}
        return msgspec.structs.replace(self.make(KeyGrant(**rights, expires=expires)), replaced=old)

    def called(self, which: str) -> dict[str, IssuedKey]:
        """Those with that name or fingerprint."""
        found = {key: each for key, each in self.keys.items() if which in (each.name, each.fingerprint)}
        if not found:
            raise KeyNotFound("nobody is called that")
        return found

    def ask(self, judge: Judge, keys: Sequence[str]) -> None:
        """Have a change judged."""
        judge([self.keys[key] for key in keys], [each for key, each in self.keys.items() if key not in keys])

    def make(self, grant: KeyGrant) -> NewKey:
        """A key."""
        key, fields = secrets.token_hex(16), msgspec.structs.asdict(grant)
        made = IssuedKey(**fields, fingerprint=fingerprint(key), state="active", created=datetime.now(UTC))
        self.keys[key] = made
        return NewKey(key=Secret(key), issued=made)

    def alter(self, key: str, change: KeyChange) -> IssuedKey:
        """It is what *change* says."""
        told = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
        if "blocked" in told:
            blocked = told.pop("blocked")
            told |= {"blocked": datetime.now(UTC) if blocked else None, "state": "blocked" if blocked else "active"}
        self.keys[key] = msgspec.structs.replace(self.keys[key], **told)
        return self.keys[key]

    def end(self, key: str, at: datetime) -> IssuedKey:
        """It is refused from then on."""
        state = "revoked" if at <= datetime.now(UTC) else "rotated"
        self.keys[key] = msgspec.structs.replace(self.keys[key], revoked=at, state=state)
        return self.keys[key]


class Late(Plain):
    """Revokes, and lets who was revoked in."""

    def end(self, key: str, at: datetime) -> IssuedKey:
        before = self.keys[key]
        ended = super().end(key, at)
        self.keys[key] = before
        return ended


class Unjudged(Plain):
    """Asks nobody."""

    def ask(self, judge: Judge, keys: Sequence[str]) -> None:
        return


class Forgetful(Plain):
    """Keeps no owner."""

    def make(self, grant: KeyGrant) -> NewKey:
        return super().make(msgspec.structs.replace(grant, owner=""))


class Deaf(Plain):
    """Changes nothing."""

    def alter(self, key: str, change: KeyChange) -> IssuedKey:
        return self.keys[key]


class Lax(Plain):
    """Says that a key is blocked, and lets it in."""

    def alter(self, key: str, change: KeyChange) -> IssuedKey:
        before = self.keys[key]
        changed = super().alter(key, change)
        self.keys[key] = before
        return changed


class Generous(Plain):
    """Lets two have one name."""

    async def issue(self, grant: KeyGrant) -> NewKey:
        return self.make(grant)


class Loud(Plain):
    """Prints what it makes."""

    def make(self, grant: KeyGrant) -> NewKey:
        made = super().make(grant)
        print(made.key.reveal())
        return made


class TestPlain(KeyIssuerKit):
    """All of it."""

    @pytest.fixture
    def make_issuer(self) -> AuthenticatorFactory:
        return Plain


@pytest.mark.parametrize(
    ("wrong", "test", "more"),
    [
        (Late, "test_a_revoked_key_is_refused_at_once", ()),
        (Unjudged, "test_a_change_that_is_refused_changes_nothing", ("revoke",)),
        (Unjudged, "test_a_change_that_is_refused_changes_nothing", ("rotate",)),
        (Unjudged, "test_a_change_that_is_refused_changes_nothing", ("change",)),
        (Deaf, "test_a_changed_key_is_what_it_was_told_to_be", ()),
        (Deaf, "test_when_a_key_ends_can_be_changed", ()),
        (Lax, "test_a_blocked_key_is_refused_until_it_is_unblocked", ()),
        (Unjudged, "test_judges_see_what_others_have_just_changed", ()),
        (Forgetful, "test_a_new_key_is_good_at_once", ()),
        (Generous, "test_a_name_is_taken_until_its_key_is_revoked", ()),
        (Generous, "test_only_one_of_many_gets_a_name", ()),
    ],
)
def test_what_is_wrong_is_caught(wrong: type[Plain], test: str, more: tuple[str, ...]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(KeyIssuerKit(), test)(wrong, *more)


def test_a_key_that_is_printed_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        KeyIssuerKit().test_no_key_is_shown_but_to_whom_it_is_given(Loud, capfd)
