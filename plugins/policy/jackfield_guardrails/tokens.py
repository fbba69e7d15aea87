"""Keys and tokens: by how issuers begin them, and by how random they are.

A run of characters that is longer than ``RUN_MAX`` is one token all the same; where a stream goes on in the middle of
it, what comes later is masked as the rest of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from jackfield_guardrails.patterns import Pattern

if TYPE_CHECKING:
    from jackfield_guardrails.patterns import Encoded, Hit

RUN_MAX: Final = 140
"""Characters of a token that are looked at."""

ENTROPY_MIN: Final = 3.8
"""Bits a character (Shannon, of the run itself) from which letters and digits are random. 32 characters of base64 drawn
at random have 4.4 on average; words joined by hyphens have 3.5."""

_TAIL: Final = rf"[A-Za-z0-9_-]{{16,{RUN_MAX - 12}}}"
_PREFIXES: Final = (
    "sk-", "sk_live_", "sk_test_", "rk_live_", "pk_live_", "whsec_", "gh[pousr]_", "github_pat_", "glpat-",
    "xox[abeoprs]-", "xapp-", "AIza", "hf_", "npm_", "pypi-", r"SG\.", "dop_v1_", "shpat_", "jf_", "gsk_", "ya29[.]",
)  # fmt: skip

PREFIXED: Final = (
    rf"\b(?:{'|'.join(_PREFIXES)}){_TAIL}"
    r"|\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,60}\.[A-Za-z0-9_-]{10,60}(?:\.[A-Za-z0-9_-]{0,10})?"
    r"|-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
)
"""What issuers begin their keys with; JSON Web Tokens; PEM blocks with private keys."""

RANDOM: Final = rf"[A-Za-z0-9+/_-]{{32,{RUN_MAX}}}={{0,2}}"
"""What may be a key without a name."""

NAMES: Final = "PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?"
ASSIGNED: Final = (
    rf"\b[A-Z0-9_]{{0,30}}(?:{NAMES})[A-Z0-9_]{{0,16}} ?= ?[\"']?([^\s\"'=;,]{{8,64}})"
    rf"|\b(?i:[a-z0-9_]{{0,20}}(?:{NAMES})[\"']? ?[:=] ?[\"'])([^\s\"']{{8,64}})[\"']"
)
"""Lines of environment files, and quoted values in programs and JSON."""

_VALUE: Final = re.compile(r"[:=] ?[\"']?([^\s\"']+)[\"']?\Z")

_REST: Final = Pattern(r"[A-Za-z0-9+/_.=-]+")
_PEM_REST: Final = Pattern(
    r"[A-Za-z0-9+/=\s:,-]*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s]+"
)
_PEM: Final = b"-----BEGIN"
_PLACEHOLDER: Final = re.compile(r"\[[A-Z0-9_]+\]?\Z")
_STAND_INS: Final = (
    "${",
    "$(",
    "<",
    "{{",
    "%",
    "os.environ",
    "process.env",
    "your",
    "xxxx",
    "****",
    "...",
    "example",
    "changeme",
    "placeholder",
)


def random_run(text: str) -> bool:
    """Whether *text* has capitals, small letters and digits, and is as random as keys are."""
    if text.lower() == text or text.upper() == text or not any(map(str.isdigit, text)):
        return False
    counts = Counter(text).values()
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in counts) >= ENTROPY_MIN


def assigned_secret(assignment: str) -> bool:
    """Whether the value that is assigned to such a name is a secret, and does not stand for one."""
    start, end = value(assignment)
    given = assignment[start:end]
    if given.lower().startswith(_STAND_INS) or _PLACEHOLDER.match(given) or len(set(given)) < 5:  # noqa: PLR2004 - "********"
        return False
    return not given.isalpha() or given.lower() != given


def whole(encoded: Encoded, hit: Hit) -> int:
    """Where the token ends whose begin is *hit*, in bytes: its run may go on, and a PEM block has a body."""
    rest = _PEM_REST if encoded.data.startswith(_PEM, hit.start) else _REST
    more = rest.match(encoded.data, hit.end)
    return more.end if more is not None else hit.end


def value(text: str) -> tuple[int, int]:
    """Where the value is in an assignment that ``ASSIGNED`` has matched."""
    found = _VALUE.search(text)
    return found.span(1) if found else (0, len(text))
