"""The policy stage: who is asked, what comes of several answers, and what is recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from structlog.testing import capture_logs

from jackfield.context import RequestContext
from jackfield.errors import AuditFailed, JackfieldError, PluginError, PolicyDenied, PolicyUnavailable, http
from jackfield.gateway import policing as stage
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.policing import Policing
from jackfield.ports.policy import (
    Decision,
    Obligations,
    PolicyInput,
    PolicyPrincipal,
    PolicyResource,
    PolicyTime,
    RequestFacts,
    strictest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.ports.audit import AuditEvent
    from jackfield.ports.policy import PolicyEngine, PolicyEngineFactory

QUESTION: Final = PolicyInput(
    action="generate",
    principal=PolicyPrincipal(id="keys/ann"),
    resource=PolicyResource(kind="model", name="demo"),
    request=RequestFacts(route="/v1/chat/completions", method="POST", prompt_tokens=7),
    time=PolicyTime(unix=0, weekday=4, hour=0, minute=0),
)


class Engine:
    """Says what it is told to."""

    def __init__(self, answer: object = None) -> None:
        self.answer = Decision(allow=True) if answer is None else answer
        self.asked: list[PolicyInput] = []
        self.closed = 0

    async def decide(self, question: PolicyInput) -> Decision:
        """That."""
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]

    async def close(self) -> None:
        """Take note."""
        self.closed += 1
        if isinstance(self.answer, Exception):
            raise self.answer


class Silent(Engine):
    """Never answers."""

    async def decide(self, question: PolicyInput) -> Decision:
        """Not before the end of time."""
        await asyncio.Event().wait()
        raise AssertionError


class Sync(Engine):
    """Is no coroutine."""

    def decide(self, question: PolicyInput) -> Decision:  # type: ignore[override]
        """At once."""
        return Decision(allow=True)


class Together(Engine):
    """Answers when another has been asked too."""

    def __init__(self, here: asyncio.Event, there: asyncio.Event) -> None:
        super().__init__()
        self.here, self.there = here, there

    async def decide(self, question: PolicyInput) -> Decision:
        """Once both are asked."""
        self.here.set()
        await self.there.wait()
        return await super().decide(question)


class Book:
    """An audit sink."""

    def __init__(self, *, full: bool = False) -> None:
        self.noted: list[AuditEvent] = []
        self.written: list[AuditEvent] = []
        self.full = full

    def note(self, event: AuditEvent) -> None:
        """Keep it."""
        if self.full:
            raise OSError("no space left")
        self.noted.append(event)

    async def write(self, event: AuditEvent) -> None:
        """Keep it."""
        if self.full:
            raise OSError("no space left")
        self.written.append(event)

    async def close(self) -> None:
        """Nothing to do."""


def deny(*reasons: str) -> Decision:
    """No."""
    return Decision(allow=False, reasons=reasons)


def oblige(**obligations: object) -> Decision:
    """Yes, if."""
    return Decision(allow=True, obligations=msgspec.convert(obligations, Obligations))


def policing(engines: Mapping[str, PolicyEngine], book: Book | None = None) -> Policing:
    """The stage, with these."""
    factories: dict[str, PolicyEngineFactory] = {name: _factory(engine) for name, engine in engines.items()}
    return Policing(factories, Auditing({"book": lambda: book} if book is not None else {}))


def _factory(engine: PolicyEngine) -> PolicyEngineFactory:
    return lambda: engine


def permit(
    *engines: PolicyEngine,
    book: Book | None = None,
    context: RequestContext | None = None,
    ask: Callable[[], PolicyInput] = lambda: QUESTION,
    before: Obligations | None = None,
) -> Obligations:
    """What they decide."""
    named = {f"engine{number}": engine for number, engine in enumerate(engines, 1)}
    context = context or RequestContext("req_1", "/v1/chat/completions", "192.0.2.7")
    return asyncio.run(policing(named, book).permit(context, ask, before))


def test_without_engines_nothing_is_enabled() -> None:
    """Questions are not even made."""
    assert not policing({}).enabled
    assert policing({"one": Engine()}).enabled


def test_one_engine_decides() -> None:
    """Its obligations are those of the request; the context knows the decision's name."""
    engine = Engine(oblige(max_tokens=5, guardrails=["pii"]))
    context = RequestContext("req_1", "/", "")
    assert permit(engine, context=context) == Obligations(max_tokens=5, guardrails=("pii",))
    assert engine.asked == [QUESTION]
    assert context.decision_id.startswith("dec_")
    assert len(context.decision_id) == len("dec_") + 24


def test_every_decision_has_its_own_name() -> None:
    """So that it is found in the record."""
    context = RequestContext("req_1", "/", "")
    names = set()
    for _ in range(20):
        permit(Engine(), context=context)
        names.add(context.decision_id)
    assert len(names) == 20


def test_a_denial_says_why_and_which_decision_it_was() -> None:
    """403, with the reasons, each once."""
    context = RequestContext("req_1", "/", "")
    with pytest.raises(PolicyDenied) as denied:
        permit(Engine(deny("not at night", "not you", "not at night")), context=context)
    error = denied.value
    assert error.message == f"a policy does not allow this: not at night; not you (decision {context.decision_id})"
    assert error.decision_id == context.decision_id
    assert http(error).status == 403


def test_a_denial_without_a_reason_is_one() -> None:
    with pytest.raises(PolicyDenied, match=r"a policy does not allow this \(decision dec_[0-9a-f]{24}\)"):
        permit(Engine(deny()))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_denial_wins(place: int) -> None:
    """Wherever it stands, and whatever becomes of the others."""
    engines: list[PolicyEngine] = [Engine(), Engine(ValueError("broken"))]
    engines.insert(place, Engine(deny("no")))
    with pytest.raises(PolicyDenied, match="no"):
        permit(*engines)


def test_all_are_asked_at_the_same_time() -> None:
    """The slowest one is waited for, and no sum."""

    async def scenario() -> Obligations:
        one, two = asyncio.Event(), asyncio.Event()
        together = policing({"one": Together(one, two), "two": Together(two, one)})
        async with asyncio.timeout(30):
            return await together.permit(RequestContext("r", "/", ""), lambda: QUESTION)

    assert asyncio.run(scenario()) == Obligations()


NO_DECISIONS: Final = {
    "an error": ValueError("hunter2"),
    "the kernel's own error": PolicyDenied("hunter2"),
    "a timeout of its own": TimeoutError(),
    "a dict": {"allow": True},
    "a truth": True,
    "a word": "allow",
    "a word for a truth": Decision(allow="yes"),  # type: ignore[arg-type]
    "a long reason": Decision(allow=True, reasons=("x" * 257,)),
    "many reasons": Decision(allow=True, reasons=("x",) * 17),
    "no tokens": Decision(allow=True, obligations=Obligations(max_tokens=0)),
    "an urgent priority": Decision(allow=True, obligations=Obligations(priority=1000)),
    "a path for a tag": Decision(allow=True, obligations=Obligations(route="../x")),
    "no name": Decision(allow=True, obligations=Obligations(guardrails=("A b",))),
    "loose obligations": Decision(allow=True, obligations={"redact": "yes"}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("answer", NO_DECISIONS.values(), ids=list(NO_DECISIONS))
def test_what_is_no_decision_allows_nothing(answer: object) -> None:
    """503, whether it is alone or beside one who agrees; what it said is not repeated."""
    for engines in ([Engine(answer)], [Engine(), Engine(answer)], [Engine(answer), Engine()]):
        with capture_logs() as lines, pytest.raises(PolicyUnavailable) as failure:
            permit(*engines)
        assert "hunter2" not in failure.value.message
        assert http(failure.value).status == 503
        [line] = [line for line in lines if line["event"] == "policy engine failed"]
        assert line["plugin"].startswith("engine")


def test_what_never_answers_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deadline passes."""
    monkeypatch.setattr(stage, "DEADLINE_S", 0.05)
    with capture_logs() as lines, pytest.raises(PolicyUnavailable):
        permit(Silent())
    assert lines[0]["reason"] == "no answer within 0.05 s"


def test_what_is_no_coroutine_allows_nothing() -> None:
    """A plugin's mistake is its own failure, not a defect of the gateway."""
    with pytest.raises(PolicyUnavailable):
        permit(Sync())  # type: ignore[arg-type]


def test_a_factory_that_fails_refuses_the_start() -> None:
    """And is named."""

    def broken() -> PolicyEngine:
        raise OSError("disk")

    with pytest.raises(PluginError, match="policy engine mine: its factory raised OSError: disk"):
        Policing({"mine": broken}, Auditing({}))


def test_engines_are_closed() -> None:
    """All of them, also after one that fails."""
    broken, good = Engine(ValueError()), Engine()
    asyncio.run(policing({"broken": broken, "good": good}).close())
    assert (broken.closed, good.closed) == (1, 1)


# --- what several oblige to -------------------------------------------------------------------------------------------


def test_of_several_the_strictest_holds() -> None:
    """Of each kind of obligation by itself."""
    one = oblige(max_tokens=100, priority=-5, redact=True, guardrails=["pii", "words"])
    two = oblige(max_tokens=7, priority=3, route="eu", guardrails=["words", "topics"])
    expected = Obligations(max_tokens=7, priority=3, route="eu", redact=True, guardrails=("pii", "words", "topics"))
    assert permit(Engine(one), Engine(two), Engine()) == expected


def test_earlier_obligations_stay() -> None:
    """A second decision about a request does not lift what the first obliged to."""
    before = Obligations(max_tokens=7, redact=True)
    assert permit(Engine(oblige(max_tokens=9)), before=before) == Obligations(max_tokens=7, redact=True)


def test_two_ways_are_none() -> None:
    """Nobody can go both."""
    with pytest.raises(PolicyDenied, match="different ways"):
        permit(Engine(oblige(route="eu")), Engine(oblige(route="us")))
    with pytest.raises(PolicyDenied, match="different ways"):
        permit(Engine(oblige(route="eu")), before=Obligations(route="us"))


def test_the_strictest_of_one_is_itself() -> None:
    only = Obligations(max_tokens=3)
    assert strictest([only]) is only


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_what_is_allowed_is_noted() -> None:
    """With all that was asked, who answered what, and the conditions."""
    book, context = Book(), RequestContext("req_1", "/v1/chat/completions", "192.0.2.7")
    permit(Engine(oblige(max_tokens=5, redact=True)), Engine(), book=book, context=context)
    [event] = book.noted
    assert not book.written
    assert (event.kind, event.action, event.outcome, event.resource) == ("authorization", "generate", "allowed", "demo")
    assert (event.request_id, event.decision_id, event.client) == ("req_1", context.decision_id, "192.0.2.7")
    assert event.details["engines"] == ("engine1: allow", "engine2: allow")
    assert event.details["obligations"] == '{"max_tokens":5,"redact":true}'
    assert msgspec.json.decode(str(event.details["input"]), type=PolicyInput) == QUESTION


@pytest.mark.parametrize(
    ("engines", "outcome", "reason", "said"),
    [
        ([Engine(deny("no")), Engine()], "denied", "no", ("engine1: deny", "engine2: allow")),
        ([Engine(), Engine(ValueError())], "failed", "policy_unavailable", ("engine1: allow", "engine2: failed")),
        (
            [Engine(oblige(route="a")), Engine(oblige(route="b"))],
            "denied",
            "policy_denied",
            ("engine1: allow", "engine2: allow"),
        ),
    ],
)
def test_what_is_not_allowed_is_recorded(
    engines: list[PolicyEngine], outcome: str, reason: str, said: tuple[str, ...]
) -> None:
    """Before the caller is told."""
    book = Book()
    with pytest.raises(JackfieldError):
        permit(*engines, book=book)
    [event] = book.written
    assert (event.outcome, event.reason, event.details["engines"]) == (outcome, reason, said)
    assert "obligations" not in event.details


def test_what_cannot_be_asked_is_recorded() -> None:
    """It was refused without a question."""
    book, context, engine = Book(), RequestContext("req_1", "/v1/x", ""), Engine()
    context.scope, context.model = "generate", "demo"

    def ask() -> PolicyInput:
        raise PolicyDenied("policies cannot be asked about such a name")

    with pytest.raises(PolicyDenied) as denied:
        permit(engine, book=book, context=context, ask=ask)
    assert denied.value.decision_id == context.decision_id
    assert not engine.asked
    [event] = book.written
    assert (event.action, event.outcome, event.resource) == ("generate", "denied", "demo")
    assert event.reason == "policies cannot be asked about such a name"


@pytest.mark.parametrize("engine", [Engine(), Engine(deny("no"))], ids=["allowed", "denied"])
def test_what_cannot_be_recorded_is_not_allowed(engine: Engine) -> None:
    """Nobody could prove it later."""
    with pytest.raises(AuditFailed):
        permit(engine, book=Book(full=True))
