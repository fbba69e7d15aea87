"""Policy: whether a caller may do what it asks, and on what conditions.

``jackfield_policies`` hands over factories of ``PolicyEngine``. The kernel asks all of them: about work for a model
when it is to begin (``resource.kind`` is ``model``), whoever asked for it and whatever waits for it; about each route
whose operation has no ``task`` before its handler runs (``route``); and about models that such a route asks something.
Where several models share an alias, each is asked about until one is allowed. Once more, with ``request.flags``, where
guardrails have found something. One deny wins; of what several oblige to, the strictest holds. What is asked has ids,
numbers and flags only: no text of a prompt reaches a policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from jackfield.types import PRIORITY_MAX

INPUT_VERSION: Final = 1
"""Of ``PolicyInput``'s shape. It grows by new fields; what changes the meaning of one makes it 2."""

DEADLINE_S: Final = 1.0
"""How long one engine may take for one decision."""

NAME_MAX: Final = 256
"""Longest text in what a policy is asked, in characters."""

_UNPRINTED: Final = (
    r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # controls, ends of lines and paragraphs
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff0-\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # formats
    r"\ud800-\uf8ff\ufdd0-\ufdef"  # surrogates, private use, what is no character
    r"\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe-\U000e00ff\U000e01f0-\U0010ffff"
)
"""Characters that nobody sees, that change the direction of others, or mean nothing by themselves: Unicode 16,
categories Cc, Cf, Co, Cs, Zl and Zp, and planes without characters."""

_PLAIN: Final = r"[ !#-\[\]-~]"
"""Those of ASCII, which are found faster alone."""

NAME: Final = re.compile(rf"""\A(?:{_PLAIN}{{0,{NAME_MAX}}}|[^"\\{_UNPRINTED}]{{0,{NAME_MAX}}})\Z""")
"""What texts in a policy's input look like: printed characters of any script, composed (NFC), without ``"`` and ``\\``.
Nothing in it needs an escape in JSON or Rego."""

NAMES_MAX: Final = 1000
"""Most tools, roles, scopes or tags in what a policy is asked."""

NUMBER_MAX: Final = 2**53 - 1
"""Largest number in what a policy is asked: JSON's readers have larger ones rounded."""

REASONS_MAX: Final = 16
"""Most reasons of one decision."""

TAG: Final = re.compile(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")
"""What route tags, and names of guardrails, look like."""

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=NAME_MAX, pattern=NAME.pattern)]
Modality: TypeAlias = Literal["text", "image", "audio"]


class PolicyPrincipal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks; all of it empty where nobody is asked who calls."""

    id: Name = ""
    """``authenticator/id``: no two principals share one."""
    name: Name = ""
    """For people; several may have one."""
    authenticator: Name = ""
    owner: Name = ""
    team: Name = ""
    tenant: Name = ""
    roles: tuple[Name, ...] = ()
    scopes: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()


class PolicyResource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for."""

    kind: Literal["model", "route"]
    name: Name
    """A model's own name, or a route's path pattern."""
    adapter: Name = ""
    capabilities: tuple[Name, ...] = ()
    """What the model can do: ``generate``, ``embed``, ``rerank``, ``classify``, ``tools``, ``reasoning``, ``infill``,
    ``structured_outputs``."""
    backend: Name = ""
    tags: tuple[Name, ...] = ()
    """``models.NAME.tags``: what an obligation ``route`` chooses by."""


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of the request without telling what it says."""

    route: Name
    method: Name
    body_bytes: int = 0
    prompt_tokens: int = 0
    """Estimated: nothing is tokenised yet."""
    max_tokens: int = 0
    """Most tokens of each answer; the default where the request names none."""
    answers: int = 0
    """How many answers it wants; 0 for what generates nothing."""
    inputs: int = 0
    """How many texts it wants embedded or ranked."""
    messages: int = 0
    modalities: tuple[Modality, ...] = ()
    tools: tuple[Name, ...] = ()
    """Names of the tools that the model may call."""
    tool_choice: Name = ""
    temperature: float = 0.0
    priority: int = 0
    structured: bool = False
    """Whether the answer must have a given form."""
    reasoning: bool = False
    """Whether the model is asked to think."""
    logprobs: bool = False
    flags: tuple[Name, ...] = ()
    """What guardrails have found in the prompt, as ``category/code``. It is empty when policies are asked first; where
    guardrails have found something and let it pass, or masked it, policies are asked once more."""


class PolicyTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it is, in UTC and in the server's own time zone."""

    unix: int
    """Seconds."""
    weekday: int
    """Local: 1 is Monday, 7 is Sunday."""
    hour: int
    """Local, 0 to 23."""
    minute: int
    """Local."""
    utc_offset_minutes: int = 0


class PolicyInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question: may *principal* do *action* with *resource*?"""

    version: Literal[1] = INPUT_VERSION
    action: Name
    """The scope of the route: ``generate``, ``embed``, ``models:read``, ``keys:write``, …"""
    principal: PolicyPrincipal = PolicyPrincipal()
    resource: PolicyResource
    request: RequestFacts
    time: PolicyTime
    client: Name = ""
    """The caller's address."""


class Obligations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a permission depends on."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    """Most tokens of each answer; less where the request asks for less."""
    priority: Annotated[int, msgspec.Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] | None = None
    """The request's priority, whatever it asks for."""
    route: Annotated[str, msgspec.Meta(pattern=TAG.pattern)] | None = None
    """Tag of the models that may serve it: of those that share the alias that was asked for, the first one that has
    it. There must be one."""
    redact: bool = False
    """Nothing of what it says is recorded, not even as a hash."""
    guardrails: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=TAG.pattern)], ...], msgspec.Meta(max_length=64)
    ] = ()
    """Guardrails that must check it, besides those that do anyway; one that is not there is a refusal."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An engine's answer."""

    allow: bool
    reasons: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=NAME_MAX)], ...], msgspec.Meta(max_length=REASONS_MAX)
    ] = ()
    """For the caller and the decision log: why not, or by which rule."""
    obligations: Obligations = Obligations()


def strictest(obligations: Sequence[Obligations]) -> Obligations:
    """What all of *obligations* come to.

    The least ``max_tokens``; the least urgent ``priority``; all ``guardrails``; redacted where one wants it. Two that
    want different ``route``s cannot both be met.

    Raises:
        ValueError: Route tags differ.
    """
    if len(obligations) == 1:
        return obligations[0]
    routes = {each.route for each in obligations if each.route is not None}
    if len(routes) > 1:
        raise ValueError("two policies want this request to go different ways")
    return Obligations(
        max_tokens=min((each.max_tokens for each in obligations if each.max_tokens is not None), default=None),
        priority=max((each.priority for each in obligations if each.priority is not None), default=None),
        route=next(iter(routes), None),
        redact=any(each.redact for each in obligations),
        guardrails=tuple(dict.fromkeys(name for each in obligations for name in each.guardrails)),
    )


class PolicyEngine(Protocol):
    """Decides."""

    async def decide(self, question: PolicyInput) -> Decision:
        """Whether what *question* asks is allowed.

        Process and thread: gateway, event loop thread, which it must not block; calls may overlap. Deadline: 1 s
        (``DEADLINE_S``). Failure policy: closed; whatever is raised, a deadline missed and an answer that is no
        ``Decision`` deny the request with 503, and are logged by name. An engine whose options say ``fail = "open"``
        answers for itself that it allows.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        open; it is logged by name.
        """
        ...


class PolicyTest(msgspec.Struct, frozen=True, kw_only=True):
    """How one of a policy's own tests went."""

    name: str
    passed: bool
    detail: str = ""
    """Why not."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and how it came about."""

    decision: Decision
    policies: Sequence[str] = ()
    """Those that were decisive, by file and rule, as well as the engine can tell."""
    notes: Sequence[str] = ()


@runtime_checkable
class PolicyWorkbench(Protocol):
    """What a ``PolicyEngine`` may have besides, for ``jackfield policy``."""

    async def explain(self, question: PolicyInput) -> Explanation:
        """Decide, and say why.

        Process and thread: command line, event loop thread. Deadline: 10 s. Failure policy: closed; the command fails.
        """
        ...

    async def test(self) -> Sequence[PolicyTest]:
        """Run the policies' own tests.

        Process and thread: command line, event loop thread. Deadline: 60 s. Failure policy: closed; the command fails.
        """
        ...


PolicyEngineFactory: TypeAlias = Callable[[], PolicyEngine]
"""What ``jackfield_policies`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""
