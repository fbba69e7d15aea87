"""The frontend passes the kit that every frontend must pass, in both of its generations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.testing.kits.frontend import Exchange, FrontendKit, ReadStream

if TYPE_CHECKING:
    from collections.abc import Callable


def stream_reader(text_of: Callable[[dict[str, dict[str, str]]], str]) -> Callable[[bytes], ReadStream]:
    """Reads a stream whose lines hold text where *text_of* finds it."""

    def read(body: bytes) -> ReadStream:
        lines = [msgspec.json.decode(line) for line in body.splitlines()]
        text = "".join(text_of(line) for line in lines if "error" not in line)
        errors = sum("error" in line for line in lines)
        return ReadStream(text, complete=lines[-1].get("done") is True, errors=errors)

    return read


class OllamaKit(FrontendKit):
    """Both generations are served by one frontend."""

    __test__ = False
    manifest = 'enabled = ["ollama"]'


class TestChatConformance(OllamaKit):
    """``/api/chat``."""

    __test__ = True

    @pytest.fixture
    def exchange(self) -> Exchange:
        """A chat of one message."""
        body = b'{"model": "demo", "messages": [{"role": "user", "content": "hi"}]}'
        return Exchange(
            path="/api/chat",
            body=body[:-1] + b', "stream": false}',
            stream_body=body,
            read_answer=lambda data: msgspec.json.decode(data)["message"]["content"],
            read_stream=stream_reader(lambda line: line["message"]["content"]),
        )


class TestGenerateConformance(OllamaKit):
    """``/api/generate``."""

    __test__ = True

    @pytest.fixture
    def exchange(self) -> Exchange:
        """An answer to a text."""
        body = b'{"model": "demo", "prompt": "hi"}'
        return Exchange(
            path="/api/generate",
            body=body[:-1] + b', "stream": false}',
            stream_body=body,
            read_answer=lambda data: msgspec.json.decode(data)["response"],
            read_stream=stream_reader(lambda line: str(line["response"])),
        )
