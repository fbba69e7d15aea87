"""The frontend passes the kit that every frontend must pass."""

from __future__ import annotations

import msgspec
import pytest

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.kits.frontend import Exchange, FrontendKit, ReadStream

BODY = b'{"model": "demo", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}'


def read_stream(body: bytes) -> ReadStream:
    """The text of all text blocks."""
    parser = SseParser()
    events = [msgspec.json.decode(item.data) for item in parser.feed(body) if isinstance(item, SseEvent)]
    parser.close()
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    errors = sum(event["type"] == "error" for event in events)
    return ReadStream(text, complete=events[-1]["type"] == "message_stop", errors=errors)


class TestConformance(FrontendKit):
    """``/v1/messages``."""

    manifest = 'enabled = ["anthropic"]'

    @pytest.fixture
    def exchange(self) -> Exchange:
        """A conversation of one message."""
        return Exchange(
            path="/v1/messages",
            body=BODY,
            stream_body=BODY[:-1] + b', "stream": true}',
            read_answer=lambda data: "".join(block["text"] for block in msgspec.json.decode(data)["content"]),
            read_stream=read_stream,
        )
