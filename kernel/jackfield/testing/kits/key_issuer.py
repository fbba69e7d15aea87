"""What every ``KeyIssuer`` must pass.

Subclass ``KeyIssuerKit`` in a test module and say which plugin it is about::

    class TestConformance(KeyIssuerKit):
        manifest = 'enabled = ["my-plugin"]'

The kit makes some two hundred keys with names of its own, and revokes most of them.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from structlog.testing import capture_logs

from jackfield.errors import Conflict, InvalidRequest, KeyNotFound, PolicyDenied
from jackfield.plugins import Kernel
from jackfield.ports.identity import fingerprint
from jackfield.ports.key_issuer import DEADLINE_S, KeyChange, KeyGrant
from jackfield.testing.kits.key_issuer_calls import (
    RIGHTS,
    AskedIssuer,
    agreed,
    changed_by,
    issued_or_refused,
    never,
    rights,
    unused,
)
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.ports.identity import AuthenticatorFactory, Principal
    from jackfield.ports.key_issuer import IssuedKey, NewKey
    from jackfield.secret import Secret

Result = TypeVar("Result")

AT_ONCE: Final = 12
"""Changes at the same moment."""

_names = count()
_run: Final = random.SystemRandom().randbytes(4).hex()
"""Names of keys are new in each run, as an issuer may keep them."""


_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixture gives the same thing each time, and each example has an issuer of its own."""


class KeyIssuerNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of an issuer."""

    scope: str = "generate"
    """One that keys may have."""


class KeyIssuerKit(Kit):
    """Keys are made whole, hold at once, are judged as they are, and are never shown again."""

    Needs = KeyIssuerNeeds

    @pytest.fixture
    def make_issuer(self) -> AuthenticatorFactory:
        """The factory that the plugin hands over; what it makes is both."""
        factory: AuthenticatorFactory = self.made(Kernel.authenticators)
        return factory

    def test_a_new_key_is_good_at_once(self, make_issuer: AuthenticatorFactory) -> None:
        """It is for what it was made for, and it is listed."""
        grant = msgspec.structs.replace(self.grant(), owner="the kit", models=("one", "two"), priority=7)
        grant = msgspec.structs.replace(grant, user="u", team="t", tenant="n", roles=("r",), tags=("a", "b"))

        async def scenario(issuer: AskedIssuer) -> tuple[NewKey, Principal | None, IssuedKey]:
            made = await issuer.keys.issue(grant)
            return made, await issuer.who(made.key), await issuer.listed(made.issued.fingerprint)

        made, principal, listed = self.run(make_issuer, scenario)
        assert principal is not None
        assert (principal.name, principal.scopes, principal.priority) == (grant.name, frozenset(grant.scopes), 7)
        assert principal.models == frozenset({"one", "two"})
        assert (principal.user, principal.team, principal.tenant_name) == ("u", "t", "n")
        assert (principal.roles, principal.tags) == (frozenset({"r"}), frozenset({"a", "b"}))
        assert principal.fingerprint == listed.fingerprint == fingerprint(made.key.reveal())
        assert unused(listed) == made.issued
        assert rights(listed) == rights(made.issued) == tuple(getattr(grant, field) for field in RIGHTS)
        assert listed.state == "active"
        assert made.key.reveal().startswith(listed.prefix)

    def test_a_revoked_key_is_refused_at_once(self, make_issuer: AuthenticatorFactory) -> None:
        """And for ever; it stays listed."""

        async def scenario(issuer: AskedIssuer) -> tuple[Sequence[IssuedKey], Sequence[IssuedKey], IssuedKey]:
            made = await issuer.keys.issue(self.grant())
            revoked = await issuer.keys.revoke(made.issued.name, agreed)
            assert await issuer.refuses(made.key)
            again = await issuer.keys.revoke(made.issued.fingerprint, never)
            return revoked, again, await issuer.listed(made.issued.fingerprint)

        revoked, again, listed = self.run(make_issuer, scenario)
        assert (list(map(unused, revoked)), list(again)) == ([unused(listed)], [])
        assert listed.state == "revoked"

    @pytest.mark.parametrize("grace_s", [0.0, 3600.0])
    def test_a_rotated_key_has_a_successor_with_its_rights(
        self, make_issuer: AuthenticatorFactory, grace_s: float
    ) -> None:
        """The old one is refused at once, or good as long as was said."""

        async def scenario(issuer: AskedIssuer) -> tuple[NewKey, NewKey, bool]:
            old = await issuer.keys.issue(msgspec.structs.replace(self.grant(), owner="x", priority=3, models=("m",)))
            new = await issuer.keys.rotate(old.issued.name, agreed, grace_s=grace_s, expires=None)
            assert await issuer.who(new.key) is not None
            return old, new, await issuer.refuses(old.key)

        old, new, refused = self.run(make_issuer, scenario)
        assert new.replaced is not None
        assert new.replaced.fingerprint == old.issued.fingerprint != new.issued.fingerprint
        assert rights(new.issued) == rights(old.issued)
        assert (refused, new.replaced.state) == ((False, "rotated") if grace_s else (True, "revoked"))

    def test_keys_end_when_they_are_told_to(self, make_issuer: AuthenticatorFactory) -> None:
        """As they say; a successor lives as long as its predecessor was to, or as it is told."""
        ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)

        async def scenario(issuer: AskedIssuer) -> list[datetime | None]:
            made = await issuer.keys.issue(msgspec.structs.replace(self.grant(), expires=ahead))
            same = await issuer.keys.rotate(made.issued.fingerprint, agreed, grace_s=0, expires=None)
            told = await issuer.keys.rotate(same.issued.fingerprint, agreed, grace_s=0, expires=ahead)
            return [each.issued.expires for each in (made, same, told)]

        first, same, told = self.run(make_issuer, scenario)
        assert first == told == ahead
        assert same is not None
        assert abs(same - ahead) < timedelta(hours=1)

    def test_a_changed_key_is_what_it_was_told_to_be(self, make_issuer: AuthenticatorFactory) -> None:
        """At once; what was not named stays, and what can be given can be taken back."""
        grant = msgspec.structs.replace(self.grant(), owner="x", priority=3, models=("m",))
        wanted = KeyChange(owner="y", team="t", tenant="u", tags=("a", "b"), models=None, priority=UNSET)

        async def scenario(issuer: AskedIssuer) -> tuple[IssuedKey, IssuedKey, Principal | None, IssuedKey]:
            made = await issuer.keys.issue(grant)
            [changed] = await issuer.keys.change(made.issued.fingerprint, wanted, agreed)
            principal = await issuer.who(made.key)
            [back] = await issuer.keys.change(grant.name, KeyChange(owner="", team="", tenant="", tags=()), agreed)
            return made.issued, changed, principal, back

        made, changed, principal, back = self.run(make_issuer, scenario)
        told = {"owner": "y", "team": "t", "tenant": "u", "tags": ("a", "b"), "models": None}
        assert unused(changed) == msgspec.structs.replace(made, **told)
        assert principal is not None
        assert (principal.owner, principal.team, principal.tenant_name) == ("y", "t", "u")
        assert (principal.tags, principal.models, principal.priority) == (frozenset({"a", "b"}), None, 3)
        assert unused(back) == msgspec.structs.replace(made, models=None, owner="")

    def test_a_blocked_key_is_refused_until_it_is_unblocked(self, make_issuer: AuthenticatorFactory) -> None:
        """It stays listed, and what was revoked meanwhile does not come back."""

        async def scenario(issuer: AskedIssuer) -> tuple[list[bool], list[str]]:
            made = await issuer.keys.issue(self.grant())
            name = made.issued.name
            refused: list[bool] = []
            states: list[str] = []
            for blocked in (True, True, False, True):
                [changed] = await issuer.keys.change(name, KeyChange(blocked=blocked), agreed)
                states.append(changed.state)
                refused.append(await issuer.refuses(made.key))
            await issuer.keys.revoke(name, agreed)
            with pytest.raises(Conflict):
                await issuer.keys.change(name, KeyChange(blocked=False), never)
            assert await issuer.refuses(made.key)
            return refused, states

        assert self.run(make_issuer, scenario) == (
            [True, True, False, True],
            ["blocked", "blocked", "active", "blocked"],
        )

    def test_when_a_key_ends_can_be_changed(self, make_issuer: AuthenticatorFactory) -> None:
        """Also that it ends at all."""
        ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)

        async def scenario(issuer: AskedIssuer) -> list[datetime | None]:
            made = await issuer.keys.issue(self.grant())
            ends: list[datetime | None] = []
            for expires in (ahead, ahead - timedelta(days=1), None):
                [changed] = await issuer.keys.change(made.issued.name, KeyChange(expires=expires), agreed)
                ends.append(changed.expires)
                assert await issuer.who(made.key) is not None
            return ends

        assert self.run(make_issuer, scenario) == [ahead, ahead - timedelta(days=1), None]

    @pytest.mark.parametrize("change", ["change", "revoke", "rotate"])
    def test_a_change_that_is_refused_changes_nothing(self, make_issuer: AuthenticatorFactory, change: str) -> None:
        """The judge sees the keys it is about and all others, once, and has the last word."""
        seen: list[tuple[set[str], set[str]]] = []

        def refuse(affected: Sequence[IssuedKey], others: Sequence[IssuedKey]) -> None:
            seen.append(({each.fingerprint for each in affected}, {each.fingerprint for each in others}))
            raise PolicyDenied("no")

        async def scenario(issuer: AskedIssuer) -> tuple[str, set[str]]:
            made = await issuer.keys.issue(self.grant())
            before = await issuer.keys.issued()
            with pytest.raises(PolicyDenied):
                await changed_by(issuer.keys, change, made.issued.name, refuse)
            assert await issuer.who(made.key) is not None
            assert list(map(unused, await issuer.keys.issued())) == list(map(unused, before))
            return made.issued.fingerprint, {each.fingerprint for each in before}

        mine, all_ = self.run(make_issuer, scenario)
        assert seen == [({mine}, all_ - {mine})]

    def test_nobody_is_not_found(self, make_issuer: AuthenticatorFactory) -> None:
        """Whatever they are called; nobody is judged."""

        async def scenario(issuer: AskedIssuer) -> None:
            for which in (self.grant().name, "", "\0", "../..", "x" * 10_000, "\ud800"):
                with pytest.raises(KeyNotFound):
                    await issuer.keys.revoke(which, never)
                with pytest.raises(KeyNotFound):
                    await issuer.keys.change(which, KeyChange(blocked=True), never)
                with pytest.raises(KeyNotFound):
                    await issuer.keys.rotate(which, never, grace_s=0, expires=None)

        self.run(make_issuer, scenario)

    def test_a_name_is_taken_until_its_key_is_revoked(self, make_issuer: AuthenticatorFactory) -> None:
        """And what was revoked is not rotated."""

        async def scenario(issuer: AskedIssuer) -> None:
            grant = self.grant()
            made = await issuer.keys.issue(grant)
            with pytest.raises(Conflict):
                await issuer.keys.issue(grant)
            await issuer.keys.revoke(grant.name, agreed)
            with pytest.raises(Conflict):
                await issuer.keys.rotate(made.issued.fingerprint, never, grace_s=0, expires=None)
            await issuer.keys.issue(grant)

        self.run(make_issuer, scenario)

    @settings(max_examples=30, deadline=None, suppress_health_check=_ACCEPTED)
    @given(name=st.text(max_size=70), owner=st.text(max_size=20), models=st.lists(st.text(max_size=10), max_size=2))
    def test_any_grant_is_kept_as_it_is_or_refused(
        self, make_issuer: AuthenticatorFactory, name: str, owner: str, models: list[str]
    ) -> None:
        """With the name of what is wrong."""
        grant = msgspec.structs.replace(self.grant(), owner=owner, models=tuple(models))
        grant = msgspec.structs.replace(grant, name=f"{grant.name}{name}"[:200])

        async def scenario(issuer: AskedIssuer) -> None:
            made = await issued_or_refused(issuer.keys, grant)
            if isinstance(made, InvalidRequest):
                assert made.param in grant.__struct_fields__
                return
            listed = await issuer.listed(made.issued.fingerprint)
            assert (listed.name, listed.owner, listed.models) == (grant.name, owner, tuple(models))
            await issuer.keys.revoke(made.issued.fingerprint, agreed)

        self.run(make_issuer, scenario)

    def test_changes_at_the_same_moment_are_all_made(self, make_issuer: AuthenticatorFactory) -> None:
        """None overwrites another."""

        async def scenario(issuer: AskedIssuer) -> tuple[set[str], set[str]]:
            made = await asyncio.gather(*(issuer.keys.issue(self.grant()) for _ in range(AT_ONCE)))
            await asyncio.gather(*(issuer.keys.revoke(each.issued.name, agreed) for each in made[::2]))
            listed = {each.fingerprint for each in await issuer.keys.issued() if each.state == "active"}
            return {each.issued.fingerprint for each in made[1::2]}, {
                each.issued.fingerprint for each in made if each.issued.fingerprint in listed
            }

        expected, found = self.run(make_issuer, scenario)
        assert found == expected

    def test_only_one_of_many_gets_a_name(self, make_issuer: AuthenticatorFactory) -> None:
        """The others are told that it is taken."""

        async def scenario(issuer: AskedIssuer) -> list[NewKey | BaseException]:
            grant = self.grant()
            return await asyncio.gather(*(issuer.keys.issue(grant) for _ in range(AT_ONCE)), return_exceptions=True)

        answers = self.run(make_issuer, scenario)
        assert sum(isinstance(each, Conflict) for each in answers) == AT_ONCE - 1

    def test_judges_see_what_others_have_just_changed(self, make_issuer: AuthenticatorFactory) -> None:
        """Who keeps the last of several, keeps one, also where all are revoked in one moment."""

        async def scenario(issuer: AskedIssuer) -> list[bool]:
            made = [await issuer.keys.issue(self.grant()) for _ in range(4)]
            mine = {each.issued.fingerprint for each in made}

            def keep_one(_affected: Sequence[IssuedKey], others: Sequence[IssuedKey]) -> None:
                if not any(each.fingerprint in mine and each.state == "active" for each in others):
                    raise PolicyDenied("it is the last one")

            revoking = (issuer.keys.revoke(each.issued.name, keep_one) for each in made)
            await asyncio.gather(*revoking, return_exceptions=True)
            return [await issuer.refuses(each.key) for each in made]

        assert sorted(self.run(make_issuer, scenario)) == [False, True, True, True]

    def test_a_caller_who_leaves_harms_nobody(self, make_issuer: AuthenticatorFactory) -> None:
        """Requests are cancelled at any moment; what they asked for is done whole or not at all."""

        async def scenario(issuer: AskedIssuer) -> None:
            leaving = [asyncio.ensure_future(issuer.keys.issue(self.grant())) for _ in range(AT_ONCE)]
            await asyncio.sleep(0)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            made = await issuer.keys.issue(self.grant())
            assert await issuer.who(made.key) is not None

        self.run(make_issuer, scenario)

    def test_no_key_is_shown_but_to_whom_it_is_given(
        self, make_issuer: AuthenticatorFactory, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Neither in what is listed, nor in what is logged and printed."""

        async def scenario(issuer: AskedIssuer) -> tuple[list[Secret], str]:
            made = await issuer.keys.issue(self.grant())
            new = await issuer.keys.rotate(made.issued.name, agreed, grace_s=0, expires=None)
            listed = await issuer.keys.issued()
            await issuer.keys.revoke(made.issued.name, agreed)
            return [made.key, new.key], repr((made, new, listed, issuer.authenticator))

        with capture_logs() as lines:
            keys, shown = self.run(make_issuer, scenario)
        printed = capfd.readouterr()
        for where in (shown, repr(lines), printed.out, printed.err):
            assert not any(key.reveal() in where for key in keys)

    def grant(self) -> KeyGrant:
        """For a key of a name that nobody else has."""
        return KeyGrant(name=f"kit-{_run}-{next(_names)}", scopes=(self.told(KeyIssuerNeeds).scope,))

    def run(self, make_issuer: AuthenticatorFactory, scenario: Callable[[AskedIssuer], Awaitable[Result]]) -> Result:
        """Run *scenario* with an issuer of its own, within the time that a few calls may take."""

        async def play() -> Result:
            async with asyncio.timeout(4 * DEADLINE_S):
                return await scenario(AskedIssuer(make_issuer()))

        return asyncio.run(play())
