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


def tiered(call: Call, principal: Principal | None) -> Call:
    """*call* with the priority of its tier, as far as its caller may have it, and the tier that serves it.

    Parameters:
        call: As it was decoded.
        principal: Who calls; None where nobody is asked, and everybody may do everything.
    """
    if call.tier is None:
        return call
    if call.tier not in {"flex", "priority"}:
        return msgspec.structs.replace(call, tier="default")
    least = principal.priority if principal is not None else PRIORITY
    usual = max(0, least)
    priority = max(FLEX if call.tier == "flex" else PRIORITY, least)
    requests = tuple(msgspec.structs.replace(request, priority=priority) for request in call.requests)
    tier = "default" if priority == usual else "priority" if priority < usual else "flex"
    return msgspec.structs.replace(call, requests=requests, tier=tier)
