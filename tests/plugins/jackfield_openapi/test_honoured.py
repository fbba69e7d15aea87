"""Capability records say what is true: what they list is taken, everything else is refused by name, or left out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pytest
from tests.plugins.jackfield_openapi.asked import RULES, VALUES, asking, body_of
from tests.plugins.jackfield_openapi.served import MODELS, Served, manifest

from jackfield.frontends.exchange import IGNORED_HEADER
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNKNOWN: Final = "nobody_knows_this"

ASK_FOR_LESS: Final = frozenset(
    {
        "include_reasoning",
        "parallel_tool_calls",
        "reasoning_effort",
        ("POST /v1/responses", "reasoning"),
        ("POST /v1/responses", "store"),
    }
)
"""Fields whose value here asks a model without a dialect, or a server without a store, for nothing."""

MODES: Final = ("strict", "warn", "ignore")


@pytest.fixture(scope="module", params=MODES)
def moded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Served]]:
    """A server in each mode."""
    with BackgroundLoop() as loop:
        served = Served(tmp_path_factory.mktemp("server"), loop, manifest(unknown_fields=request.param))
        yield request.param, served
        served.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose model has neither dialect nor constraints, and that keeps nothing; harmony is for others."""
    enabled = ("anthropic", "ollama", "llamacpp", "openapi", "keys", "harmony")
    text = (
        scripted_manifest({"demo": "context = 256"}, enabled=enabled) + '[config.ollama]\nunknown_fields = "strict"\n'
    )
    with BackgroundLoop() as loop:
        served = Served(tmp_path_factory.mktemp("server"), loop, text)
        yield served
        served.close()


def record(served: Served, model: str) -> Mapping[str, Any]:
    """The capability record of *model*."""
    found: Mapping[str, Any] = served.send("GET", f"/v1/models/{model}", served.key).json()["capabilities"]
    return found


def ask(served: Served, route: str, body: Mapping[str, Any]) -> Any:
    """*body* to *route*."""
    return served.ask(route.partition(" ")[2], body)


def left_out(answer: Any) -> list[str]:
    """The fields that an answer says were left out."""
    return [unquote(name) for name in answer.headers.get(IGNORED_HEADER, "").split(",") if name]


def test_what_a_record_lists_is_taken(moded: tuple[str, Served]) -> None:
    """Each field of each route alone, with a value that asks for something; in any mode, and nothing is left out.

    Every answer is as the document says.
    """
    mode, served = moded
    if mode == "ignore":
        pytest.skip("fields that are honoured are not judged; warn would tell")
    tried, wrong = 0, []
    for model in MODELS:
        for route, honoured in record(served, model)["endpoints"].items():
            for field in honoured:
                if field == "previous_response_id":
                    continue
                answer = ask(served, route, body_of(route, field))
                tried += 1
                problems = served.problems(served.operation(route), answer)
                if answer.status_code != HTTPStatus.OK or left_out(answer) or problems:
                    wrong.append((route, field, answer.status_code, left_out(answer), problems, answer.text[:200]))
    assert not wrong, "\n".join(map(str, wrong))
    assert tried > 300


def test_earlier_responses_are_known(moded: tuple[str, Served]) -> None:
    """The one field whose value another answer has to give."""
    _, served = moded
    assert "previous_response_id" in record(served, "demo")["endpoints"]["POST /v1/responses"]
    first = ask(served, "POST /v1/responses", body_of("POST /v1/responses")).json()["id"]
    again = ask(served, "POST /v1/responses", {**body_of("POST /v1/responses"), "previous_response_id": first})
    assert again.status_code == HTTPStatus.OK, again.text


@pytest.mark.parametrize("route", RULES)
def test_other_documented_fields(moded: tuple[str, Served], route: str) -> None:
    """``strict`` refuses what they ask for, by name; the other modes leave out what only tunes an answer."""
    mode, served = moded
    wrong = []
    for field, rule in RULES[route].items():
        asks, value = asking(rule)
        answer = ask(served, route, {**body_of(route), field: value})
        refused = asks and (mode == "strict" or not rule.tunes)
        told = [field] if asks and not refused and mode == "warn" else []
        status = HTTPStatus.BAD_REQUEST if refused else HTTPStatus.OK
        if answer.status_code != status or left_out(answer) != told or (refused and field not in answer.text):
            wrong.append((field, value, answer.status_code, left_out(answer), answer.text[:200]))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("route", VALUES)
def test_fields_that_nobody_knows(moded: tuple[str, Served], route: str) -> None:
    """Refused by name, listed, or passed over."""
    mode, served = moded
    answer = ask(served, route, {**body_of(route), UNKNOWN: {"a": [1]}})
    if mode == "strict":
        assert answer.status_code == HTTPStatus.BAD_REQUEST, answer.text
        assert UNKNOWN in answer.text
    else:
        assert answer.status_code == HTTPStatus.OK, answer.text
        assert left_out(answer) == ([UNKNOWN] if mode == "warn" else [])


def test_what_a_model_lacks_is_refused(plain: Served) -> None:
    """A record has no route or field that needs more than its model and the server have, and they are refused."""
    record_of = record(plain, "demo")
    assert not any(record_of[field] for field in ("dialect", "tools", "infill", "structured_outputs", "adapters"))
    missing = 0
    for route, honoured in record_of["endpoints"].items():
        for field in set(plain.operation(route)["x-honoured"]) - set(honoured):
            if field not in VALUES[route] or (route, field) in ASK_FOR_LESS or field in ASK_FOR_LESS:
                continue
            answer = ask(plain, route, body_of(route, field))
            assert answer.status_code == HTTPStatus.BAD_REQUEST, (route, field, answer.text)
            missing += 1
    assert missing > 40
    assert "POST /infill" not in record_of["endpoints"]
    gap = plain.ask("/infill", {"input_prefix": "a", "input_suffix": "b"})
    assert gap.status_code == HTTPStatus.BAD_REQUEST, gap.text
