"""Who shares cached prefixes: scopes."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Sharing: TypeAlias = Literal["principal", "shared", "off"]
"""``[models.NAME].prefix_cache``."""


def scope_of(sharing: Sharing, tenant: str, salt: str, adapters: Sequence[tuple[str, float]] = ()) -> bytes | None:
    """The 32 bytes that tell apart those who share no prefixes; None where nothing is shared at all.

    Parameters:
        sharing: ``principal`` keeps tenants apart.
        tenant: Who is served.
        salt: Of the request.
        adapters: Names and scales of what is applied to the model: other weights compute other states.
    """
    if sharing == "off":
        return None
    whose = tenant if sharing == "principal" else ""
    return sha256(msgspec.msgpack.encode((sharing, whose, salt, list(adapters)))).digest()
