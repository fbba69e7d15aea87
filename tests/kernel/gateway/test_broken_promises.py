"""Plugins whose methods raise before they can be awaited, or give something else: failures with a name, not defects."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from structlog.testing import capture_logs
from tests.kernel.gateway.documents_played import PlayedStore, Reader, Shelf
from tests.kernel.gateway.test_granting import Book as Roles
from tests.kernel.gateway.test_granting import Doorkeeper, admitted, books, somebody
from tests.kernel.gateway.test_limiting import LEFT, Ledger, LimitedBench, Noted
from tests.kernel.gateway.test_pipeline import finished, turn
from tests.kernel.gateway.test_policing import Engine, permit
from tests.kernel.gateway.walks import walk
from tests.kernel.gateway.watchmen import Watchman, Witness, context, guarding

from jackfield.errors import (
    AuditFailed,
    AuthenticatorFailed,
    GuardrailFailed,
    InvalidRequest,
    JackfieldError,
    LimiterFailed,
    PluginError,
    PolicyUnavailable,
    StoreUnavailable,
    http,
)
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.conditions import Conditions
from jackfield.gateway.documents import PolicyWatch
from jackfield.gateway.foreign import NamedFrontend
from jackfield.gateway.governed import governed_kinds
from jackfield.gateway.identity import Identity
from jackfield.gateway.key_issuers import NamedKeyIssuer
from jackfield.gateway.limiting import Limiting
from jackfield.gateway.observing import Observers
from jackfield.gateway.other_hands import OtherHands
from jackfield.gateway.outside_changes import OutsideChanges
from jackfield.gateway.records import NamedRecordStore
from jackfield.gateway.summary import event_of
from jackfield.ports.key_issuer import KeyChange
from jackfield.ports.limiter import Claim, Spent
from jackfield.ports.outside_change import Inventory
from jackfield.ports.policy import Obligations
from jackfield.ports.policy_store import DocumentName, DocumentsRead
from jackfield.ports.roles import Grants
from jackfield.types import GenerateRequest, Started, TextDelta, TextPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from jackfield.ports.outside_change import OutsideChange

SECRET: Final = "hunter2"
CLAIM: Final = Claim(request_id="r", model="demo", action="generate", prompt_tokens=1)


def raises(*_arguments: object, **_more: object) -> object:
    """At once: it is no coroutine."""
    raise ValueError(SECRET)


def nothing(*_arguments: object, **_more: object) -> object:
    """A method that somebody forgot to write ``async`` before."""
    return None


def number(*_arguments: object, **_more: object) -> object:
    """Cannot be awaited."""
    return 7


async def another(*_arguments: object, **_more: object) -> object:
    """Can be awaited, and is something else then."""
    return SECRET


async def none(*_arguments: object, **_more: object) -> object:
    """Can be awaited, and is nothing then."""
    return None


async def cancelled(*_arguments: object, **_more: object) -> object:
    """Has waited for a task of its own that it has cancelled."""
    task: asyncio.Future[object] = asyncio.ensure_future(another())
    task.cancel()
    return await task


class Later:
    """Can be awaited; nothing complains where nobody does."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def later(*_arguments: object, **_more: object) -> object:
    """As if somebody had to wait for it."""
    return Later()


SYNCHRONOUS: Final = [raises, nothing, number]
UNSOUND: Final = [*SYNCHRONOUS, another, none, cancelled]
Fault = Any
"""Takes the place of a method, whose type it does not have."""


def spoiled(made: Any, method: str, fault: Fault) -> Any:
    """*made*, whose *method* is *fault* from here on."""
    setattr(made, method, fault)
    return made


def failing(run: Callable[[], object], failure: type[JackfieldError], plugin: str) -> None:
    """*run* ends with *failure*, 503, and the log names *plugin*, and nothing that it said."""
    with capture_logs() as lines, pytest.raises(failure) as caught:
        run()
    assert http(caught.value).status == 503
    assert plugin in [line.get("plugin") for line in lines]
    assert SECRET not in f"{caught.value.message}{lines}"


def limiting(*limiters: Any) -> Limiting:
    """The stage with *limiters*: ``l0``, ``l1`` and so on."""
    factories = {f"l{number}": (lambda each=each: each) for number, each in enumerate(limiters)}
    return Limiting(factories, Auditing({}), Observers({}))


# --- policies, guardrails, roles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", UNSOUND)
def test_policy_engines(fault: Fault) -> None:
    """Alone, and beside one that agrees."""
    failing(lambda: permit(spoiled(Engine(), "decide", fault)), PolicyUnavailable, "engine1")
    failing(lambda: permit(Engine(), spoiled(Engine(), "decide", fault)), PolicyUnavailable, "engine2")


@pytest.mark.parametrize("fault", SYNCHRONOUS)
def test_closing_goes_on(fault: Fault) -> None:
    """All the others are closed too."""
    engine, ledger, watchman = Engine(), Ledger([]), Watchman("x")
    stages = walk(
        policies={"bad": lambda: spoiled(Engine(), "close", fault), "good": lambda: engine},
        limiters={"bad": lambda: spoiled(Ledger([]), "close", fault), "good": lambda: ledger},
        guardrails={"bad": lambda _: spoiled(Watchman("x"), "close", fault), "good": lambda _: watchman},
        sinks={"bad": lambda: spoiled(Witness(), "close", fault)},
    )
    with capture_logs() as lines:
        asyncio.run(stages.close())
    assert (engine.closed, ledger.lines, watchman.closed) == (1, ["closed"], True)
    assert [line["plugin"] for line in lines] == ["bad"] * 4


@pytest.mark.parametrize(
    ("fault", "method"),
    [*((fault, "judge") for fault in UNSOUND), *((fault, "concerns") for fault in (*SYNCHRONOUS, later))],
)
def test_guardrails(fault: Fault, method: str) -> None:
    """What is not judged does not pass; nobody is left out by an answer that is neither yes nor no."""
    stage = guarding(one=spoiled(Watchman("x"), method, fault))
    work = GenerateRequest(model="demo", prompt=TextPrompt("hi"))

    async def enter() -> None:
        found = stage.enter(context(), _Model(), work, Obligations())  # type: ignore[arg-type]  # only its name
        await found

    failing(lambda: asyncio.run(enter()), GuardrailFailed, "one")


class _Model:
    name = "demo"


@pytest.mark.parametrize(
    "answer",
    [
        raises,
        nothing,
        number,
        lambda _principal: Grants(scopes=["generate"]),  # type: ignore[arg-type]
        lambda _principal: Grants(scopes=None),  # type: ignore[arg-type]
        lambda _principal: Grants(models=["demo"]),  # type: ignore[arg-type]
        lambda _principal: Grants(models="demo"),  # type: ignore[arg-type]
    ],
    ids=["raises", "nothing", "number", "a list of scopes", "no scopes", "a list of models", "a model"],
)
def test_role_books(answer: Fault) -> None:
    """Nobody is let in by what is no set of names."""
    door = Doorkeeper(somebody("writer", models=["other"]))
    stage = Identity({"door": lambda: door}, books(spoiled(Roles(), "grants", answer)))
    failing(lambda: admitted(stage), AuthenticatorFailed, "book-0")


# --- limits ----------------------------------------------------------------------------------------------------------


def incomplete(*_claim: object) -> object:
    """A reservation that lacks everything but its end."""

    async def made() -> object:
        return _OnlyReleased()

    return made()


class _OnlyReleased:
    released = 0

    async def release(self) -> None:
        _OnlyReleased.released += 1


@pytest.mark.parametrize("fault", [*UNSOUND, incomplete])
def test_limiters(fault: Fault) -> None:
    """What another one has reserved is given back, and so is what is no reservation, if it can be."""
    lines: list[str] = []
    stage = limiting(Ledger(lines), spoiled(Ledger([]), "reserve", fault))
    _OnlyReleased.released = 0
    failing(lambda: asyncio.run(stage.reserve(context(), CLAIM)), LimiterFailed, "l1")
    assert lines == ["reserved", "released"]
    assert _OnlyReleased.released == (fault is incomplete)


@pytest.mark.parametrize("standings", [None, 7, [LEFT, "much"], "much"], ids=repr)
def test_what_is_left_must_be_known(standings: object) -> None:
    """It is what the caller is told."""
    lines: list[str] = []

    class Vague(Ledger):
        async def reserve(self, claim: Claim) -> Noted:
            self.note("reserved")
            return spoiled(Noted(self), "standings", standings)  # type: ignore[no-any-return]

    failing(lambda: asyncio.run(limiting(Vague(lines)).reserve(context(), CLAIM)), LimiterFailed, "l0")
    assert lines == ["reserved", "released"]


@pytest.mark.parametrize("method", ["begin", "leave_queue", "settle", "release"])
@pytest.mark.parametrize("fault", [*SYNCHRONOUS, cancelled])
def test_news_of_a_reservation_that_breaks(fault: Fault, method: str) -> None:
    """The answer comes all the same; everybody hears the rest, also who has broken at what was before."""
    first: list[str] = []
    second: list[str] = []

    class Clumsy(Ledger):
        async def reserve(self, claim: Claim) -> Noted:
            self.note("reserved")
            return spoiled(Noted(self), method, fault)  # type: ignore[no-any-return]

    async def scenario() -> None:
        bench = LimitedBench(walk(limiters={"clumsy": lambda: Clumsy(first), "other": lambda: Ledger(second)}))
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9), TextDelta("a", 1), finished())
        assert len(await task) == 3
        await bench.pipeline.walk.close()

    with capture_logs() as lines:
        asyncio.run(asyncio.wait_for(scenario(), 30))
    usual = ["reserved", "begun 7", "answering", "settled 7/1/2", "closed"]
    lost = {"begin": "begun 7", "leave_queue": "answering", "settle": "settled 7/1/2"}.get(method)
    assert second == usual
    assert first == [line for line in usual if line != lost]
    assert [line["plugin"] for line in lines if line["event"] == "limiter failed"] == ["clumsy"] * (lost is not None)


@pytest.mark.parametrize("fault", SYNCHRONOUS)
def test_a_release_that_breaks(fault: Fault) -> None:
    """The others are released, and the refusal is what it was."""
    lines: list[str] = []

    class Clumsy(Ledger):
        async def reserve(self, claim: Claim) -> Noted:
            return spoiled(Noted(self), "release", fault)  # type: ignore[no-any-return]

    bad = Ledger([])
    bad.refusal = RuntimeError("no")
    stage = limiting(Clumsy([]), Ledger(lines), bad)
    failing(lambda: asyncio.run(stage.reserve(context(), CLAIM)), LimiterFailed, "l2")
    assert lines == ["reserved", "released"]


class _Shown(Ledger):
    async def entries(self, only: object) -> object:
        return []

    async def reset(self, only: object) -> object:
        return 0


@pytest.mark.parametrize("fault", UNSOUND)
def test_counters_that_cannot_be_shown(fault: Fault) -> None:
    """To operators, who are told by 503."""
    stage = limiting(spoiled(_Shown([]), "entries", fault))
    failing(lambda: asyncio.run(stage.entries({})), LimiterFailed, "l0")
    stage = limiting(spoiled(_Shown([]), "reset", fault))
    failing(lambda: asyncio.run(stage.reset({"key": "x"})), LimiterFailed, "l0")


def test_whoever_really_leaves_is_gone() -> None:
    """A request that is cancelled while a plugin thinks is no failure of the plugin."""

    async def scenario() -> None:
        begun = asyncio.Event()

        async def hangs(_claim: object) -> object:
            begun.set()
            return await asyncio.get_running_loop().create_future()

        task = asyncio.ensure_future(limiting(spoiled(Ledger([]), "reserve", hangs)).reserve(context(), CLAIM))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with capture_logs() as lines:
        asyncio.run(asyncio.wait_for(scenario(), 30))
    assert not lines


# --- the record ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [*SYNCHRONOUS, cancelled])
def test_audit_sinks(fault: Fault) -> None:
    """What must be recorded is not done without, and the other sinks have it."""
    other = Witness()
    stage = Auditing({"bad": lambda: spoiled(Witness(), "write", fault), "good": lambda: other})
    event = event_of(context(), "auth", "authenticate", "denied")
    failing(lambda: asyncio.run(stage.record(event)), AuditFailed, "bad")
    assert other.events == [event]


@pytest.mark.parametrize("fault", [raises, number, later])
def test_notes_that_are_not_taken(fault: Fault) -> None:
    """One that would have to be awaited is not either: nobody does, and it would be lost without a word."""
    stage = Auditing({"bad": lambda: spoiled(Witness(), "note", fault)})
    failing(lambda: stage.note(event_of(context(), "auth", "a", "denied")), AuditFailed, "bad")


@pytest.mark.parametrize("lost", [property(raises), "many", None], ids=["raises", "a text", "nothing"])
def test_a_sink_that_cannot_count(lost: object) -> None:
    """Has written the event nevertheless."""

    class Uncertain(Witness):
        pass

    stage_sink = Uncertain()
    Uncertain.lost = 0  # type: ignore[attr-defined]
    stage = Auditing({"bad": lambda: stage_sink}, Observers({}))
    Uncertain.lost = lost  # type: ignore[attr-defined]
    with capture_logs() as lines:
        asyncio.run(stage.record(event_of(context(), "auth", "authenticate", "denied")))
    assert len(stage_sink.events) == 1
    assert [line["plugin"] for line in lines] == ["bad"]


# --- stores, keys, documents, conditions, errors ---------------------------------------------------------------------


@pytest.mark.parametrize("fault", UNSOUND)
def test_policy_stores(fault: Fault) -> None:
    """Read, and written."""
    for method in ("since", "change"):
        if method == "change" and fault in {another, none}:
            continue  # what it gives is not used

        async def scenario(method: str = method) -> None:
            store = PlayedStore(Shelf())
            watch = PolicyWatch({"shelf": lambda: store}, [("limits", Reader())], 5.0)
            if method == "change":
                await watch.start()
            try:
                spoiled(store, method, fault)
                await (watch.start() if method == "since" else watch.change(_one))
            finally:
                await watch.close()

        failing(partial(_run, scenario), StoreUnavailable, "shelf")


def _run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def _one(_read: object) -> Any:
    return {DocumentName("limit", "one"): b"{}"}


@pytest.mark.parametrize("fault", [*SYNCHRONOUS, cancelled])
def test_objects_that_go_by_documents(fault: Fault) -> None:
    """What they cannot check is not written; what they cannot adopt is said by their name."""
    [kind] = governed_kinds([("limits", spoiled(Reader(), "check", fault))]).values()
    failing(lambda: asyncio.run(kind.check({})), PolicyUnavailable, "limits")

    async def adopt() -> None:
        [kind] = governed_kinds([("limits", spoiled(Reader(), "adopt", fault))]).values()
        kind.offer({})
        await kind.settled()
        assert list(kind.faults) == ["limits"]

    asyncio.run(adopt())


@pytest.mark.parametrize("fault", [raises, number, later])
def test_objects_that_check_each_document(fault: Fault) -> None:
    """A check that nobody awaits is none."""
    shelf = Shelf()

    async def scenario() -> None:
        reader = spoiled(Reader(), "check_document", fault)
        watch = PolicyWatch({"shelf": lambda: PlayedStore(shelf)}, [("limits", reader)], 5.0)
        await watch.start()
        try:
            await watch.change(_one)
        finally:
            await watch.close()

    failing(partial(_run, scenario), PolicyUnavailable, "limits")
    assert not shelf.rows


@pytest.mark.parametrize("fault", [raises, nothing, number, later])
def test_objects_that_have_no_words_for_their_documents(fault: Fault) -> None:
    """What others have changed is told without a name, and those who look go on looking."""
    told: list[OutsideChange] = []
    hands = OtherHands([("limits", spoiled(Reader(), "described", fault))], told.append)
    before = DocumentsRead(version=1, documents={})
    now = DocumentsRead(version=2, documents={"limit": {"one": b"{}"}})
    with capture_logs() as lines:
        hands.compare(before, now)
    assert [change.created for change in told] == [("a document",)]
    assert [line["plugin"] for line in lines] == ["limits"]
    assert SECRET not in f"{lines}"


class _Watching:
    """Follows a file."""

    def __init__(self) -> None:
        self.inventory: Any = Inventory(kind="key", source="file", count=1, state="sha256:0")

    def watch(self, tell: object) -> None:
        """See ``Watching``."""


class _Speechless(_Watching):
    """Cannot say what there is."""

    inventory = property(raises)

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    "odd",
    [_Speechless, *(partial(lambda fault: spoiled(_Watching(), "watch", fault), each) for each in (raises, later))],
    ids=["no inventory", "raises", "later"],
)
def test_objects_that_cannot_watch(odd: Callable[[], object]) -> None:
    """Are named, and nothing starts: what others change would be in no record."""
    outside = OutsideChanges(Auditing({"sink": Witness}))
    with pytest.raises(PluginError, match="plugin odd: "):
        outside.begin([("odd", odd())])
    outside.end()


@pytest.mark.parametrize("left", [None, "much"])
def test_an_object_that_cannot_say_what_it_leaves(left: object) -> None:
    """The others say it, and what is to be closed after them is."""
    sink, odd = Witness(), _Watching()
    outside = OutsideChanges(Auditing({"sink": lambda: sink}))
    outside.begin([("odd", odd), ("good", _Watching())])
    odd.inventory = left
    with capture_logs() as lines:
        outside.end()
    assert [(event.action, event.resource) for event in sink.events[2:]] == [("key.left", "good")]
    assert [line["plugin"] for line in lines] == ["odd"]


@pytest.mark.parametrize("fault", [*SYNCHRONOUS, cancelled])
@pytest.mark.parametrize("method", ["issued", "issue", "change", "revoke", "rotate"])
def test_key_issuers(fault: Fault, method: str) -> None:
    """Whatever they are asked."""
    named = NamedKeyIssuer("keys", spoiled(_Anything(), method, fault))
    calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "issued": named.issued,
        "issue": lambda: named.issue(None),  # type: ignore[arg-type]
        "change": lambda: named.change("x", KeyChange(), _judge),
        "revoke": lambda: named.revoke("x", _judge),
        "rotate": lambda: named.rotate("x", _judge, grace_s=0.0, expires=None),
    }
    failing(lambda: asyncio.run(calls[method]()), AuthenticatorFailed, "keys")


@pytest.mark.parametrize("fault", [*SYNCHRONOUS, cancelled])
@pytest.mark.parametrize("method", ["put", "get", "delete", "find"])
def test_record_stores(fault: Fault, method: str) -> None:
    """Whatever they are asked."""
    named = NamedRecordStore("rows", lambda: spoiled(_Anything(), method, fault))
    calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "put": lambda: named.put(None),  # type: ignore[arg-type]
        "get": lambda: named.get("a", "b", "c"),
        "delete": lambda: named.delete("a", "b", "c"),
        "find": lambda: named.find("a", None),
    }
    failing(lambda: asyncio.run(calls[method]()), StoreUnavailable, "rows")


def _judge(_before: object, _after: object) -> None:
    """Whatever it is."""


class _Anything:
    """Has what a test gives it."""


def test_one_text_is_no_list_of_troubles() -> None:
    """It would be shown letter by letter."""
    reader = Reader()
    conditions = Conditions([("odd", reader)], dict)
    reader.troubles = "all is lost"  # type: ignore[assignment]
    with capture_logs() as lines:
        assert conditions.troubles() == {"odd": ["it cannot say how it is: TypeError"]}
    assert lines[0]["plugin"] == "odd"


@pytest.mark.parametrize("fault", SYNCHRONOUS)
def test_frontends_that_cannot_render_an_error(fault: Fault) -> None:
    """It is answered in a plain form."""
    named = NamedFrontend("odd", spoiled(_Anything(), "render_error", fault))
    with capture_logs() as lines:
        payload = named.render_error(InvalidRequest("the field is wrong"), "req_1")
    assert payload.status == 400
    assert b"the field is wrong" in payload.body
    assert lines[0]["plugin"] == "odd"


def test_what_was_spent_is_told_once() -> None:
    """Further ends do nothing, also where the first one broke."""
    lines: list[str] = []

    async def scenario() -> None:
        reserved = await limiting(Ledger(lines)).reserve(context(), CLAIM)
        await reserved.settle(Spent(prompt_tokens=1))
        await reserved.settle(Spent(prompt_tokens=1))
        await reserved.release()

    asyncio.run(scenario())
    assert lines == ["reserved", "settled 1/0/0"]
