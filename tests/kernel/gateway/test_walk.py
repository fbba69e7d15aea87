"""The stages around a worker, in order: what each lets through, and what becomes of what it does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.kernel.gateway.walks import DEFAULT_MAX_TOKENS, walk

from jackfield.channel.messages import WorkerStatus
from jackfield.chat import ChatPrompt, Message
from jackfield.context import RequestContext
from jackfield.errors import (
    ContentBlocked,
    GuardrailFailed,
    InvalidRequest,
    JackfieldError,
    PolicyDenied,
    PolicyUnavailable,
)
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.replica import Replica
from jackfield.manifest import ModelConfig
from jackfield.pooled import PoolRequest
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Verdict
from jackfield.ports.policy import Decision, Obligations
from jackfield.types import GenerateRequest, TextPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.gateway.walk import Walk
    from jackfield.gateway.work import WorkT
    from jackfield.ports.audit import AuditEvent
    from jackfield.ports.guardrail import Asking, GuardedText, Subject
    from jackfield.ports.limiter import Claim, Spent, Standing
    from jackfield.ports.policy import PolicyInput

INFO = ModelInfo(
    architecture="llama", title="t", description="d", parameters=2, size_bytes=2, context_train=64, vocabulary=9
)
LIMITS = RunnerLimits(context=64, max_sequences=4, kv_tokens=128, max_batch_tokens=32)
EMBED: Final = PoolRequest(model="demo", task="embed", inputs=(TextPrompt("a"),))


class Rules:
    """A policy engine of a function."""

    def __init__(self, decide: Callable[[PolicyInput], Decision]) -> None:
        self.rule = decide
        self.asked: list[PolicyInput] = []

    async def decide(self, question: PolicyInput) -> Decision:
        """As the function says."""
        self.asked.append(question)
        return self.rule(question)

    async def close(self) -> None:
        """Nothing to do."""


class Entry:
    """A reservation."""

    def __init__(self, ended: list[str]) -> None:
        self.ended = ended
        self.standings: Sequence[Standing] = ()

    async def begin(self, prompt_tokens: int) -> None:
        """Nothing to do."""

    async def leave_queue(self) -> None:
        """Nothing to do."""

    async def settle(self, spent: Spent) -> None:
        """Take note."""
        self.ended.append("settled")

    async def release(self) -> None:
        """Take note."""
        self.ended.append("released")


class Ledger:
    """A limiter that keeps what it is told."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.ended: list[str] = []

    async def reserve(self, claim: Claim) -> Entry:
        """All may be had."""
        self.claims.append(claim)
        return Entry(self.ended)

    async def close(self) -> None:
        """Nothing to do."""


class Words:
    """A guardrail that finds words."""

    traits = GuardrailTraits(stages=frozenset({"input"}), masks=True)

    def __init__(self, asking: Asking) -> None:
        self.asking = asking

    def concerns(self, subject: Subject) -> bool:
        """All of them."""
        return True

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """``odd`` is let pass, ``mail`` masked, ``bomb`` blocked."""
        return [self.verdict(text.text) for text in texts]

    def verdict(self, text: str) -> Verdict:
        """Of one."""
        findings = []
        masks = []
        if "odd" in text:
            findings.append(Finding(category="injection", code="odd", action="pass"))
        if (at := text.find("mail")) >= 0:
            findings.append(Finding(category="pii", code="email", action="mask"))
            masks.append(Mask(at, at + 4, "[MAIL]"))
        if "bomb" in text:
            findings.append(Finding(category="violence", code="bomb", action="block"))
        return Verdict(findings=tuple(findings), masks=tuple(masks))

    async def close(self) -> None:
        """Nothing to do."""


class Book:
    """An audit sink."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def note(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)

    async def write(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)

    async def close(self) -> None:
        """Nothing to do."""


def replica(name: str = "demo", *tags: str, info: ModelInfo = INFO) -> Replica:
    """A model that is ready."""
    config = ModelConfig(source=f"{name}.gguf", tags=tags)
    made = Replica(name, config, 2, Dialects({}, {name: config}))
    made.update(WorkerStatus(model=name, state="ready", info=info, limits=LIMITS))
    return made


def context() -> RequestContext:
    """Of a request."""
    made = RequestContext("req_1", "/v1/chat/completions", "192.0.2.7")
    made.method, made.scope = "POST", "generate"
    return made


def said(text: str = "hello", **more: object) -> GenerateRequest:
    """A question."""
    prompt = ChatPrompt(messages=(Message(role="user", content=text),))
    return GenerateRequest(model="demo", prompt=prompt, **more)  # type: ignore[arg-type]


def yes(**obligations: object) -> Decision:
    """Allowed, if."""
    return Decision(allow=True, obligations=msgspec.convert(obligations, Obligations))


def no(reason: str = "no") -> Decision:
    """Denied."""
    return Decision(allow=False, reasons=(reason,))


def passed(
    stages: Walk, work: WorkT, *candidates: Replica, of: RequestContext | None = None
) -> tuple[Replica, WorkT, RequestContext]:
    """Who does what, once *work* has passed."""
    mine = of or context()

    async def scenario() -> tuple[Replica, WorkT, RequestContext]:
        async with stages.of(mine, candidates or [replica()], work) as passage:
            return passage.replica, passage.guarded.work, mine

    return asyncio.run(scenario())


def policed(decide: Callable[[PolicyInput], Decision]) -> tuple[Rules, Walk]:
    """One engine, and the stages with it."""
    rules = Rules(decide)
    return rules, walk(policies={"rules": lambda: rules})


def test_without_plugins_all_passes_as_it_is() -> None:
    """The first candidate does it, nobody is asked, nothing has a name."""
    first, work = replica("first", "a"), said()
    chosen, got, mine = passed(walk(), work, first, replica("second", "b"))
    assert (chosen, got) == (first, work)
    assert (mine.model, mine.decision_id, mine.redact) == ("first", "", False)
    assert mine.revision == first.revision


def test_what_the_model_cannot_do_is_refused() -> None:
    """After policies: who may not use it, learns nothing of it."""
    with pytest.raises(InvalidRequest):
        passed(walk(), EMBED)
    _, stages = policed(lambda _: no())
    with pytest.raises(PolicyDenied):
        passed(stages, EMBED)


@pytest.mark.parametrize("fails", [False, True])
def test_moderation_is_limited_and_recorded(*, fails: bool) -> None:
    """It goes to no model, and may ask some; its texts are recorded nowhere."""
    ledger, book = Ledger(), Book()
    guardrails = {} if fails else {"words": Words}
    stages = walk(limiters={"ledger": lambda: ledger}, guardrails=guardrails, sinks={"book": lambda: book})
    moderating = stages.moderate(context(), ["a bomb", "peace"])
    if fails:
        with pytest.raises(JackfieldError):
            asyncio.run(moderating)
    else:
        assert [each.flagged for each in asyncio.run(moderating)] == [True, False]
    [claim] = ledger.claims
    assert (claim.action, claim.model, claim.prompt_tokens) == ("moderate", "", 2)
    assert ledger.ended == ["settled"]
    [event] = book.events
    assert (event.kind, event.action, event.outcome) == ("request", "moderate", "failed" if fails else "ok")
    assert event.details["texts"] == 2
    assert not event.texts


# --- policies ---------------------------------------------------------------------------------------------------------


def test_who_is_denied_reserves_nothing() -> None:
    """Neither limits nor guardrails hear of it."""
    ledger = Ledger()
    stages = walk({"rules": lambda: Rules(lambda _: no())}, {"ledger": lambda: ledger}, {"words": Words})
    with pytest.raises(PolicyDenied):
        passed(stages, said("bomb"))
    assert not ledger.claims


@pytest.mark.parametrize(
    ("asked", "least", "most", "given"),
    [
        (None, 0, 5, 5),
        (None, 0, DEFAULT_MAX_TOKENS, None),
        (None, 0, DEFAULT_MAX_TOKENS + 1, None),
        (100, 0, 5, 5),
        (100, 50, 5, 5),
        (5, 0, 5, 5),
        (3, 0, 5, 3),
        (1, 0, 1, 1),
    ],
)
@pytest.mark.parametrize("answers", [1, 4])
def test_answers_are_cut(asked: int | None, least: int, most: int, given: int | None, answers: int) -> None:
    """To what a policy lets them have, each; never made longer; what was to be their least length gives way."""
    _, stages = policed(lambda _: yes(max_tokens=most))
    _, work, _ = passed(stages, said(max_tokens=asked, min_tokens=least, n=answers))
    assert (work.max_tokens, work.n) == (given, answers)
    assert work.min_tokens <= (work.max_tokens or DEFAULT_MAX_TOKENS)


def test_limits_reserve_what_policies_let_it_have() -> None:
    """Not what was asked for."""
    ledger = Ledger()
    stages = walk({"rules": lambda: Rules(lambda _: yes(max_tokens=5))}, {"ledger": lambda: ledger})
    passed(stages, said(max_tokens=100, n=3))
    assert [claim.completion_tokens for claim in ledger.claims] == [15]


@pytest.mark.parametrize("asked", [None, -100, 100])
def test_the_priority_is_the_policys(asked: int | None) -> None:
    """Whatever was asked for."""
    _, stages = policed(lambda _: yes(priority=7))
    _, work, _ = passed(stages, said(priority=asked))
    assert work.priority == 7


def test_what_generates_nothing_is_not_cut() -> None:
    """It has no answers, and no priority."""
    _, stages = policed(lambda _: yes(max_tokens=5, priority=7))
    embedding = replica(info=msgspec.structs.replace(INFO, tasks=("embed",)))
    assert passed(stages, EMBED, embedding)[1] == EMBED


def test_what_must_not_be_recorded_is_marked_before_anything_is() -> None:
    """The summary has no text of it."""
    book = Book()
    stages = walk({"rules": lambda: Rules(lambda _: yes(redact=True))}, sinks={"book": lambda: book})
    _, _, mine = passed(stages, said("my secret"))
    assert mine.redact
    assert {event.kind for event in book.events} == {"authorization", "request"}
    assert "my secret" not in repr(book.events)
    assert not any(event.texts for event in book.events)


def test_a_mark_stays() -> None:
    """Another decision of the same request does not lift it."""
    answers = [yes(redact=True), yes()]
    _, stages = policed(lambda _: answers.pop(0))
    _, _, mine = passed(stages, said())
    assert passed(stages, said(), of=mine)[2].redact


@pytest.mark.parametrize("guardrails", [{}, {"words": Words}], ids=["none", "another"])
def test_a_guardrail_that_is_not_there_is_a_refusal(guardrails: dict[str, type[Words]]) -> None:
    """Also where none is enabled at all."""
    stages = walk({"rules": lambda: Rules(lambda _: yes(guardrails=["topics"]))}, guardrails=guardrails)
    with pytest.raises(GuardrailFailed):
        passed(stages, said())


def test_an_engine_that_breaks_lets_nothing_through() -> None:
    """Closed."""

    def broken(_: PolicyInput) -> Decision:
        raise ValueError("broken")

    with pytest.raises(PolicyUnavailable):
        passed(policed(broken)[1], said())


# --- which model ------------------------------------------------------------------------------------------------------


def test_a_route_tag_chooses_among_models_of_one_alias() -> None:
    """Each is asked about until one has the tag."""
    rules, stages = policed(lambda _: yes(route="eu"))
    chosen, _, mine = passed(stages, said(), replica("us", "us"), replica("eu", "eu", "big"), replica("x", "x"))
    assert (chosen.name, mine.model) == ("eu", "eu")
    assert [question.resource.name for question in rules.asked] == ["us", "eu"]
    assert [question.resource.tags for question in rules.asked] == [("us",), ("eu", "big")]


def test_the_first_allowed_model_is_taken() -> None:
    """A model that a policy denies is none of the caller's."""
    _, stages = policed(lambda question: yes() if question.resource.name == "small" else no("too large for you"))
    chosen, _, _ = passed(stages, said(), replica("large", "large"), replica("small", "small"))
    assert chosen.name == "small"


def test_where_none_is_left_the_first_denial_is_told() -> None:
    """With the name of its decision."""
    rules, stages = policed(lambda question: no(f"not {question.resource.name}"))
    with pytest.raises(PolicyDenied, match="not one") as denied:
        passed(stages, said(), replica("one", "a"), replica("two", "b"))
    assert denied.value.decision_id in denied.value.message
    assert len(rules.asked) == 2


def test_a_tag_that_nobody_has_is_a_denial() -> None:
    """And says which."""
    _, stages = policed(lambda _: yes(route="moon"))
    with pytest.raises(PolicyDenied, match="'moon'"):
        passed(stages, said(), replica("one", "a"))


# --- what guardrails find ---------------------------------------------------------------------------------------------


def flagged(decide: Callable[[PolicyInput], Decision], book: Book | None = None) -> tuple[Rules, Walk]:
    """An engine, and a guardrail before it is asked again."""
    rules = Rules(decide)
    sinks = {"book": lambda: book} if book is not None else {}
    return rules, walk({"rules": lambda: rules}, guardrails={"words": Words}, sinks=sinks)


def test_where_nothing_is_found_policies_are_asked_once() -> None:
    rules, stages = flagged(lambda _: yes())
    passed(stages, said("hello"))
    assert [question.request.flags for question in rules.asked] == [()]


def test_what_is_found_is_asked_about() -> None:
    """As flags; the prompt is masked by then, and all else is as before."""
    rules, stages = flagged(lambda _: yes())
    _, work, _ = passed(stages, said("an odd mail"))
    first, second = rules.asked
    assert second.request.flags == ("injection/odd", "pii/email")
    plain = msgspec.structs.replace(second.request, flags=(), prompt_tokens=first.request.prompt_tokens)
    assert plain == first.request
    assert "[MAIL]" in repr(work)


def test_a_policy_may_deny_by_what_was_found() -> None:
    """The prompt is recorded as it was masked, and what was reserved is given back."""
    book, ledger = Book(), Ledger()
    rules = Rules(lambda question: no("not with addresses") if question.request.flags else yes())
    stages = walk({"rules": lambda: rules}, {"ledger": lambda: ledger}, {"words": Words}, sinks={"book": lambda: book})
    with pytest.raises(PolicyDenied, match="not with addresses"):
        passed(stages, said("my mail"))
    outcomes = [(event.kind, event.outcome) for event in book.events if event.kind in {"authorization", "request"}]
    assert outcomes == [("authorization", "allowed"), ("authorization", "denied"), ("request", "denied")]
    assert "my mail" not in repr(book.events)
    assert ledger.ended == ["released"]


def test_what_is_found_may_make_conditions_stricter() -> None:
    """And never looser."""
    _, stages = flagged(
        lambda question: yes(max_tokens=9, redact=True) if question.request.flags else yes(max_tokens=5)
    )
    _, work, mine = passed(stages, said("odd"))
    assert (work.max_tokens, mine.redact) == (5, True)
    _, stages = flagged(lambda question: yes(max_tokens=2) if question.request.flags else yes(max_tokens=5))
    assert passed(stages, said("odd"))[1].max_tokens == 2


@pytest.mark.parametrize("late", [{"route": "eu"}, {"guardrails": ["words"]}], ids=["route", "guardrails"])
def test_what_comes_too_late_is_a_denial(late: dict[str, object]) -> None:
    """Its model is chosen, and its guardrails have judged it."""
    _, stages = flagged(lambda question: yes(**late) if question.request.flags else yes())
    with pytest.raises(PolicyDenied):
        passed(stages, said("odd"))


def test_what_a_guardrail_blocks_is_no_question() -> None:
    """Nobody is asked again."""
    rules, stages = flagged(lambda _: yes())
    with pytest.raises(ContentBlocked):
        passed(stages, said("bomb"))
    assert len(rules.asked) == 1


def test_without_policies_findings_are_guardrails_alone() -> None:
    _, work, mine = passed(walk(guardrails={"words": Words}), said("mail"))
    assert "[MAIL]" in repr(work)
    assert mine.decision_id == ""


# --- routes and questions ---------------------------------------------------------------------------------------------


def test_routes_are_asked_about() -> None:
    """By their scope."""
    rules, stages = policed(lambda question: no("not here") if question.resource.kind == "route" else yes())
    mine = context()
    with pytest.raises(PolicyDenied, match="not here"):
        asyncio.run(stages.permit_route(mine))
    [question] = rules.asked
    assert (question.action, question.resource.name) == ("generate", "/v1/chat/completions")
    asyncio.run(walk().permit_route(mine))


def test_questions_to_models_are_asked_about() -> None:
    """Of the models that a name may mean, the first allowed one answers."""
    _, stages = policed(lambda question: yes() if question.resource.name == "b" else no())
    mine = context()
    one, two = replica("a", "a"), replica("b", "b")
    assert asyncio.run(stages.permit_question(mine, [one, two])) is two
    assert mine.model == "b"
    with pytest.raises(JackfieldError):
        asyncio.run(stages.permit_question(mine, [one]))
    assert asyncio.run(walk().permit_question(mine, [one, two])) is one


def reached(stages: Walk, mine: RequestContext, error: Exception | None = None) -> None:
    """Ask that a model be there; *error* is what comes of it."""

    async def scenario() -> None:
        async with stages.reach(mine, [replica()]):
            if error is not None:
                raise error

    asyncio.run(scenario())


def test_who_asks_that_a_model_be_there_is_asked_about() -> None:
    """By the scope of the route, whose work there is none of; whom policies deny takes nothing."""
    ledger, book, rules = Ledger(), Book(), Rules(lambda _: no())
    stages = walk({"rules": lambda: rules}, {"ledger": lambda: ledger}, sinks={"book": lambda: book})
    with pytest.raises(PolicyDenied):
        reached(stages, context())
    [question] = rules.asked
    assert (question.action, question.resource.kind, question.resource.name) == ("generate", "model", "demo")
    assert not ledger.claims
    assert [(event.kind, event.outcome) for event in book.events] == [("authorization", "denied")]


@pytest.mark.parametrize("error", [None, InvalidRequest("models stay loaded")], ids=["answered", "refused"])
def test_that_it_is_there_is_limited_and_recorded(error: InvalidRequest | None) -> None:
    """As a request without tokens, before it is answered, and with what it is answered."""
    ledger, book = Ledger(), Book()
    stages = walk({"rules": lambda: Rules(lambda _: yes())}, {"ledger": lambda: ledger}, sinks={"book": lambda: book})
    if error is None:
        reached(stages, context())
    else:
        with pytest.raises(InvalidRequest):
            reached(stages, context(), error)
    [claim] = ledger.claims
    assert (claim.action, claim.model, claim.prompt_tokens, claim.answers) == ("ask", "demo", 0, 0)
    assert ledger.ended == ["settled"]
    decision, event = book.events
    assert (decision.kind, decision.outcome) == ("authorization", "allowed")
    assert (event.kind, event.action, event.resource) == ("request", "ask", "demo")
    assert (event.outcome, event.reason) == (("ok", "") if error is None else ("failed", "invalid_value"))
    assert event.details["route"] == "/v1/chat/completions"
