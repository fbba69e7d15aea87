"""``service_tier``: how urgent a request is, in OpenAI's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal
    from jackfield_openai.bodies import Call

FLEX: Final = 10
PRIORITY: Final = -10
"""Priorities of the tiers; lower goes first."""

BATCH: Final = "flex"
"""The tier of lines of batches, which wait for everybody else's requests whichever they ask for."""


def tiered(call: Call, principal: Principal | None) -> Call:
    """*call* with the priority of its tier, as far as its caller may have it, and the tier that serves it.

    Parameters:
        call: As it was decoded.
        principal: Who calls; None where nobody is asked, and everybody may do everything.
    """
    if call.tier is None:
        return call
    priority, tier = served(call.tier, principal)
    if priority is None:
        return msgspec.structs.replace(call, tier=tier)
    requests = tuple(msgspec.structs.replace(request, priority=priority) for request in call.requests)
    return msgspec.structs.replace(call, requests=requests, tier=tier)


def served(wanted: str, principal: Principal | None) -> tuple[int | None, str]:
    """The priority that the tier *wanted* gives a caller, None where it gives none, and the tier that this is."""
    if wanted not in {"flex", "priority"}:
        return None, "default"
    least = principal.priority if principal is not None else PRIORITY
    usual = max(0, least)
    priority = max(FLEX if wanted == "flex" else PRIORITY, least)
    return priority, "default" if priority == usual else "priority" if priority < usual else "flex"
