"""What the holder of a key may by now whose request is over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jackfield.errors import AuthenticatorFailed, CredentialExpired, CredentialRevoked
from jackfield.ports.identity import Principal

if TYPE_CHECKING:
    from tests.plugins.jackfield_keys.conftest import Keys


def admitted(keys: Keys, key: str) -> Principal:
    """Its holder."""
    found = keys.judge(keys.authenticator(), key)
    assert isinstance(found, Principal)
    return found


def reviewed(keys: Keys, principal: Principal) -> Principal:
    """What it may by now."""
    return asyncio.run(keys.authenticator().review(principal))


def test_a_key_that_was_revoked(keys: Keys) -> None:
    """Its holder may nothing any more, and neither when it is not there at all."""
    principal = admitted(keys, keys.make("ci"))
    assert reviewed(keys, principal) == principal
    keys.file.revoke("ci")
    with pytest.raises(CredentialRevoked):
        reviewed(keys, principal)
    with pytest.raises(CredentialRevoked):
        reviewed(keys, Principal(id="nobody", name="nobody", fingerprint="000000"))


def test_a_key_that_was_rotated(keys: Keys) -> None:
    """Its successor is the same holder's."""
    principal = admitted(keys, keys.make("ci", scopes=("generate",)))
    keys.file.rotate("ci", timedelta(), None)
    found = reviewed(keys, principal)
    assert (found.id, found.scopes) == (principal.id, principal.scopes)
    assert found.fingerprint != principal.fingerprint


def test_a_holder_of_several_keys(keys: Keys) -> None:
    """The one that was used counts as long as it is good, then the newest."""
    first = admitted(keys, keys.make("ci"))
    second, third = (admitted(keys, keys.file.rotate("ci", timedelta(hours=1), None)[0]) for _ in range(2))
    assert [reviewed(keys, each) for each in (first, second, third)] == [first, second, third]
    keys.file.revoke(first.fingerprint)
    assert reviewed(keys, first) == third


def test_a_key_whose_time_is_over(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told apart from one that was taken back."""
    principal = admitted(keys, keys.make("ci", expires=datetime.now(UTC) + timedelta(hours=1)))
    late = datetime.now(UTC).timestamp() + 3601
    monkeypatch.setattr("jackfield_keys.authenticator.time.time", lambda: late)
    with pytest.raises(CredentialExpired):
        reviewed(keys, principal)


def test_a_file_that_cannot_be_used(keys: Keys) -> None:
    """Nobody can tell, which is not the same as a refusal."""
    principal = admitted(keys, keys.make("ci"))
    judge = keys.authenticator()
    keys.path.write_text("this is no key file")
    with pytest.raises(AuthenticatorFailed):
        asyncio.run(judge.review(principal))
