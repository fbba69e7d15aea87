"""Policies and routes: who is asked about what over HTTP, and what callers are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from tests.kernel.gateway.conftest import SmallFrontend

from jackfield.ports.frontend import Operation, Route
from jackfield.ports.policy import Decision
from jackfield.questions import Tokenise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.kernel.gateway.conftest import Serve

    from jackfield.context import RequestContext
    from jackfield.ports.policy import PolicyInput


class Rules:
    """A policy engine of a function."""

    def __init__(self, allows: Callable[[PolicyInput], bool]) -> None:
        self.allows = allows
        self.asked: list[PolicyInput] = []

    async def decide(self, question: PolicyInput) -> Decision:
        """As the function says."""
        self.asked.append(question)
        return Decision(allow=self.allows(question), reasons=("house rules",))

    async def close(self) -> None:
        """Nothing to do."""


class Site(SmallFrontend):
    """A dialect whose routes say what they do."""

    def routes(self) -> Sequence[Route]:
        """One with work, one that asks a model something, and one that does neither."""
        work = Operation(summary="Generate", task="generate")
        return (
            Route("POST", "/generate", self.generate, "generate", work),
            Route("POST", "/count", self.count, "generate", work),
            Route("GET", "/items/{id:[a-z]+}", self.item, "models:read", Operation(summary="Show")),
            Route("POST", "/length", self.length, "generate"),
        )

    async def count(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """Ask the model's worker, without work for it."""
        await self.gateway.ask(context, Tokenise(model="demo", text="x"))
        return web.Response()


def kinds(rules: Rules) -> list[tuple[str, str, str]]:
    """What was asked about."""
    return [(question.resource.kind, question.resource.name, question.action) for question in rules.asked]


def test_a_route_without_work_is_asked_about_once(serve: Serve) -> None:
    """Before its handler runs, with its method and the length of its body."""
    rules = Rules(lambda _: True)
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    response = served.request("POST", "/length", b"12345")
    assert response.status == 200
    assert response.getheader("x-jackfield-decision", "").startswith("dec_")
    assert kinds(rules) == [("route", "/length", "generate")]
    assert (rules.asked[0].request.method, rules.asked[0].request.body_bytes) == ("POST", 5)
    assert rules.asked[0].client == "127.0.0.1"


def test_a_denied_route_does_not_run(serve: Serve) -> None:
    """403 with the reason, and the decision's name in message and header."""
    rules = Rules(lambda question: question.action != "models:read")
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    response = served.request("GET", "/items/seven")
    assert response.status == 403
    answer = json.loads(response.read())
    assert answer["code"] == "policy_denied"
    decision = response.getheader("x-jackfield-decision", "")
    assert answer["message"] == f"a policy does not allow this: house rules (decision {decision})"
    assert kinds(rules) == [("route", "/items/{id}", "models:read")]


def test_work_is_asked_about_once_and_not_at_the_edge(serve: Serve) -> None:
    """Its model is what matters."""
    rules = Rules(lambda _: True)
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    worker = served.worker()
    connection = served.begin()
    worker.answer("hi")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"hi")
    assert response.getheader("x-jackfield-decision")
    assert kinds(rules) == [("model", "demo", "generate")]


def test_denied_work_reaches_no_worker(serve: Serve) -> None:
    """And is told so, as a status also where a stream was wanted."""
    rules = Rules(lambda question: question.resource.kind != "model")
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    worker = served.worker()
    for stream in (False, True):
        response = served.begin(stream=stream).getresponse()
        assert response.status == 403
        assert response.getheader("x-jackfield-decision")
    rules.allows = lambda _: True
    connection = served.begin(prompt="allowed")
    assert "allowed" in repr(worker.answer("ok").request)
    assert connection.getresponse().status == 200


def test_what_asks_a_model_is_asked_about(serve: Serve) -> None:
    """Also where it is no work for it."""
    rules = Rules(lambda question: question.resource.kind != "model")
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    served.worker()
    assert served.request("POST", "/count", b"{}").status == 403
    assert kinds(rules) == [("model", "demo", "generate")]


def test_what_nobody_serves_is_nobodys_question(serve: Serve) -> None:
    """404, and nothing to decide."""
    rules = Rules(lambda _: True)
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    response = served.request("GET", "/nowhere")
    assert (response.status, response.getheader("x-jackfield-decision")) == (404, None)
    assert not rules.asked


def test_without_policies_no_decision_is_named(serve: Serve) -> None:
    response = serve(frontends={"site": Site}).request("POST", "/length", b"x")
    assert (response.status, response.getheader("x-jackfield-decision")) == (200, None)


def test_a_question_has_no_word_of_the_body(serve: Serve) -> None:
    """Not even by accident."""
    rules = Rules(lambda _: True)
    served = serve(frontends={"site": Site}, policies={"rules": lambda: rules})
    worker = served.worker()
    connection = served.begin(prompt="ZQXJ")
    worker.answer("hi")
    connection.getresponse().read()
    assert "ZQXJ" not in msgspec.json.encode(rules.asked).decode()
