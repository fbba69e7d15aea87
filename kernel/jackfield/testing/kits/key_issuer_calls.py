"""What the kit of key issuers asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, JackfieldError, Unauthenticated
from jackfield.ports.identity import Credential
from jackfield.ports.key_issuer import KeyChange, KeyGrant, KeyIssuer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.identity import Authenticator, Principal
    from jackfield.ports.key_issuer import IssuedKey, Judge, NewKey
    from jackfield.secret import Secret

RIGHTS: Final = tuple(field for field in KeyGrant.__struct_fields__ if field != "expires")
"""What a key and its successor have in common."""


class AskedIssuer:
    """An authenticator that is an issuer too.

    Parameters:
        authenticator: Whose keys they are; a failure where it has none that can be changed.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        assert isinstance(authenticator, KeyIssuer), "it does not have all methods of a KeyIssuer"
        self.authenticator = authenticator
        self.keys: KeyIssuer = authenticator

    async def who(self, key: Secret) -> Principal | None:
        """Who presents *key*."""
        return await self.authenticator.authenticate(Credential("bearer", key))

    async def refuses(self, key: Secret) -> bool:
        """Whether *key* is nobody's, or refused."""
        try:
            return await self.who(key) is None
        except Unauthenticated:
            return True

    async def listed(self, wanted: str) -> IssuedKey:
        """The key with the fingerprint *wanted*."""
        [found] = [each for each in await self.keys.issued() if each.fingerprint == wanted]
        return found


async def changed_by(issuer: KeyIssuer, change: str, which: str, judge: Judge) -> None:
    """Have *issuer* make some ``change``, ``revoke`` or ``rotate``."""
    if change == "change":
        await issuer.change(which, KeyChange(owner="somebody else"), judge)
    elif change == "revoke":
        await issuer.revoke(which, judge)
    else:
        await issuer.rotate(which, judge, grace_s=0, expires=None)


async def issued_or_refused(issuer: KeyIssuer, grant: KeyGrant) -> NewKey | InvalidRequest:
    """The key that *grant* is for, or why there can be none."""
    try:
        return await issuer.issue(grant)
    except InvalidRequest as error:
        return error


def agreed(_affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
    """Nothing is wrong."""


def never(_affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
    """Nobody is to be asked."""
    raise JackfieldError("nobody was to be judged")


def unused(key: IssuedKey) -> IssuedKey:
    """*key*, whenever it was used last."""
    return msgspec.structs.replace(key, last_used=None)


def rights(key: IssuedKey) -> tuple[object, ...]:
    """What *key* has in common with its successor."""
    return tuple(getattr(key, field) for field in RIGHTS)
