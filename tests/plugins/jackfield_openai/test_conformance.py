"""The frontend passes the kit that every frontend must pass, in both of its generations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.kits.frontend import Exchange, FrontendKit, ReadStream
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.frontend import FrontendFactory


def stream_reader(text_of: Callable[[dict[str, dict[str, str]]], str]) -> Callable[[bytes], ReadStream]:
    """Reads a stream whose choices hold text where *text_of* finds it."""

    def read(body: bytes) -> ReadStream:
        parser = SseParser()
        data = [item.data for item in parser.feed(body) if isinstance(item, SseEvent)]
        parser.close()
        chunks = [msgspec.json.decode(item) for item in data if item != "[DONE]"]
        texts = [text_of(choice) for chunk in chunks for choice in chunk.get("choices", ())]
        return ReadStream("".join(texts), data[-1] == "[DONE]", sum("error" in chunk for chunk in chunks))

    return read


class OpenAIKit(FrontendKit):
    """Both generations are served by one frontend."""

    __test__ = False

    @pytest.fixture
    def make_frontend(self) -> FrontendFactory:
        """The frontend with its defaults."""
        return lambda gateway: OpenAIFrontend(gateway, OpenAIConfig())


class TestChatConformance(OpenAIKit):
    """``/v1/chat/completions``."""

    __test__ = True

    @pytest.fixture
    def exchange(self) -> Exchange:
        """A chat of one message."""
        body = b'{"model": "demo", "messages": [{"role": "user", "content": "hi"}]}'
        return Exchange(
            path="/v1/chat/completions",
            body=body,
            stream_body=body[:-1] + b', "stream": true}',
            read_answer=lambda data: msgspec.json.decode(data)["choices"][0]["message"]["content"],
            read_stream=stream_reader(lambda choice: choice["delta"].get("content", "")),
        )


class TestCompletionConformance(OpenAIKit):
    """``/v1/completions``."""

    __test__ = True

    @pytest.fixture
    def exchange(self) -> Exchange:
        """A continuation of a text."""
        body = b'{"model": "demo", "prompt": "hi"}'
        return Exchange(
            path="/v1/completions",
            body=body,
            stream_body=body[:-1] + b', "stream": true}',
            read_answer=lambda data: msgspec.json.decode(data)["choices"][0]["text"],
            read_stream=stream_reader(lambda choice: str(choice["text"])),
        )
