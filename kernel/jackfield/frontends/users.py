"""Whom a client names as its own user: told apart in the access log, and never named there."""

from __future__ import annotations

import hashlib
import json
from typing import Final

_MARK_CHARACTERS: Final = 12


def user_mark(user: str) -> str:
    """A short mark of *user*, the same for the same text; empty for an empty one. Any thread.

    Clients put names and addresses there, which have no place in a log.
    """
    return hashlib.sha256(user.encode(errors="replace")).hexdigest()[:_MARK_CHARACTERS] if user else ""


def cache_scope(salt: str, key: str) -> str:
    """The cache salt of a request that names *salt*, and *key* besides: it shares prefixes only with the same two."""
    if not key:
        return salt
    return "key:" + hashlib.sha256(json.dumps([salt, key]).encode()).hexdigest()
