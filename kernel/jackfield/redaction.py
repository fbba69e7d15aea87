"""Takes credentials out of log lines that somebody else has written: messages of libraries, lines of plugins.

Jackfield's own messages have none. This is the net below: it knows what credentials look like, not where they are.
"""

from __future__ import annotations

import re
from typing import Final

from jackfield.secret import HIDDEN

_MARKS: Final = (
    *(b"auth", b"bearer", b"basic ", b"api", b"passw", b"secret", b"access", b"eyj", b"://"),
    *(b"jf_", b"sk-", b"hf_", b"ghp_", b"github_", b"xox", b"akia", b"aiza"),
)
"""A line without any of these, in lower case, has no credential that the pattern knows; that it has none takes 3 µs."""

_MARK: Final = re.compile(b"|".join(map(re.escape, _MARKS)))

_CREDENTIAL: Final = re.compile(
    # headers: with any scheme
    r"(?P<header>\bauthorization[\\\"']*\s*[:=]\s*[\\\"']*)(?:[a-z]+\s+)?[^\s\\\"',;}]+"
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[a-z0-9+/=._~-]{16,}"
    # fields of forms, queries, JSON, configurations
    r"|(?P<name>\b(?:x-)?(?:api[_-]?key|passw(?:or)?d|[a-z_-]*secret|access[_-]token|auth_token)[\\\"']*\s*[:=]\s*[\\\"']*)"
    r"[^\s\\\"',;&}]+"
    # keys that say what they are, and JSON web tokens
    r"|\b(?P<prefix>jf_|sk-|hf_|ghp_|github_pat_|xox[bp]-|akia|aiza)[a-z0-9_-]{12,}"
    r"|\beyj[a-z0-9_-]{8,}\.[a-z0-9_-]{4,}\.?[a-z0-9_-]*"
    # user and password in an address
    r"|(?<=://)[^\s/@:\\\"',]+:[^\s/@\\\"',]+(?=@)",
    re.IGNORECASE,
)


def redact(line: bytes) -> bytes:
    """*line*, UTF-8, with ``***`` in the place of whatever looks like a credential; JSON stays JSON. Any thread."""
    if _MARK.search(line.lower()) is None:
        return line
    return _CREDENTIAL.sub(_hide, line.decode(errors="replace")).encode()


def _hide(match: re.Match[str]) -> str:
    return f"{match['header'] or match['scheme'] or match['name'] or match['prefix'] or ''}{HIDDEN}"
