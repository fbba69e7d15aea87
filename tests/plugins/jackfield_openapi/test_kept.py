"""What is kept: made, read, listed and deleted, by its own tenant only, each answer as the document says.

Ids come from one operation and go into others, which requests that are made up one by one never do.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plugins.jackfield_openapi.asked import CLAUDE_TOOLS, MESSAGES, RESPONSE_TOOLS, TOOLS

if TYPE_CHECKING:
    from tests.plugins.jackfield_openapi.served import Answer, Served

CALLING: Final = '<think>\nHm.\n</think>\n<tool_call>\n{"name": "look", "arguments": {"a": 1}}\n</tool_call>'


class Keeper:
    """Asks, and holds every answer to the document.

    Parameters:
        served: Whom.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._patterns = [
            (method, re.compile(re.sub(r"\{\w+\}", "[^/?]+", path) + r"(\?.*)?"), operation)
            for path, method, operation in sorted(served.operations(), key=lambda each: each[0].count("{"))
        ]

    def ask(self, method: str, path: str, *, status: int = 200, **parts: Any) -> Answer:
        """One request that is answered with *status*."""
        answer = self._served.send(method, path, self._served.key, **parts)
        assert answer.status_code == status, (method, path, answer.text)
        described = [
            each for verb, pattern, each in self._patterns if verb == method.lower() and pattern.fullmatch(path)
        ]
        for operation in described[:1]:
            problems = self._served.problems(operation, answer)
            assert not problems, (method, path, problems, answer.text[:600])
        assert described, path
        return answer

    def gone(self, *paths: str) -> None:
        """Nothing is there any more."""
        for path in paths:
            self.ask("GET", path, status=HTTPStatus.NOT_FOUND)


@pytest.fixture(scope="module")
def keeper(served: Served) -> Keeper:
    return Keeper(served)


def said(text: str) -> str:
    """What makes the model answer with *text*."""
    return f"[hex:{text.encode().hex()}]"


def events_of(answer: Answer) -> list[dict[str, Any]]:
    """The JSON events of a stream."""
    data = [line[6:] for line in answer.text.split("\n") if line.startswith("data: {")]
    return [json.loads(each) for each in data]


@pytest.mark.parametrize("text", [CALLING, "<think>\nHm.\n</think>\n\nThree.", "<tool_call>\n{oh"])
@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_and_calls(keeper: Keeper, text: str, *, stream: bool) -> None:
    """Also those that cannot be read."""
    asked = {"model": "demo", "messages": [{"role": "user", "content": said(text)}], "stream": stream}
    keeper.ask("POST", "/v1/chat/completions", json={**asked, "tools": TOOLS})
    keeper.ask("POST", "/v1/chat/completions", json={**asked, "functions": [TOOLS[0]["function"]]})
    keeper.ask("POST", "/api/chat", json={**asked, "tools": TOOLS})
    keeper.ask("POST", "/v1/messages", json={**asked, "tools": CLAUDE_TOOLS, "max_tokens": 100})
    keeper.ask("POST", "/api/generate", json={"model": "demo", "prompt": said(text), "stream": stream})


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/messages", "/v1/responses", "/completion"])
def test_a_stream_that_breaks(keeper: Keeper, path: str) -> None:
    """Its last event is as documented, too."""
    text = "[repeat:40:ab][fail:30]"
    asked = {"model": "demo", "messages": [{"role": "user", "content": text}], "max_tokens": 100}
    bodies: dict[str, dict[str, Any]] = {
        "/v1/responses": {"model": "demo", "input": text},
        "/completion": {"prompt": text},
    }
    answer = keeper.ask("POST", path, json={**bodies.get(path, asked), "stream": True})
    last = "".join(answer.text.splitlines()[-2:]).replace('"error":null', "")
    assert "error" in last


@pytest.mark.parametrize("text", ["Hello", CALLING, "<think>\nHm.\n</think>\n\nThree."])
@pytest.mark.parametrize("stream", [False, True])
def test_a_response(keeper: Keeper, text: str, *, stream: bool) -> None:
    asked = {
        "model": "demo",
        "input": said(text),
        "tools": RESPONSE_TOOLS,
        "stream": stream,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    }
    answer = keeper.ask("POST", "/v1/responses", json=asked)
    first = events_of(answer)[-1]["response"] if stream else answer.json()
    path = f"/v1/responses/{first['id']}"
    assert keeper.ask("GET", path).json() == first
    assert keeper.ask("GET", f"{path}/input_items").json()["data"]
    keeper.ask("POST", f"{path}/cancel", status=HTTPStatus.BAD_REQUEST)
    keeper.ask("GET", f"{path}?stream=true", status=HTTPStatus.BAD_REQUEST)
    if text == "Hello":
        again = keeper.ask(
            "POST", "/v1/responses", json={**asked, "previous_response_id": first["id"], "stream": False}
        )
        keeper.ask("DELETE", f"/v1/responses/{again.json()['id']}")
    assert keeper.ask("DELETE", path).json()["deleted"]
    keeper.gone(path, f"{path}/input_items")
    keeper.ask("DELETE", path, status=HTTPStatus.NOT_FOUND)


def test_a_response_in_the_background(keeper: Keeper) -> None:
    made = keeper.ask("POST", "/v1/responses", json={"model": "demo", "input": "Hello", "background": True}).json()
    path = f"/v1/responses/{made['id']}"
    events = events_of(keeper.ask("GET", f"{path}?stream=true"))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    rest = events_of(keeper.ask("GET", f"{path}?stream=true&starting_after=2"))
    assert rest == events[3:]
    keeper.ask("POST", f"{path}/cancel")
    keeper.ask("DELETE", path)
    keeper.gone(path)


@pytest.mark.parametrize("text", ["Hello", CALLING])
def test_a_stored_chat(keeper: Keeper, text: str) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": said(text)}]
    asked = {"model": "demo", "messages": messages, "tools": TOOLS, "store": True, "metadata": {"team": "search"}}
    made = keeper.ask("POST", "/v1/chat/completions", json=asked).json()
    path = f"/v1/chat/completions/{made['id']}"
    assert keeper.ask("GET", path).json()["choices"] == made["choices"]
    assert len(keeper.ask("GET", f"{path}/messages").json()["data"]) == len(messages)
    listed = keeper.ask("GET", "/v1/chat/completions?limit=100").json()["data"]
    assert made["id"] in [each["id"] for each in listed]
    changed = keeper.ask("POST", path, json={"metadata": {"team": "ads"}})
    assert changed.json()["metadata"] == {"team": "ads"}
    keeper.ask("DELETE", path)
    keeper.gone(path)


def test_a_stream_that_is_taken_up_again(keeper: Keeper) -> None:
    answer = keeper.ask("POST", "/v1/chat/completions", json={"model": "demo", "messages": MESSAGES, "stream": True})
    path = answer.headers["x-jackfield-stream"]
    assert keeper.ask("GET", f"{path}?after=2").text == answer.text.split("\n\n", 2)[2]
    keeper.ask("DELETE", path)
    keeper.gone(path)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=64),
        st.lists(
            st.fixed_dictionaries(
                {"custom_id": st.text(max_size=8), "method": st.just("POST"), "url": st.just("/v1/chat/completions")},
                optional={"body": st.just({"model": "demo", "messages": MESSAGES}) | st.just({"model": "nobody"})},
            ),
            max_size=4,
        ).map(lambda lines: "\n".join(map(json.dumps, lines)).encode()),
    )
)
def test_any_batch(keeper: Keeper, content: bytes) -> None:
    """Whatever stands in a file, its batch is refused, or can be looked at and ended; all of it can be deleted."""
    form = {"file": ("lines.jsonl", content)}
    file = keeper.ask("POST", "/v1/files", files=form, data={"purpose": "batch"}).json()
    assert keeper.ask("GET", f"/v1/files/{file['id']}").json() == file
    assert keeper.ask("GET", f"/v1/files/{file['id']}/content").content == content
    assert file["id"] in [each["id"] for each in keeper.ask("GET", "/v1/files?limit=1000").json()["data"]]
    asked = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = keeper.ask("POST", "/v1/batches", json=asked).json()
    path = f"/v1/batches/{batch['id']}"
    while keeper.ask("GET", path).json()["status"] in {"validating", "in_progress", "finalizing"}:
        pass
    ended = keeper.ask("GET", path).json()
    assert batch["id"] in [each["id"] for each in keeper.ask("GET", "/v1/batches?limit=100").json()["data"]]
    keeper.ask("POST", f"{path}/cancel", status=HTTPStatus.BAD_REQUEST)
    for made in {ended["output_file_id"], ended["error_file_id"], file["id"]} - {None}:
        keeper.ask("GET", f"/v1/files/{made}/content")
        keeper.ask("DELETE", f"/v1/files/{made}")
        keeper.gone(f"/v1/files/{made}")
