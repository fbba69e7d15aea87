"""The record of what a model can be asked for."""

from __future__ import annotations

import msgspec

from jackfield.capabilities import Endpoint, Known, capabilities, endpoint_table
from jackfield.ports.backend import RunnerLimits
from jackfield.ports.dialect import Traits
from jackfield.testing.kits.scripted_gateway import INFO

LIMITS = RunnerLimits(context=64, max_sequences=2, kv_tokens=128, max_batch_tokens=32, deterministic=True)
CHAT = Endpoint("POST /chat", "generate", ("messages", "model"))
RANK = Endpoint("POST /rank", "rerank", ("query",))


def test_model_with_a_dialect() -> None:
    traits = Traits(parallel_tool_calls=False, reasoning="optional", efforts=("low",))
    record = capabilities(Known(INFO, LIMITS, "hermes", traits, ("regex",)), (CHAT, RANK))
    assert (record.context, record.answers, record.deterministic) == (64, 2, True)
    assert (record.dialect, record.tools, record.parallel_tool_calls) == ("hermes", True, False)
    assert (record.reasoning, record.reasoning_efforts) == ("optional", ("low",))
    assert record.structured_outputs == ("regex",)
    assert record.endpoints == {"POST /chat": ("messages", "model"), "POST /rank": ("query",)}


def test_model_without_a_dialect_calls_nothing() -> None:
    record = capabilities(Known(INFO, LIMITS), ())
    assert (record.tools, record.parallel_tool_calls, record.reasoning, record.dialect) == (False, False, "none", None)


def test_pooled_model_draws_nothing() -> None:
    """And is asked only what it can do."""
    info = msgspec.structs.replace(INFO, tasks=("rerank",))
    record = capabilities(Known(info, LIMITS, shapes=("regex",)), (CHAT, RANK))
    assert (record.top_logprobs, record.structured_outputs, record.answers) == (None, (), None)
    assert record.endpoints == {"POST /rank": ("query",)}


def test_what_a_model_lacks_is_not_listed() -> None:
    """Neither routes nor fields."""
    asked = Endpoint(
        "POST /ask",
        "generate",
        ("gap", "keep", "text", "tools"),
        fields={"gap": "infill", "keep": "records", "tools": "tools"},
    )
    gaps = Endpoint("POST /fill", "generate", ("text",), needs=("infill",))
    plain = capabilities(Known(INFO, LIMITS), (asked, gaps))
    assert plain.endpoints == {"POST /ask": ("text",)}
    info = msgspec.structs.replace(INFO, can_infill=True)
    more = capabilities(Known(info, LIMITS, "hermes", Traits(), (), records=True), (asked, gaps))
    assert more.endpoints == {"POST /ask": ("gap", "keep", "text", "tools"), "POST /fill": ("text",)}


def test_what_the_operator_and_the_template_say() -> None:
    """Fields that only some models give a meaning to."""
    asked = Endpoint(
        "POST /ask", "embed", ("input", "papers", "size"), fields={"papers": "documents", "size": "matryoshka"}
    )
    assert capabilities(Known(INFO, LIMITS), (asked,)).endpoints == {"POST /ask": ("input",)}
    record = capabilities(Known(INFO, LIMITS, documents=True, matryoshka=True), (asked,))
    assert record.endpoints == {"POST /ask": ("input", "papers", "size")}
    assert record.matryoshka


def test_table_has_a_row_for_each_route() -> None:
    asked = Endpoint("POST /ask", "generate", ("text", "tools"), ("chat",), {"tools": "tools"})
    assert endpoint_table([CHAT, asked]).splitlines()[2:] == [
        "| `POST /chat` | generate | `messages`, `model` |",
        "| `POST /ask` | generate, chat | `text`; with tools: `tools` |",
    ]
