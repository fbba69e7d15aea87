"""What every ``Authenticator`` must pass.

Subclass ``AuthenticatorKit`` in a test module and say which plugin it is about, and what it accepts::

    class TestConformance(AuthenticatorKit):
        manifest = 'enabled = ["my-plugin"]'
        needs = {"credential": "a-token-that-it-accepts"}
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from jackfield.errors import Unauthenticated, http
from jackfield.plugins import Kernel
from jackfield.ports.identity import CREDENTIAL_MAX, DEADLINE_S, SCOPE, ClientCertificate, Credential, Principal
from jackfield.ports.reviewer import Reviewer
from jackfield.secret import Secret
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.ports.identity import Authenticator, AuthenticatorFactory

Kind = Literal["bearer", "x-api-key"]

KINDS: Final[tuple[Kind, ...]] = ("bearer", "x-api-key")

AT_ONCE: Final = 100
"""Callers at the same moment."""

HOSTILE: Final[dict[str, str]] = {
    "empty": "",
    "a space": " ",
    "a NUL": "\0",
    "line breaks": "a\r\nx-admin: 1",
    "not ASCII": "schlüssel",
    "full-width digits": "１２３",
    "a lone surrogate": "\ud800",
    "an escaped byte": b"\xff".decode(errors="surrogateescape"),
    "as long as one may be": "x" * CREDENTIAL_MAX,
    "huge": "x" * 1_000_000,
    "a path": "../../../../etc/passwd",
    "a query": "' OR '1'='1",
    "a wildcard": "*",
    "a format": "{0.__class__} %s%n",
    "null": "null",
    "an object": '{"$ne": null}',
    "a token without a signature": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    "base64 of nothing": "====",
}
"""Credentials that nobody has. The kernel keeps most of them away; an authenticator must stand them all the same."""

NEAR_MISSES: Final[dict[str, Callable[[str], str]]] = {
    "cut off": lambda text: text[:-1],
    "without its first character": lambda text: text[1:],
    "with one character more": lambda text: text + "A",
    "with a space behind": lambda text: text + " ",
    "with a line break behind": lambda text: text + "\n",
    "with a NUL behind": lambda text: text + "\0",
    "twice": lambda text: text * 2,
    "with the scheme": lambda text: f"Bearer {text}",
    "in quotes": lambda text: f'"{text}"',
    "with one character changed": lambda text: text[:-1] + ("a" if text[-1] != "a" else "b"),
    "backwards": lambda text: text[::-1] if text[::-1] != text else "",
}
"""What is nearly the good credential."""

FAR: Final = 4_102_444_800.0
"""The year 2100."""

CERTIFICATES: Final[dict[str, str]] = {
    "no name": "",
    "another one": "CN=nobody,OU=strangers",
    "another one with an escaped part": "CN=a\\,OU=ops,O=b",
    "a wildcard": "*",
    "a NUL": "CN=a\0",
    "line breaks": "CN=a\r\nx",
    "a lone surrogate": "CN=\ud800",
    "huge": "CN=" + "a," * 100_000,
}
"""Names that nobody has."""

_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixtures give the same thing each time."""


class AuthenticatorNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of an authenticator."""

    credential: Secret
    """One that it accepts as long as the tests run."""
    certificate: ClientCertificate | None = None
    """Where it is about certificates: the one that it accepts. ``credential`` is its SHA-256 then."""


class AuthenticatorKit(Kit):
    """Authenticators know whom they know, stand whatever strangers send, and show no credential."""

    Needs = AuthenticatorNeeds

    @pytest.fixture
    def make_authenticator(self) -> AuthenticatorFactory:
        """The factory that the plugin hands over."""
        factory: AuthenticatorFactory = self.made(Kernel.authenticators)
        return factory

    @pytest.fixture
    def credential(self) -> str:
        """A credential that it accepts."""
        return self.told(AuthenticatorNeeds).credential.reveal()

    @pytest.fixture(autouse=True)
    def certificates(self, credential: str) -> Mapping[str, ClientCertificate]:
        """Certificates that it accepts, by their SHA-256; empty where it is about other things."""
        found = self.told(AuthenticatorNeeds).certificate if self.needs else None
        self.shown: Mapping[str, ClientCertificate] = {} if found is None else {credential: found}
        return self.shown

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_good_credential_is_somebody(
        self, make_authenticator: AuthenticatorFactory, credential: str, kind: Kind
    ) -> None:
        """Whichever header it came in; with scopes that are scopes."""
        principal = self.principal(make_authenticator(), credential, kind)
        assert principal.id
        assert principal.name
        assert principal.scopes, "a principal without scopes may do nothing"
        assert all(SCOPE.match(scope) for scope in principal.scopes)

    def test_the_same_credential_is_the_same_person(
        self, make_authenticator: AuthenticatorFactory, credential: str
    ) -> None:
        """Limits and records belong to the id."""
        authenticator = make_authenticator()
        first, second = (self.principal(authenticator, credential) for _ in range(2))
        assert first == second
        assert self.principal(make_authenticator(), credential).id == first.id

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
    def test_hostile_credentials_are_nobody(
        self, make_authenticator: AuthenticatorFactory, text: str, kind: Kind
    ) -> None:
        """None or ``Unauthenticated``, and nothing else: whatever else is raised takes the service down (503)."""
        assert not isinstance(self.judge(make_authenticator(), text, kind), Principal)

    @settings(max_examples=100, deadline=None, suppress_health_check=_ACCEPTED)
    @given(text=st.text(max_size=200))
    def test_no_text_is_a_surprise(self, make_authenticator: AuthenticatorFactory, text: str) -> None:
        """Any characters, in any order."""
        assert not isinstance(self.judge(make_authenticator(), text), Principal)

    @pytest.mark.parametrize("change", NEAR_MISSES.values(), ids=list(NEAR_MISSES))
    def test_a_near_miss_is_nobody(
        self, make_authenticator: AuthenticatorFactory, credential: str, change: Callable[[str], str]
    ) -> None:
        """A credential is good as it is, or not at all."""
        assert not isinstance(self.judge(make_authenticator(), change(credential)), Principal)

    @pytest.mark.parametrize("change", NEAR_MISSES.values(), ids=list(NEAR_MISSES))
    def test_a_refusal_does_not_repeat_the_credential(
        self, make_authenticator: AuthenticatorFactory, credential: str, change: Callable[[str], str]
    ) -> None:
        """Its message reaches clients and logs, and a near miss is nearly the credential."""
        text = change(credential)
        answer = self.judge(make_authenticator(), text)
        if isinstance(answer, Unauthenticated):
            assert http(answer).status == 401
            assert answer.message
            self.assert_hidden({"message": answer.message, "repr": repr(answer)}, credential, text)

    def test_nothing_shows_the_credential(
        self,
        make_authenticator: AuthenticatorFactory,
        credential: str,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Neither what it makes, nor what it logs and prints at the most talkative level."""
        with caplog.at_level(logging.DEBUG), capture_logs() as lines:
            authenticator = make_authenticator()
            principal = self.principal(authenticator, credential)
            self.judge(authenticator, credential[:-1])
        printed = capfd.readouterr()
        shown = {
            "the authenticator": repr(authenticator) + str(authenticator),
            "the principal": repr(principal),
            "logging": caplog.text,
            "structlog": repr(lines),
            "standard output": printed.out,
            "standard error": printed.err,
        }
        self.assert_hidden(shown, credential, credential[:-1])

    @pytest.mark.parametrize("text", CERTIFICATES.values(), ids=list(CERTIFICATES))
    def test_certificates_of_strangers_are_nobody(self, make_authenticator: AuthenticatorFactory, text: str) -> None:
        """Whatever their names; an authority that signs for servers may sign names that nobody has checked."""
        stranger = ClientCertificate(
            subject=text, common_name=text, names=(text, f"URI:{text}"), issuer=text, serial=text, expires=FAR
        )
        asked = Credential("certificate", Secret("0" * 64), stranger)
        assert not isinstance(asyncio.run(_answer(make_authenticator(), asked)), Principal)

    def test_a_certificate_is_good_no_longer_than_it_says(
        self, make_authenticator: AuthenticatorFactory, credential: str
    ) -> None:
        """Connections may outlive it, and their requests must not; nor is its hash in a header worth anything."""
        shown = self.shown.get(credential)
        if shown is None:
            pytest.skip("the authenticator is not about certificates")
        authenticator = make_authenticator()
        assert isinstance(self.judge(authenticator, credential), Principal)
        over = Credential("certificate", Secret(credential), msgspec.structs.replace(shown, expires=1.0))
        assert not isinstance(asyncio.run(_answer(authenticator, over)), Principal)
        for kind in KINDS:
            said = Credential(kind, Secret(credential))
            assert not isinstance(asyncio.run(_answer(authenticator, said)), Principal)

    def test_many_at_once_are_answered_in_time(self, make_authenticator: AuthenticatorFactory, credential: str) -> None:
        """Good and bad ones between each other, each within the kernel's deadline."""

        async def ask(authenticator: Authenticator) -> list[Principal | Unauthenticated | None]:
            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.gather(
                    *(
                        _answer(authenticator, self.presented(text))
                        for _ in range(AT_ONCE)
                        for text in (credential, credential[:-1])
                    )
                )

        answers = asyncio.run(ask(make_authenticator()))
        assert [isinstance(answer, Principal) for answer in answers] == [True, False] * AT_ONCE

    def test_who_is_known_stays_known(self, make_authenticator: AuthenticatorFactory, credential: str) -> None:
        """What goes on when a request is over is reviewed, by an authenticator that can, also after a restart."""
        reviewer = self.reviewer(make_authenticator)
        principal = self.principal(make_authenticator(), credential)
        assert asyncio.run(reviewer.review(principal)) == principal

    @pytest.mark.parametrize("name", ["nobody", "x" * 100_000, "\0", "\ud800", "../../etc"])
    def test_who_is_unknown_is_refused(self, make_authenticator: AuthenticatorFactory, name: str) -> None:
        """One who was somebody once is not let through."""
        reviewer = self.reviewer(make_authenticator)
        gone = Principal(id=name, name="gone", fingerprint="000000", scopes=frozenset({"generate"}))
        with pytest.raises(Unauthenticated):
            asyncio.run(reviewer.review(gone))

    @staticmethod
    def reviewer(make_authenticator: AuthenticatorFactory) -> Reviewer:
        """A new authenticator that can review."""
        authenticator = make_authenticator()
        if not isinstance(authenticator, Reviewer):
            pytest.skip("the authenticator is no reviewer")
        return authenticator

    def test_a_caller_who_leaves_harms_nobody(self, make_authenticator: AuthenticatorFactory, credential: str) -> None:
        """Requests are cancelled at any moment; the next one is judged as ever."""

        async def leave(authenticator: Authenticator) -> Principal | Unauthenticated | None:
            asked = self.presented(credential)
            leaving = [asyncio.create_task(_answer(authenticator, asked)) for _ in range(10)]
            staying = asyncio.create_task(_answer(authenticator, asked))
            await asyncio.sleep(0)
            for task in leaving:
                task.cancel()
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*leaving, return_exceptions=True)
                assert isinstance(await staying, Principal)
                return await _answer(authenticator, asked)

        assert isinstance(asyncio.run(leave(make_authenticator())), Principal)

    def principal(self, authenticator: Authenticator, text: str, kind: Kind = "bearer") -> Principal:
        """Who *text* is; fails where it is nobody."""
        answer = self.judge(authenticator, text, kind)
        assert isinstance(answer, Principal), f"the good credential was not accepted: {answer!r}"
        return answer

    def judge(
        self, authenticator: Authenticator, text: str, kind: Kind = "bearer"
    ) -> Principal | Unauthenticated | None:
        """What *authenticator* says of *text*, within the kernel's deadline."""

        async def ask() -> Principal | Unauthenticated | None:
            async with asyncio.timeout(DEADLINE_S):
                return await _answer(authenticator, self.presented(text, kind))

        return asyncio.run(ask())

    def presented(self, text: str, kind: Kind = "bearer") -> Credential:
        """*text* in a header, or, where it stands for a good certificate, that one."""
        shown = self.shown.get(text)
        return Credential(kind, Secret(text)) if shown is None else Credential("certificate", Secret(text), shown)

    def assert_hidden(self, shown: Mapping[str, str], *texts: str) -> None:
        """None of *texts* is in what was *shown*."""
        for where, what in shown.items():
            assert not any(text in what for text in texts if text), f"{where} shows the credential"


async def _answer(authenticator: Authenticator, credential: Credential) -> Principal | Unauthenticated | None:
    try:
        return await authenticator.authenticate(credential)
    except Unauthenticated as refusal:
        return refusal
