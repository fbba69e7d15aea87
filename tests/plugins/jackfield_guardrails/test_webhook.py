"""A webhook: what it is sent, what it may answer, and what becomes of requests when it does not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import GuardrailFailed
from jackfield.outbound.client import Outbound
from jackfield.outbound.options import OutboundOptions
from jackfield.ports.guardrail import Finding, GuardedText, Mask
from jackfield.secret import Secret
from jackfield_guardrails.ruled import Ruled
from jackfield_guardrails.rules import WebhookRule
from jackfield_guardrails.webhook import SIGNATURE, TIMESTAMP, WebhookGuardrail, signed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jackfield.ports.guardrail import Guardrail, Subject, Verdict

NEAR = OutboundOptions(schemes=("http",), private_hosts=("127.0.0.1",), timeout_s=30.0)
BLOCK = {"verdicts": [{"findings": [{"category": "webhook", "code": "no", "action": "block"}]}]}


class Hook:
    """A server that answers what it is told, and remembers what it was sent."""

    def __init__(self) -> None:
        self.answer: Any = {"verdicts": [{}]}
        self.status = 200
        self.sent: list[tuple[bytes, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.sent.append((await request.read(), {name.lower(): value for name, value in request.headers.items()}))
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return web.Response(body=body, status=self.status)


def run(
    hook: Hook,
    scenario: Callable[[WebhookGuardrail], Awaitable[Any]],
    now: Callable[[], float] = time.monotonic,
    secret: Callable[[], Secret] | None = None,
    **options: Any,
) -> Any:
    """*scenario* with a guardrail that asks *hook*."""

    async def serve() -> Any:
        application = web.Application()
        application.router.add_post("/judge", hook.handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        rule = WebhookRule(url=f"http://127.0.0.1:{port}/judge", outbound=NEAR, **options)
        guardrail = WebhookGuardrail(rule, "hook", Outbound(rule.outbound), secret, now)
        try:
            return await scenario(guardrail)
        finally:
            await guardrail.close()
            await runner.cleanup()

    return asyncio.run(serve())


def ask(who: Subject, *texts: GuardedText) -> Callable[[Guardrail], Awaitable[Any]]:
    async def scenario(guardrail: Guardrail) -> Any:
        return await guardrail.judge(who, texts)

    return scenario


def test_it_is_sent_what_it_must_know(somebody: Callable[..., Subject]) -> None:
    """Texts, and whose they are."""
    hook = Hook()
    who = somebody(key="ci", team="legal")
    run(hook, ask(who, GuardedText(text="hello \ud800", role="user")))
    [(body, headers)] = hook.sent
    assert json.loads(body) == {
        "version": 1,
        "id": "req-1",
        "stage": "input",
        "model": "demo",
        "route": "/v1/chat/completions",
        "key": "ci",
        "team": "legal",
        "texts": [{"text": "hello ?", "channel": "content", "role": "user", "begin": 0, "complete": True}],
    }
    assert headers["content-type"] == "application/json"
    assert SIGNATURE not in headers


def test_what_it_is_sent_is_signed(somebody: Callable[..., Subject]) -> None:
    """Over the time as well, so that nobody can send it again tomorrow."""
    hook = Hook()
    run(hook, ask(somebody(), GuardedText(text="hello")), secret=lambda: Secret("sesame"))
    [(body, headers)] = hook.sent
    assert abs(int(headers[TIMESTAMP]) - time.time()) < 600
    expected = hmac.new(b"sesame", headers[TIMESTAMP].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"sha256={expected}"


def test_a_known_signature() -> None:
    """For those who write the other side."""
    assert signed(b"{}", Secret("key"), 1_700_000_000)[SIGNATURE] == (
        "sha256=" + hmac.new(b"key", b"1700000000.{}", hashlib.sha256).hexdigest()
    )


def test_a_rotated_secret_signs_from_then_on(somebody: Callable[..., Subject]) -> None:
    """Also through the rule that a document may replace."""
    hook, found = Hook(), [Secret("first"), Secret("second"), Secret("third")]

    async def scenario(guardrail: WebhookGuardrail) -> None:
        ruled = Ruled("guardrail", "hook", ("hook",), WebhookRule(url="https://x"), lambda _rule, _longest: guardrail)
        for _ in range(2):
            await ruled.judge(somebody(), [GuardedText(text="hello")])
            await ruled.reload()

    run(hook, scenario, secret=lambda: found.pop(0))
    for (body, headers), secret in zip(hook.sent, ("first", "second"), strict=True):
        right = signed(body, Secret(secret), int(headers[TIMESTAMP.lower()]))
        assert headers[SIGNATURE.lower()] == right[SIGNATURE]


def test_its_verdicts_are_taken(somebody: Callable[..., Subject]) -> None:
    """Findings and masks."""
    hook = Hook()
    finding = {"category": "webhook", "code": "name", "action": "mask", "score": 0.5}
    hook.answer = {"verdicts": [{"findings": [finding], "masks": [{"start": 0, "end": 5, "replacement": "#"}]}, {}]}
    first, second = run(hook, ask(somebody(), GuardedText(text="hello"), GuardedText(text="x")), masks=True)
    assert first.findings == (Finding(category="webhook", code="name", action="mask", score=0.5),)
    assert first.masks == (Mask(0, 5, "#", False),)
    assert second.findings == second.masks == ()


def test_only_its_channels_are_sent(somebody: Callable[..., Subject]) -> None:
    """The verdicts stay with their texts."""
    hook = Hook()
    hook.answer = BLOCK
    texts = [GuardedText(text="a", channel="reasoning"), GuardedText(text="b")]
    first, second = run(hook, ask(somebody(), *texts), channels=("content",))
    assert not first.blocked
    assert second.blocked
    assert [each["text"] for each in json.loads(hook.sent[0][0])["texts"]] == ["b"]


BAD: list[Any] = [
    b"",
    b"no json",
    b"[]",
    {},
    {"verdicts": []},
    {"verdicts": [{}, {}]},
    {"verdicts": [{"findings": [{"category": "webhook", "code": "x"}]}]},
    {"verdicts": [{"findings": [{"category": "webhook", "code": "x", "action": "delete"}]}]},
    {"verdicts": [{"findings": [{"category": "other", "code": "x", "action": "block"}]}]},
    {"verdicts": [{"findings": [{"category": "webhook", "code": "x", "action": "block", "score": 7}]}]},
    {"verdicts": [{"masks": [{"start": 0, "end": 1, "replacement": "#"}]}]},
    {"verdicts": [{"findings": [], "masks": [{"start": 3, "end": 99, "replacement": "#"}]}]},
    {"verdicts": [{"masks": [{"start": 2, "end": 1, "replacement": "#"}]}]},
    {"verdicts": [{"masks": [{"start": -1, "end": 1, "replacement": "#"}]}]},
    {"verdicts": [{"findings": [{"category": "webhook", "code": "x", "action": "block"}] * 101}]},
]


@pytest.mark.parametrize("answer", BAD, ids=str)
def test_what_is_no_answer_is_a_failure(somebody: Callable[..., Subject], answer: Any) -> None:
    """And the error repeats nothing of it."""
    hook = Hook()
    hook.answer = answer
    with pytest.raises(GuardrailFailed) as caught:
        run(hook, ask(somebody(), GuardedText(text="hello")), masks=True)
    assert "hello" not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("status", [204, 302, 400, 500])
def test_another_status_is_a_failure(somebody: Callable[..., Subject], status: int) -> None:
    """Whatever the body says."""
    hook = Hook()
    hook.status = status
    with pytest.raises(GuardrailFailed):
        run(hook, ask(somebody(), GuardedText(text="hello")))


def test_one_that_may_not_mask_does_not(somebody: Callable[..., Subject]) -> None:
    """Unless its rule says so."""
    hook = Hook()
    finding = {"category": "webhook", "code": "x", "action": "mask"}
    hook.answer = {"verdicts": [{"findings": [finding], "masks": [{"start": 0, "end": 1, "replacement": "#"}]}]}
    with pytest.raises(GuardrailFailed):
        run(hook, ask(somebody(), GuardedText(text="hello")))


def test_open_lets_texts_pass_unjudged(somebody: Callable[..., Subject]) -> None:
    """Only where the rule says so, and the condition tells it."""
    hook = Hook()
    hook.status = 500

    async def scenario(guardrail: WebhookGuardrail) -> tuple[Verdict, Any]:
        [verdict] = await guardrail.judge(somebody(), [GuardedText(text="hello")])
        return verdict, guardrail.troubles

    verdict, troubles = run(hook, scenario, fail="open", failures=1)
    assert not verdict.findings
    assert troubles == ("the webhook of guardrail hook has failed 1 times in a row: requests pass unjudged",)


def test_one_that_fails_is_left_alone_and_tried_again(somebody: Callable[..., Subject]) -> None:
    """After the pause one request asks; when it is answered all is well."""
    hook = Hook()
    hook.status = 500
    times = [0.0]

    async def scenario(guardrail: WebhookGuardrail) -> None:
        texts = [GuardedText(text="hello")]
        for _ in range(4):
            with pytest.raises(GuardrailFailed):
                await guardrail.judge(somebody(), texts)
        assert len(hook.sent) == 2
        assert "requests are refused" in guardrail.troubles[0]
        hook.status = 200
        with pytest.raises(GuardrailFailed):
            await guardrail.judge(somebody(), texts)
        times[0] = 10.0
        assert len(await guardrail.judge(somebody(), texts)) == 1
        assert not guardrail.troubles

    run(hook, scenario, now=lambda: times[0], failures=2, pause_s=10.0)
    assert len(hook.sent) == 3


def test_a_caller_who_leaves_is_no_failure(somebody: Callable[..., Subject]) -> None:
    """The breaker hears of nothing."""
    hook = Hook()

    async def scenario(guardrail: WebhookGuardrail) -> None:
        asked = asyncio.ensure_future(guardrail.judge(somebody(), [GuardedText(text="hello")]))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert not guardrail.troubles
        await guardrail.judge(somebody(), [GuardedText(text="hello")])

    run(hook, scenario, failures=1)


def test_nothing_is_asked_of_private_hosts_that_nobody_has_named(rules: Any) -> None:
    """The secret is read where the rule says."""
    (rules.folder / "key").write_text("sesame\n", "utf-8")
    (rules.folder / "key").chmod(0o600)
    guardrail = rules.one(
        f'kind = "webhook"\nurl = "https://guard.example/judge"\nsecret = "file:{rules.folder}/key"\n'
        'masks = true\nwindow = 200\nstages = ["output"]\n'
    )
    traits = guardrail.traits
    assert (traits.masks, traits.window, traits.longest, traits.categories) == (True, 200, None, ("webhook",))


_ANSWER = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.sampled_from(["webhook", "block", "mask", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["verdicts", "findings", "masks", "start", "end", "replacement", "category", "code", "action"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(answer=_ANSWER)
def test_any_answer_is_a_verdict_or_a_failure(answer: Any) -> None:
    """And its spans are in the text."""

    class Fake:
        async def fetch(self, *_: Any, **__: Any) -> Any:
            from jackfield.outbound.answers import Answer

            return Answer(status=200, headers={}, body=json.dumps(answer).encode(), url="")

        async def close(self) -> None:
            return

    rule = WebhookRule(url="https://guard.example/", masks=True)
    guardrail = WebhookGuardrail(rule, "hook", Fake(), None)  # type: ignore[arg-type]

    async def judge() -> Any:
        from jackfield.ports.guardrail import Subject

        who = Subject(stage="input", request_id="r", model="m", route="/")
        return await guardrail.judge(who, [GuardedText(text="hello world", begin=2)])

    try:
        [verdict] = asyncio.run(judge())
    except GuardrailFailed:
        return
    done = 2
    for mask in verdict.masks:
        assert done <= mask.start < mask.end <= 11
        done = mask.end
