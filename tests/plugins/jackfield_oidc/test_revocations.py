"""What is revoked is refused, also where it was good a moment ago."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import AuthenticatorFailed, CredentialRevoked, InvalidRequest, ManifestError, Unauthenticated
from jackfield.ports.identity import Principal, fingerprint
from jackfield.ports.policy_store import Governed
from jackfield.ports.reviewer import Reviewer
from jackfield_oidc.revocations import RevocationList, read

if TYPE_CHECKING:
    from tests.plugins.jackfield_oidc.conftest import Issuer, Judges

    from jackfield_oidc.authenticator import OidcAuthenticator

SOON = datetime(2100, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def listed(judges: Judges, text: str) -> OidcAuthenticator:
    (judges.folder / "revoked.toml").write_text(text)
    return judges.make(revocations="revoked.toml")


def is_revoked(judges: Judges, judge: OidcAuthenticator, token: str) -> bool:
    try:
        return judges.ask(judge, token) is None
    except CredentialRevoked as error:
        return error.fingerprint == fingerprint(token)


ENTRIES = [
    ('sub = "alice"', True),
    ('sub = "bob"', False),
    ('jti = "one"', True),
    ('jti = "two"', False),
    ('sid = "session"', True),
    ('sid = "another"', False),
    ('issuer = "corp"\nsub = "alice"', True),
    ('issuer = "partners"\nsub = "alice"', False),
    ('sub = "alice"\njti = "two"', False),
    ('sub = "bob"\njti = "one"', False),
    ('sub = "alice"\nsid = "session"\njti = "one"', True),
    ("before = 2100-01-01T00:00:00Z", True),
    ("before = 2000-01-01T00:00:00Z", False),
    ('issuer = "partners"\nbefore = 2100-01-01T00:00:00Z', False),
    ('sub = "alice"\nbefore = 2000-01-01T00:00:00Z', False),
    ('sub = "alice"\nbefore = 2100-01-01T00:00:00+02:00', True),
]


@pytest.mark.parametrize(("entry", "revoked"), ENTRIES)
def test_an_entry_is_about_tokens_of_which_all_is_true(
    judges: Judges, issuer: Issuer, entry: str, *, revoked: bool
) -> None:
    judge = listed(judges, f"[[revoked]]\n{entry}\n")
    assert is_revoked(judges, judge, issuer.sign(jti="one", sid="session")) == revoked


def test_who_does_not_say_when_it_was_issued_is_older_than_anything(judges: Judges, issuer: Issuer) -> None:
    judge = listed(judges, "[[revoked]]\nbefore = 2000-01-01T00:00:00Z\n")
    assert is_revoked(judges, judge, issuer.sign(iat=None))


def test_a_token_that_was_good_is_refused_once_it_is_listed(judges: Judges, issuer: Issuer) -> None:
    """Without a restart; and is good again when it is taken off."""
    judge, token = listed(judges, ""), issuer.sign(jti="one")
    assert not is_revoked(judges, judge, token)
    (judges.folder / "revoked.toml").write_text('[[revoked]]\njti = "one"\n')
    assert is_revoked(judges, judge, token)
    (judges.folder / "revoked.toml").write_text("# nothing\n")
    assert not is_revoked(judges, judge, token)


BROKEN = [
    "[[revoked]]\n",
    "[[revoked]]\nuser = 'alice'\n",
    "revoked = 1",
    "[[",
    '[[revoked]]\nsub = ""\n',
    "\0",
    "before = 1",
]


@pytest.mark.parametrize("text", [*BROKEN, "[[revoked]]\nbefore = 2100-01-01T00:00:00\n"])
def test_a_list_that_cannot_be_used_lets_nobody_in(judges: Judges, issuer: Issuer, text: str) -> None:
    """An operator's mistake must not open the door to whom the list is about."""
    with pytest.raises(ManifestError, match=r"revoked\.toml: the list of revocations"):
        listed(judges, text)
    judge, token = listed(judges, ""), issuer.sign()
    assert not is_revoked(judges, judge, token)
    (judges.folder / "revoked.toml").write_text(text)
    with pytest.raises(AuthenticatorFailed):
        judges.ask(judge, token)
    [trouble] = judge.troubles
    assert "revoked.toml" in trouble
    (judges.folder / "revoked.toml").write_text("")
    assert not is_revoked(judges, judge, token)
    assert not judge.troubles


def test_a_pipe_in_the_place_of_the_list_lets_nobody_in(judges: Judges, issuer: Issuer) -> None:
    """And holds up nobody."""
    judge, token = listed(judges, ""), issuer.sign()
    (judges.folder / "revoked.toml").unlink()
    os.mkfifo(judges.folder / "revoked.toml")
    with pytest.raises(AuthenticatorFailed):
        judges.ask(judge, token)
    (judges.folder / "revoked.toml").unlink()
    (judges.folder / "revoked.toml").write_text("")
    assert not is_revoked(judges, judge, token)


def test_a_list_that_has_gone_lets_nobody_in(judges: Judges, issuer: Issuer) -> None:
    judge = listed(judges, "")
    (judges.folder / "revoked.toml").unlink()
    with pytest.raises(AuthenticatorFailed):
        judges.ask(judge, issuer.sign())
    with pytest.raises(ManifestError, match="cannot be read"):
        judges.make(revocations="missing.toml")


def test_documents_of_the_policy_store_count_too(judges: Judges, issuer: Issuer) -> None:
    """At once: what is remembered of good tokens does not help them."""
    judge, token = judges.make(), issuer.sign()
    assert isinstance(judge, Governed)
    assert judge.document_kind == "revocation"
    assert not is_revoked(judges, judge, token)
    asyncio.run(judge.adopt({"left-the-company": b'{"issuer": "corp", "sub": "alice"}', "other": b'{"jti": "x"}'}))
    assert is_revoked(judges, judge, token)
    asyncio.run(judge.adopt({}))
    assert not is_revoked(judges, judge, token)


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"", "mine"),
        (b"{}", "mine"),
        (b"[]", "mine"),
        (b"\xff", "mine"),
        (b"[" * 100_000, "mine"),
        (b'{"user": "x"}', "mine"),
        (b'{"sub": 1}', "mine.sub"),
        (b'{"before": "2020"}', "mine.before"),
    ],
)
def test_documents_that_make_no_sense_are_refused(judges: Judges, content: bytes, param: str) -> None:
    """By name and field."""
    with pytest.raises(InvalidRequest, match="the revocation mine cannot be used") as caught:
        asyncio.run(judges.make().check({"good": b'{"sub": "x"}', "mine": content}))
    assert caught.value.param == param


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=80) | st.from_regex(r"\A\[\[revoked\]\]\n(sub|jti|sid|before|issuer) = .{0,30}\Z"))
def test_no_list_is_a_surprise(lasting: Judges, text: str) -> None:
    """It is read, or refused at start-up."""
    file = lasting.folder / "revoked.toml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    with suppress(ManifestError):
        assert isinstance(read(file), RevocationList)


def somebody(name: str) -> Principal:
    return Principal(id=name, name="x", fingerprint="000000")


def test_work_that_goes_on_is_reviewed_by_the_callers_name(judges: Judges) -> None:
    """There is no token any more; one that was revoked by its own number stays unknown."""
    judge = listed(judges, '[[revoked]]\nsub = "alice"\n[[revoked]]\nsub = "bob"\njti = "one"\n')
    assert isinstance(judge, Reviewer)
    with pytest.raises(CredentialRevoked):
        asyncio.run(judge.review(somebody("corp:alice")))
    for name in ("corp:bob", "corp:carol", "corp:a:b"):
        assert asyncio.run(judge.review(somebody(name))).id == name
    for name in ("partners:carol", "carol", "corp:", "corp"):
        with pytest.raises(Unauthenticated):
            asyncio.run(judge.review(somebody(name)))


def test_work_of_today_is_reviewed_by_what_was_revoked_today(judges: Judges) -> None:
    """What was revoked before that was refused when the work began."""
    judge = listed(judges, f"[[revoked]]\nbefore = {SOON.isoformat()}\n")
    with pytest.raises(CredentialRevoked):
        asyncio.run(judge.review(somebody("corp:alice")))
    judge = listed(judges, f"[[revoked]]\nbefore = {LONG_AGO.isoformat()}\n")
    assert asyncio.run(judge.review(somebody("corp:alice"))).id == "corp:alice"
