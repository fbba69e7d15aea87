"""What roles bring, which refusals are recorded, and what is closed: the stage of identity by itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from structlog.testing import capture_logs

from jackfield.context import RequestContext
from jackfield.errors import (
    AuditFailed,
    AuthenticationThrottled,
    AuthenticatorFailed,
    InsufficientScope,
    JackfieldError,
    PluginError,
    Unauthenticated,
)
from jackfield.gateway import identity
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.failures import BURST, REFILL_S, Failures
from jackfield.gateway.granting import Granting
from jackfield.gateway.identity import Identity
from jackfield.ports.identity import Credential, Principal
from jackfield.ports.roles import Grants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.ports.audit import AuditEvent, AuditSinkFactory
    from jackfield.ports.roles import RoleBook, RoleBookFactory

SECRET = "open-sesame-0123456789"


def somebody(
    *roles: str, scopes: Sequence[str] = (), models: Sequence[str] | None = (), name: str = "ann"
) -> Principal:
    """Whoever has these roles."""
    return Principal(
        id=name,
        name=name,
        fingerprint="abc123",
        roles=frozenset(roles),
        scopes=frozenset(scopes),
        models=None if models is None else frozenset(models),
    )


class Doorkeeper:
    """Knows one secret, whose holder may change."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.closed = 0

    async def authenticate(self, credential: Credential) -> Principal | None:
        """Who holds it."""
        return self.principal if credential.value.reveal() == SECRET else None

    async def review(self, principal: Principal) -> Principal:
        """As it is now."""
        return self.principal

    async def close(self) -> None:
        """Counts."""
        self.closed += 1


class Book:
    """Some roles."""

    def __init__(self, **roles: Grants) -> None:
        self.roles = roles

    def grants(self, principal: Principal) -> Grants:
        """Of the first one that is known."""
        return next((self.roles[role] for role in sorted(principal.roles) if role in self.roles), Grants())


class Broken:
    """Answers with whatever it is told to."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def grants(self, principal: Principal) -> Any:
        """That."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Sink:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.fails = False

    async def write(self, event: AuditEvent) -> None:
        """Keep it, or fail."""
        if self.fails:
            raise OSError("disk full")
        self.events.append(event)

    def note(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)

    async def close(self) -> None:
        """Nothing is held."""


def books(*made: RoleBook) -> Mapping[str, RoleBookFactory]:
    """Factories that hand over these."""

    def handing(book: RoleBook) -> RoleBookFactory:
        return lambda: book

    return {f"book-{number}": handing(book) for number, book in enumerate(made)}


def recording(sink: Sink) -> Auditing:
    """What tells *sink*."""
    make: AuditSinkFactory = lambda: sink  # noqa: E731  a factory
    return Auditing({"sink": make})


def admitted(
    stage: Identity, key: str | None = SECRET, scope: str | None = "generate", client: str = "192.0.2.1"
) -> RequestContext:
    """What the stage learns of a request with that key."""
    context = RequestContext("req_1", "/v1/things", client)
    headers = CIMultiDict({"Authorization": f"Bearer {key}"} if key is not None else {})
    asyncio.run(stage.admit(CIMultiDictProxy(headers), context, scope))
    return context


# --- roles -----------------------------------------------------------------------------------------------------------

READER = Grants(scopes=frozenset({"models:read"}), models=frozenset({"small"}))
WRITER = Grants(scopes=frozenset({"generate"}), models=frozenset({"large"}))


def test_what_roles_bring_is_united_with_what_a_caller_has() -> None:
    """Of all books; a role that nobody knows brings nothing."""
    door = Doorkeeper(somebody("reader", "writer", "nobody", scopes=("embed",), models=("own",)))
    found = admitted(Identity({"door": lambda: door}, books(Book(reader=READER), Book(writer=WRITER)))).principal
    assert found is not None
    assert found.scopes == frozenset({"embed", "models:read", "generate"})
    assert found.models == frozenset({"own", "small", "large"})
    assert found.authenticator == "door"


@pytest.mark.parametrize(
    ("own", "brought", "models"),
    [
        ((), frozenset({"a"}), frozenset({"a"})),
        ((), None, None),
        (None, frozenset({"a"}), None),
        (("b",), frozenset(), frozenset({"b"})),
    ],
)
def test_which_models_a_caller_may_use(
    own: Sequence[str] | None, brought: frozenset[str] | None, models: frozenset[str] | None
) -> None:
    """None is all, whoever brings it."""
    found = Granting(books(Book(one=Grants(models=brought)))).granted(somebody("one", models=own))
    assert found.models == models


def test_roles_open_and_close_routes() -> None:
    """A caller without the scope of its own."""
    stage = Identity({"door": lambda: Doorkeeper(somebody("writer"))}, books(Book(writer=WRITER)))
    assert admitted(stage, scope="generate").principal is not None
    with pytest.raises(InsufficientScope):
        admitted(stage, scope="keys:write")
    with pytest.raises(InsufficientScope):
        admitted(Identity({"door": lambda: Doorkeeper(somebody("writer"))}), scope="generate")


def test_work_that_goes_on_has_the_roles_of_now() -> None:
    """Also where an authenticator has given the principal other ones meanwhile."""
    door = Doorkeeper(somebody("writer"))
    stage = Identity({"door": lambda: door}, books(Book(writer=WRITER, reader=READER)))
    principal = admitted(stage).principal
    door.principal = somebody("reader")
    found = asyncio.run(stage.review(principal))
    assert found is not None
    assert found.scopes == READER.scopes


@pytest.mark.parametrize(
    "answer", [ValueError("a secret"), None, {"scopes": []}, Grants(scopes=frozenset({"No Scope"}))], ids=repr
)
def test_a_book_that_breaks_lets_nobody_in(answer: object) -> None:
    """503, and the log names it, without what it said; who has no roles needs no book."""
    stage = Identity({"door": lambda: Doorkeeper(somebody("one", scopes=("*",)))}, books(Broken(answer)))
    with capture_logs() as lines, pytest.raises(AuthenticatorFailed) as failed:
        admitted(stage)
    assert [line["plugin"] for line in lines] == ["book-0"]
    assert "secret" not in failed.value.message
    simple = Identity({"door": lambda: Doorkeeper(somebody(scopes=("*",)))}, books(Broken(answer)))
    assert admitted(simple).principal is not None


def test_what_knows_no_roles_is_refused_at_the_start() -> None:
    """By name."""
    with pytest.raises(PluginError, match=r"role book broken.*no grants"):
        Granting({"broken": object})  # type: ignore[dict-item]  # that is the mistake


def test_all_objects_of_the_stage_are_known() -> None:
    """For conditions, and for documents."""
    door, book = Doorkeeper(somebody()), Book()
    stage = Identity({"door": lambda: door}, books(book))
    assert list(stage.objects) == [("door", door), ("book-0", book)]


def test_what_has_something_to_give_back_is_closed() -> None:
    """What breaks then, or hangs, keeps nobody from ending."""
    door = Doorkeeper(somebody())

    class Stuck(Doorkeeper):
        async def close(self) -> None:
            raise ValueError("no")

    with capture_logs() as lines:
        asyncio.run(Identity({"stuck": lambda: Stuck(somebody()), "door": lambda: door}).close())
    assert door.closed == 1
    assert [line["plugin"] for line in lines] == ["stuck"]


# --- what is recorded ------------------------------------------------------------------------------------------------


def refused(stage: Identity, key: str | None, scope: str = "generate", client: str = "192.0.2.1") -> JackfieldError:
    """Why nobody gets in."""
    with pytest.raises(JackfieldError) as refusal:
        admitted(stage, key, scope, client)
    return refusal.value


def test_refused_credentials_are_recorded_without_themselves() -> None:
    """Who is let in is not: its request has a record of its own."""
    sink = Sink()
    stage = Identity({"door": lambda: Doorkeeper(somebody(scopes=("generate",)))}, auditing=recording(sink))
    admitted(stage)
    assert sink.events == []
    assert isinstance(refused(stage, "made-up-0123456789"), Unauthenticated)
    assert isinstance(refused(stage, None), Unauthenticated)
    assert isinstance(refused(stage, SECRET, "keys:write"), InsufficientScope)
    assert [(each.kind, each.action, each.outcome, each.reason) for each in sink.events] == [
        ("auth", "authenticate", "denied", "invalid_api_key"),
        ("auth", "authenticate", "denied", "missing_api_key"),
        ("auth", "authenticate", "denied", "insufficient_scope"),
    ]
    assert {(each.request_id, each.resource, each.client) for each in sink.events} == {
        ("req_1", "/v1/things", "192.0.2.1")
    }
    assert (sink.events[2].name, sink.events[2].fingerprint) == ("ann", "abc123")
    assert sink.events[2].details == {"scope": "keys:write"}
    assert not any(text in repr(sink.events) for text in (SECRET, "made-up-0123456789"))


def test_a_flood_is_recorded_by_its_begin_and_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody fills the record with bad keys."""
    now = [time.monotonic()]
    monkeypatch.setattr(identity, "Failures", lambda: Failures(lambda: now[0]))
    sink = Sink()
    stage = Identity({"door": lambda: Doorkeeper(somebody())}, auditing=recording(sink))
    answers = [refused(stage, "made-up-0123456789") for _ in range(BURST + 30)]
    assert [type(each) for each in answers] == [Unauthenticated] * BURST + [AuthenticationThrottled] * 30
    assert [each.reason for each in sink.events] == ["invalid_api_key"] * BURST + ["too_many_failures"]
    now[0] += REFILL_S
    refused(stage, "made-up-0123456789")
    assert sink.events[-1].reason == "invalid_api_key"
    assert sink.events[-1].details == {"throttled_before": 30}
    assert admitted(stage, scope=None).principal is not None, "a good key is always served"


def test_what_cannot_be_recorded_is_refused_as_that() -> None:
    """The record must not miss anything."""
    sink = Sink()
    sink.fails = True
    stage = Identity({"door": lambda: Doorkeeper(somebody())}, auditing=recording(sink))
    with capture_logs():
        assert isinstance(refused(stage, "made-up-0123456789"), AuditFailed)


def test_where_nothing_is_recorded_no_event_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost."""

    def never(*_given: object, **_more: object) -> None:
        pytest.fail("an event was made")

    make: Callable[..., None] = never
    monkeypatch.setattr(identity, "event_of", make)
    assert isinstance(refused(Identity({"door": lambda: Doorkeeper(somebody())}), "made-up"), Unauthenticated)
