"""Which templates are the family's, and what they make of conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall
from jackfield.worker.template import ChatTemplate
from jackfield_hermes.dialect import hermes

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

FAMILY: Final = {
    "Bielik-11B-v3.0-Instruct": "optional",
    "MiMo-VL": "none",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "optional",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": "none",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": "none",
    "Qwen-QwQ-32B": "optional",
    "Qwen-Qwen2.5-7B-Instruct": "none",
    "Qwen-Qwen3-0.6B": "optional",
    "Qwen3-Coder": "none",
    "Qwen3.5-4B": "optional",
    "Reka-Edge": "optional",
    "StepFun3.5-Flash": "always",
}
"""Templates that teach one of its forms, and whether their models think."""

TAGGED: Final = {"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "Qwen3-Coder", "Qwen3.5-4B", "StepFun3.5-Flash"}

OTHERS: Final = (
    *("GLM-4.6", "GLM-4.7-Flash", "inclusionai-ling-3.0-flash", "MiniMax-M2", "MiniMax-M3", "Spark2.5"),
    *("poolside-Laguna-XS.2", "meta-llama-Llama-3.1-8B-Instruct", "openai-gpt-oss-120b", "google-gemma-2-2b-it"),
    *("deepseek-ai-DeepSeek-V3.1", "mistralai-Mistral-Nemo-Instruct-2407", "ByteDance-Seed-OSS"),
)

CHAT: Final = ChatPrompt(
    (
        Message("user", "Rain in Oslo?"),
        Message("assistant", tool_calls=(ToolCall("call_1", "weather", '{"city": "Bergen"}'),)),
        Message("tool", "It pours.", tool_call_id="call_1", name="weather"),
        Message("user", "And now?"),
    ),
    tools=(Tool(name="weather", description="Tells", parameters='{"properties": {"city": {"type": "string"}}}'),),
)


def _source(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text()


def _prompt(name: str, chat: ChatPrompt) -> str:
    dialect = hermes(ChatFormat(_source(name)), named=False)
    assert dialect is not None
    text = ChatTemplate(_source(name), {"bos_token": "", "eos_token": "<end>"}, 100_000).render(
        dialect.open(chat, None).variables
    )
    assert text is not None
    return text


@pytest.mark.parametrize("name", FAMILY)
def test_its_templates(name: str) -> None:
    """They are claimed, with what they say of thoughts."""
    dialect = hermes(ChatFormat(_source(name)), named=False)
    assert dialect is not None
    assert dialect.traits.reasoning == FAMILY[name]


@pytest.mark.parametrize("name", OTHERS)
def test_templates_of_others(name: str) -> None:
    """They are not claimed, though some have ``<tool_call>`` too; where it is named, it serves them all the same."""
    assert hermes(ChatFormat(_source(name)), named=False) is None
    assert hermes(ChatFormat(_source(name)), named=True) is not None


@pytest.mark.parametrize("name", FAMILY)
def test_earlier_calls_and_results_reach_the_prompt(name: str) -> None:
    """In the form that is read, so that what the model copies is a call."""
    prompt = _prompt(name, CHAT)
    assert "Bergen" in prompt
    assert "It pours." in prompt
    call = "<function=weather>\n<parameter=city>\nBergen\n" if name in TAGGED else '"name": "weather", "arguments":'
    assert call in prompt


@pytest.mark.parametrize("name", ["Qwen-Qwen3-0.6B", "Qwen3.5-4B", "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"])
def test_thoughts_are_switched(name: str) -> None:
    """Off, the prompt has empty ones already; on, it has not."""
    off = _prompt(name, msgspec.structs.replace(CHAT, thinking=Thinking(enabled=False)))
    on = _prompt(name, msgspec.structs.replace(CHAT, thinking=Thinking(enabled=True)))
    assert off.rstrip().endswith("</think>")
    assert not on.rstrip().endswith("</think>")
