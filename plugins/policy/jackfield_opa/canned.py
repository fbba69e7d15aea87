"""Questions of each kind, which all policies must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.ports.policy import PolicyInput, PolicyPrincipal, PolicyResource, PolicyTime, RequestFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOON: Final = PolicyTime(unix=1_767_614_400, weekday=1, hour=12, minute=0)
_CHAT: Final = RequestFacts(
    route="/v1/chat/completions",
    method="POST",
    prompt_tokens=100,
    max_tokens=100,
    answers=1,
    messages=1,
    modalities=("text",),
    tools=("search",),
)
_ADA: Final = PolicyPrincipal(
    id="keys/ada", name="ada", authenticator="keys", tenant="acme", roles=("user",), scopes=("generate",)
)
CANNED: Final[Mapping[str, PolicyInput]] = {
    "nobody who generates": PolicyInput(
        action="generate", resource=PolicyResource(kind="model", name="demo"), request=_CHAT, time=_NOON
    ),
    "somebody who generates": PolicyInput(
        action="generate", principal=_ADA, resource=PolicyResource(kind="model", name="demo"), request=_CHAT, time=_NOON
    ),
    "somebody who wants embeddings": PolicyInput(
        action="embed",
        principal=_ADA,
        resource=PolicyResource(kind="model", name="demo"),
        request=RequestFacts(route="/v1/embeddings", method="POST", inputs=1, prompt_tokens=10),
        time=_NOON,
    ),
    "somebody who lists models": PolicyInput(
        action="models:read",
        principal=_ADA,
        resource=PolicyResource(kind="route", name="/v1/models"),
        request=RequestFacts(route="/v1/models", method="GET"),
        time=_NOON,
    ),
}
"""Questions of each kind. Whether they are allowed is the policies' business; a decision they must be."""
