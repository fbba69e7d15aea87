"""A guardrail somewhere else, over HTTP; the README has the protocol."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from jackfield.errors import GuardrailFailed
from jackfield.outbound.errors import OutboundError
from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Verdict
from jackfield_guardrails.breaker import Breaker
from jackfield_guardrails.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.outbound.client import Outbound
    from jackfield.ports.guardrail import GuardedText, Subject
    from jackfield.secret import Secret
    from jackfield_guardrails.rules import WebhookRule

VERSION: Final = 1
"""Of the protocol."""

FINDINGS_MAX: Final = 100
MASKS_MAX: Final = 10_000
OK: Final = 200

SIGNATURE: Final = "x-jackfield-signature"
TIMESTAMP: Final = "x-jackfield-timestamp"


class HookMask(msgspec.Struct, frozen=True, kw_only=True):
    """A span, in characters."""

    start: Annotated[int, msgspec.Meta(ge=0)]
    end: Annotated[int, msgspec.Meta(ge=0)]
    replacement: Annotated[str, msgspec.Meta(max_length=256)]
    restore: bool = False


class HookVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one text."""

    findings: Annotated[tuple[Finding, ...], msgspec.Meta(max_length=FINDINGS_MAX)] = ()
    masks: Annotated[tuple[HookMask, ...], msgspec.Meta(max_length=MASKS_MAX)] = ()


class HookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer; fields that are not known are left alone."""

    verdicts: tuple[HookVerdict, ...]


class WebhookGuardrail:
    """Posts texts and takes verdicts; see ``jackfield.ports.guardrail.Guardrail``.

    Parameters:
        rule: As it is written.
        name: Its name, for operators.
        outbound: Fetches.
        secret: Reads what signs; None signs nothing.
        now: Tells the breaker the time.
    """

    def __init__(
        self,
        rule: WebhookRule,
        name: str,
        outbound: Outbound,
        secret: Callable[[], Secret] | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.traits = GuardrailTraits(
            stages=frozenset(rule.stages),
            channels=frozenset(rule.channels),
            masks=rule.masks,
            window=rule.window,
            window_s=None if rule.window_ms is None else rule.window_ms / 1000,
            default_on=rule.default_on,
            moderation=rule.moderation,
            categories=rule.categories,
        )
        self._rule = rule
        self._name = name
        self._outbound = outbound
        self._read = secret
        self._secret = secret() if secret is not None else None
        self._breaker = Breaker(rule.failures, rule.pause_s, now)
        self._scope = Scope(rule)

    @property
    def troubles(self) -> Sequence[str]:
        """See ``jackfield.ports.condition.Condition``."""
        if not self._breaker.open:
            return ()
        then = "requests pass unjudged" if self._rule.fail == "open" else "requests are refused"
        return (f"the webhook of guardrail {self._name} has failed {self._rule.failures} times in a row: {then}",)

    def concerns(self, subject: Subject) -> bool:
        return self._scope.has(subject)

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        concerned = [text for text in texts if text.channel in self.traits.channels]
        if not concerned:
            return [Verdict() for _ in texts]
        try:
            found = iter(await self._asked(subject, concerned))
        except GuardrailFailed:
            if self._rule.fail == "closed":
                raise
            return [Verdict() for _ in texts]
        return [next(found) if text.channel in self.traits.channels else Verdict() for text in texts]

    async def reload(self) -> None:
        """See ``jackfield.ports.reloading.Reloading``."""
        if self._read is not None:
            self._secret = await asyncio.to_thread(self._read)

    async def close(self) -> None:
        await self._outbound.close()

    async def _asked(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        if not self._breaker.enter():
            raise GuardrailFailed("a webhook does not answer, and is left alone for a while")
        well: bool | None = None
        try:
            verdicts = await self._fetched(subject, texts)
            well = True
        except (OutboundError, msgspec.MsgspecError, ValueError) as error:
            well = False
            # what it has answered may have the text in it
            raise GuardrailFailed(f"a webhook gave no verdict ({type(error).__name__})") from None
        finally:
            self._breaker.left(well=well)
        return verdicts

    async def _fetched(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        body = question(subject, texts)
        answer = await self._outbound.fetch(
            self._rule.url, method="POST", headers=signed(body, self._secret, int(time.time())), body=body
        )
        if answer.status != OK:
            raise ValueError("not 200")
        verdicts = msgspec.json.decode(answer.body, type=HookAnswer).verdicts
        return [self._verdict(text, verdict) for text, verdict in zip(texts, verdicts, strict=True)]

    def _verdict(self, text: GuardedText, said: HookVerdict) -> Verdict:
        """What was *said*, if it can be.

        Raises:
            ValueError: It cannot.
        """
        done = text.begin
        if said.masks and not self._rule.masks:
            raise ValueError("masks")
        for mask in said.masks:
            if not done <= mask.start < mask.end <= len(text.text):
                raise ValueError("span")
            done = mask.end
        if not {finding.category for finding in said.findings} <= set(self._rule.categories):
            raise ValueError("category")
        if said.masks and not any(finding.action != "pass" for finding in said.findings):
            raise ValueError("finding")
        masks = tuple(Mask(mask.start, mask.end, mask.replacement, mask.restore) for mask in said.masks)
        return Verdict(findings=said.findings, masks=masks)


def question(subject: Subject, texts: Sequence[GuardedText]) -> bytes:
    """What is posted."""
    principal = subject.principal
    return msgspec.json.encode(
        {
            "version": VERSION,
            "id": subject.request_id,
            "stage": subject.stage,
            "model": subject.model,
            "route": subject.route,
            "key": principal.name if principal else "",
            "team": principal.team if principal else "",
            "texts": [_writable(text) for text in texts],
        }
    )


def signed(body: bytes, secret: Secret | None, timestamp: int) -> dict[str, str]:
    """Headers that prove who posts *body*, and when: HMAC-SHA256 over the timestamp, a full stop and the body."""
    headers = {"content-type": "application/json", TIMESTAMP: str(timestamp)}
    if secret is not None:
        digest = hmac.new(secret.reveal().encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers[SIGNATURE] = f"sha256={digest}"
    return headers


def _writable(text: GuardedText) -> dict[str, object]:
    # a lone surrogate is no text in JSON; a question mark keeps all places
    plain = text.text if text.text.isascii() else text.text.encode(errors="replace").decode()
    return {
        "text": plain,
        "channel": text.channel,
        "role": text.role,
        "begin": text.begin,
        "complete": text.complete,
    }
