"""How long bodies of 1 MB take to become requests, by dialect: ``python benchmarks/decode_cost.py``.

Processor time of the decoders alone, in this process. Each body is one conversation, written as the official clients
write it; texts are English with a quotation mark or a line break here and there.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from serving import progress

from jackfield.ports.frontend import ModelCard
from jackfield_anthropic.decode import decode_messages
from jackfield_ollama.decode import decode_chat as decode_ollama
from jackfield_openai.decode import decode_chat
from jackfield_openai.records import new_id
from jackfield_openai.responses.decode import decode_response
from jackfield_openai.responses.generation import conversation
from jackfield_openai.responses.items import read_items

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZE: Final = 1_000_000
REPEATS: Final = 15
TARGET_MS: Final = 5.0
_LINE: Final = 'The quick brown fox jumps over the "lazy" dog.\nIt was a cold day, and the clocks struck thirteen. '
_CARD: Final = ModelCard(name="demo", aliases=(), created=1, ready=True)
SHAPES: Final = {
    "one text": (1, False),
    "500 messages": (500, False),
    "500 messages, each with a part": (500, True),
    "2,000 messages, each with a part": (2000, True),
}
"""How many messages, and whether their texts stand in parts."""


def messages(count: int, kinds: Sequence[str] | None) -> list[dict[str, object]]:
    """A conversation; *kinds* are those of the user's and the assistant's parts, None has none."""
    size = SIZE // count
    text = (_LINE * (size // len(_LINE) + 1))[:size]
    said = [
        (role, [{"type": kind, "text": text}] if kinds else text)
        for role, kind in zip(("user", "assistant"), kinds or ("", ""), strict=True)
    ]
    return [{"role": said[index % 2][0], "content": said[index % 2][1]} for index in range(count)]


def openai(count: int, *, parts: bool) -> Callable[[], object]:
    """A chat of OpenAI."""
    data = body({"model": "demo", "messages": messages(count, ("text", "text") if parts else None)})
    return lambda: decode_chat(data, "strict")


def anthropic(count: int, *, parts: bool) -> Callable[[], object]:
    """Messages of Anthropic."""
    said = messages(count, ("text", "text") if parts else None)
    data = body({"model": "demo", "max_tokens": 64, "messages": said})
    return lambda: decode_messages(data, "strict")


def responses(count: int, *, parts: bool) -> Callable[[], object]:
    """A response of OpenAI, down to the conversation that it becomes."""
    data = body({"model": "demo", "input": messages(count, ("input_text", "output_text") if parts else None)})

    def decode() -> object:
        call = decode_response(data, "strict")
        return conversation(call, read_items(call.input, [], new_id))

    return decode


def ollama(count: int, *, parts: bool) -> Callable[[], object] | None:
    """A chat of Ollama, which knows no parts."""
    if parts:
        return None
    data = body({"model": "demo", "messages": messages(count, None)})
    return lambda: decode_ollama(data, "strict", [_CARD])


DIALECTS: Final = {"OpenAI chat": openai, "OpenAI responses": responses, "Anthropic": anthropic, "Ollama": ollama}


def body(content: dict[str, object]) -> bytes:
    """As the official clients write it: without spaces, and not more escaped than it must be."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def took_ms(decode: Callable[[], object]) -> float:
    """Median processor time, in ms."""
    figures = []
    for _ in range(REPEATS):
        before = time.process_time()
        decode()
        figures.append((time.process_time() - before) * 1e3)
    return statistics.median(figures)


def run() -> dict[str, Any]:
    """All figures."""
    figures: dict[str, dict[str, float]] = {}
    for name, made in DIALECTS.items():
        figures[name] = {}
        for shape, (count, parts) in SHAPES.items():
            decode = made(count, parts=parts)
            if decode is not None:
                figures[name][shape] = took_ms(decode)
        progress(f"  {name}: {figures[name]}")
    return {"figures": figures, "target_ms": TARGET_MS}


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| 1 MB, ms (wanted ≤ 5) | " + " | ".join(SHAPES) + " |", "|---|" + "---|" * len(SHAPES)]
    for name, figures in results["figures"].items():
        cells = [f"{figures[shape]:.1f}" if shape in figures else "" for shape in SHAPES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = run()
    print(table(found))
    print(json.dumps(found))
