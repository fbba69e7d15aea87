"""Answers of a real model are as the document says: in every dialect, whole and streamed, with every field."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.plugins.jackfield_openapi.asked import VALUES, body_of
from tests.plugins.jackfield_openapi.served import Served

from jackfield.testing.background import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytest.importorskip("llama_cpp")

MANIFEST: Final = """
enabled = ["llama-cpu", "openai", "anthropic", "ollama", "llamacpp", "admin", "openapi", "fcfs", "hermes", "llguidance",
           "sqlite", "kv-memory", "keys"]
[models.demo]
source = "jackfield:demo"
[config.ollama]
unknown_fields = "strict"
"""

LIMITS: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /api/chat": {"options": {"num_predict": 48}},
    "POST /api/generate": {"options": {"num_predict": 48}},
    "POST /completion": {"n_predict": 48},
    "POST /v1/chat/completions": {"max_tokens": 48},
    "POST /v1/completions": {"max_tokens": 48},
    "POST /v1/messages": {"max_tokens": 48},
    "POST /v1/responses": {"max_output_tokens": 48},
}
"""What keeps answers short, by route."""

ALSO_LIMITS: Final = frozenset({"max_completion_tokens", "n_predict"})
"""Fields that say the same, and may say nothing else."""

TIED: Final[Mapping[bool, frozenset[str]]] = {False: frozenset({"best_of"}), True: frozenset({"stream_options"})}
"""Fields that do not go with streams, and fields that go with nothing else."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo model behind every frontend."""
    with BackgroundLoop() as loop:
        served = Served(tmp_path_factory.mktemp("server"), loop, MANIFEST)
        yield served
        served.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", LIMITS)
def test_every_field_of_an_answer_is_documented(demo: Served, route: str, *, stream: bool) -> None:
    """One request for each field that the model's record has."""
    capabilities = demo.send("GET", "/v1/models/demo", demo.key).json()["capabilities"]
    wrong, tried = [], 0
    fields = set(capabilities["endpoints"][route]) & VALUES[route].keys() - {"background", "stream"}
    for field in fields - TIED[not stream]:
        limits = {} if field in ALSO_LIMITS else LIMITS[route]
        body = {**limits, **body_of(route, field), "stream": stream}
        answer = demo.send("POST", route.partition(" ")[2], demo.key, json=body)
        problems = demo.problems(demo.operation(route), answer)
        tried += 1
        if answer.status_code != HTTPStatus.OK or problems:
            wrong.append((field, answer.status_code, problems, answer.text[:300]))
    assert not wrong, "\n".join(map(str, wrong))
    assert tried >= 7


def test_views_are_documented(demo: Served) -> None:
    """Of the server and its models; those that ask a supervisor, which is not there, are refused as documented."""
    for path, method, operation in demo.operations():
        if method == "get" and "{" not in path:
            answer = demo.send("GET", path, demo.key)
            assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, (path, answer.text)
            assert not demo.problems(operation, answer), (path, answer.text[:500])
