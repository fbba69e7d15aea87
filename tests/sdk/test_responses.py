"""Stored things through the official client: responses, files, batches, on the demo model."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from jackfield.testing.manifests import DEMO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai.types.responses import FunctionToolParam, ResponseTextConfigParam

    from jackfield.testing.target import Target

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


PET: ResponseTextConfigParam = {
    "format": {
        "type": "json_schema",
        "name": "pet",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 10}},
            "required": ["name"],
            "additionalProperties": False,
        },
    }
}
"""An answer that ends by itself."""


class Pet(BaseModel):
    """Something small."""

    name: str


@pytest.fixture
def demo(servers: Callable[[str], Target]) -> Iterator[OpenAI]:
    """A client of a server with the demo model."""
    with OpenAI(base_url=servers(DEMO).url + "/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_response_is_made_kept_and_deleted(demo: OpenAI) -> None:
    """The same when it is read again."""
    made = demo.responses.create(model="demo", input="Who are you?", max_output_tokens=20, temperature=0)
    assert made.output_text
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    assert demo.responses.retrieve(made.id).output_text == made.output_text
    [item] = demo.responses.input_items.list(made.id)
    assert item.type == "message"
    demo.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        demo.responses.retrieve(made.id)


def test_a_stream_accumulates_to_its_response(demo: OpenAI) -> None:
    """By the client's own accumulator."""
    with demo.responses.stream(model="demo", input="A pet?", text=PET) as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_conversation_goes_on(demo: OpenAI) -> None:
    """The second prompt has the first one in it."""
    first = demo.responses.create(model="demo", input="Who are you?", max_output_tokens=10)
    second = demo.responses.create(model="demo", input="And now?", previous_response_id=first.id, max_output_tokens=10)
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    assert second.previous_response_id == first.id


def test_a_tool_is_called_and_answered(demo: OpenAI) -> None:
    """With arguments that its schema allows."""
    first = demo.responses.create(
        model="demo", input="What is the weather in Rome?", tools=[WEATHER], tool_choice="required", temperature=0
    )
    calls = [item for item in first.output if item.type == "function_call"]
    assert calls
    assert json.loads(calls[0].arguments).keys() == {"city"}
    outputs: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
    second = demo.responses.create(
        model="demo", input=outputs, previous_response_id=first.id, tools=[WEATHER], max_output_tokens=20
    )
    assert second.status in {"completed", "incomplete"}


def test_an_answer_is_parsed_into_a_class(demo: OpenAI) -> None:
    """With pydantic's schema."""
    answer = demo.responses.create(model="demo", input="A pet?", text=PET, max_output_tokens=400)
    assert len(Pet.model_validate_json(answer.output_text).name) <= 10


def test_a_response_in_the_background(demo: OpenAI) -> None:
    """It is there at once, and ends by itself."""
    made = demo.responses.create(model="demo", input="Who are you?", background=True, max_output_tokens=20)
    deadline = time.monotonic() + 60
    while made.status in {"queued", "in_progress"}:
        assert time.monotonic() < deadline
        made = demo.responses.retrieve(made.id)
    assert made.status in {"completed", "incomplete"}
    assert made.output_text


def test_a_batch_of_chats(demo: OpenAI) -> None:
    """From the upload of its lines to the download of its answers."""
    body = {"model": "demo", "messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 8}
    lines = [
        json.dumps({"custom_id": f"line-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})
        for number in range(6)
    ]
    file = demo.files.create(file=("lines.jsonl", "\n".join(lines).encode()), purpose="batch")
    assert file.id in {each.id for each in demo.files.list()}
    batch = demo.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"night": "1"}
    )
    deadline = time.monotonic() + 60
    while batch.status not in {"completed", "failed"}:
        assert time.monotonic() < deadline
        batch = demo.batches.retrieve(batch.id)
    assert batch.status == "completed", batch.errors
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (6, 0)
    assert batch.output_file_id is not None
    output = [json.loads(line) for line in demo.files.content(batch.output_file_id).text.splitlines()]
    assert [line["custom_id"] for line in output] == [f"line-{number}" for number in range(6)]
    assert all(line["response"]["body"]["choices"][0]["message"]["content"] for line in output)
    assert batch.id in {each.id for each in demo.batches.list()}
    with pytest.raises(openai.BadRequestError):
        demo.batches.cancel(batch.id)
    assert demo.files.delete(file.id).deleted
