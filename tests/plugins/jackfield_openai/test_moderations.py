"""``/v1/moderations``: what is read, what is asked of the gateway, what is answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from openai.types import ModerationCreateResponse

from jackfield.frontends.exchange import IGNORED_HEADER
from jackfield.moderation import Moderation
from jackfield.ports.guardrail import Finding
from jackfield.testing.kits.frontend import HOSTILE_BODIES
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, serve_frontend
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.moderations import TEXTS_MAX

FOUND = Moderation.of(["pii", "violence"], [Finding(category="violence", code="weapon", action="block", score=0.75)])
CLEAN = Moderation.of(["pii", "violence"], [])


class Gateway(ScriptedGateway):
    """One that remembers what it was to judge."""

    def __init__(self, *found: Moderation) -> None:
        super().__init__()
        self.moderations = list(found)
        self.texts: list[str] = []

    async def moderate(self, context: Any, texts: Any) -> Any:
        """Remember it."""
        self.texts += texts
        return await super().moderate(context, texts)


def ask(gateway: ScriptedGateway, body: object, config: OpenAIConfig | None = None) -> tuple[int, dict[str, str], Any]:
    """Status, headers (names in lower case) and JSON of an answer."""

    async def run() -> tuple[int, dict[str, str], Any]:
        application = serve_frontend(lambda port: OpenAIFrontend(port, config or OpenAIConfig()), gateway)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            response = await client.post("/v1/moderations", data=data)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, headers, await response.json()

    return asyncio.run(run())


def test_an_answer() -> None:
    """As OpenAI's client reads it, with the categories of the guardrails."""
    gateway = Gateway(FOUND, CLEAN)
    status, _, answer = ask(gateway, {"input": ["a bomb", "a bird"], "model": "omni-moderation-latest"})
    assert status == 200
    assert gateway.texts == ["a bomb", "a bird"]
    assert answer["id"].startswith("modr-")
    assert answer["model"] == "omni-moderation-latest"
    first, second = answer["results"]
    assert first == {
        "flagged": True,
        "categories": {"pii": False, "violence": True},
        "category_scores": {"pii": 0.0, "violence": 0.75},
        "category_applied_input_types": {"pii": ["text"], "violence": ["text"]},
    }
    assert not second["flagged"]
    assert ModerationCreateResponse.model_construct(**answer).results


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("one", ["one"]),
        ("", [""]),
        (["one", "two"], ["one", "two"]),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], ["one\ntwo"]),
    ],
)
def test_what_is_judged(given: object, texts: list[str]) -> None:
    """Texts each by itself, parts of one text together."""
    gateway = Gateway(CLEAN, CLEAN)
    status, _, answer = ask(gateway, {"input": given})
    assert (status, gateway.texts) == (200, texts)
    assert len(answer["results"]) == len(texts)
    assert answer["model"] == "guardrails"


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        5,
        {"type": "text", "text": "x"},
        ["x", {"type": "text", "text": "x"}],
        [{"type": "text"}],
        [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}],
        ["x"] * (TEXTS_MAX + 1),
        [["x"]],
    ],
)
def test_what_cannot_be_judged_is_refused(given: object) -> None:
    """And the field is named."""
    status, _, answer = ask(Gateway(CLEAN), {"input": given})
    assert status == 400
    assert answer["error"]["param"].startswith("input")


def test_nobody_judges_without_guardrails() -> None:
    """That is said, and not that all is well."""
    status, _, answer = ask(Gateway(), {"input": "a bomb"})
    assert (status, answer["error"]["code"]) == (400, "unsupported_parameter")


def test_unknown_fields_are_treated_as_elsewhere() -> None:
    """As the option says."""
    status, headers, _ = ask(Gateway(CLEAN), {"input": "x", "strength": 3}, OpenAIConfig(unknown_fields="warn"))
    assert (status, headers[IGNORED_HEADER.lower()]) == (200, "strength")
    status, _, answer = ask(Gateway(CLEAN), {"input": "x", "strength": 3})
    assert (status, answer["error"]["param"]) == (400, "strength")


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=list(HOSTILE_BODIES))
def test_hostile_bodies_are_refused(body: bytes) -> None:
    """With an error of this dialect."""
    status, _, answer = ask(Gateway(CLEAN), body)
    assert 400 <= status < 500
    assert answer["error"]["message"]
