"""Which of our dialects serves which published template, and that it can be rendered with what the dialect opens."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, JsonValue, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.gateway.dialects import Dialects
from jackfield.manifest import KernelConfig, Manifest
from jackfield.parsing.shaping import template_variables
from jackfield.plugins import build_kernel
from jackfield.worker.template import ChatTemplate

_FOLDER: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_CHOSEN: Final[dict[str | None, tuple[str, ...]]] = {
    "command-r": (
        "Cohere2MoE",
        "CohereForAI-c4ai-command-r-plus-tool_use",
        "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
    ),
    "deepseek": (
        "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
        "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
        "deepseek-ai-DeepSeek-V3.1",
        "deepseek-ai-DeepSeek-V3.2",
        "deepseek-ai-DeepSeek-V4-Flash-0731",
        "deepseek-ai-DeepSeek-V4",
        "llama-cpp-deepseek-r1",
    ),
    "gemma": (
        "google-gemma-2-2b-it",
        "google-gemma-4-31B-it-interleaved",
        "google-gemma-4-31B-it",
    ),
    "glm": (
        "GLM-4.6",
        "GLM-4.7-Flash",
        "Spark2.5",
        "inclusionai-ling-3.0-flash",
        "poolside-Laguna-S-2.1",
        "poolside-Laguna-XS-2.1",
        "poolside-Laguna-XS.2",
    ),
    "granite": (
        "ibm-granite-granite-3.3-2B-Instruct",
        "ibm-granite-granite-4.0",
        "ibm-granite-granite-4.1",
    ),
    "harmony": ("openai-gpt-oss-120b",),
    "hermes": (
        "Bielik-11B-v3.0-Instruct",
        "MiMo-VL",
        "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
        "NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
        "Qwen-QwQ-32B",
        "Qwen-Qwen2.5-7B-Instruct",
        "Qwen-Qwen3-0.6B",
        "Qwen3-Coder",
        "Qwen3.5-4B",
        "Reka-Edge",
        "StepFun3.5-Flash",
    ),
    "json-tools": (
        "GigaChat3-10B-A1.8B",
        "HuggingFaceTB-SmolLM3-3B",
        "Kimi-K3",
        "MiniMax-M3",
        "llama-cpp-rwkv-world",
        "meetkai-functionary-medium-v3.2",
        "microsoft-Phi-3.5-mini-instruct",
        "muse-glimmer",
        "upstage-Solar-Open-100B",
    ),
    "apertus": ("Apertus-8B-Instruct",),
    "apriel": (
        "Apriel-1.6-15b-Thinker-fixed",
        "unsloth-Apriel-1.5",
    ),
    "functionary": ("meetkai-functionary-medium-v3.1",),
    "gigachat": ("GigaChat3.1-10B-A1.8B",),
    "hunyuan": ("tencent-Hy3",),
    "kimi": ("moonshotai-Kimi-K2",),
    "lfm2": (
        "LFM2-8B-A1B",
        "LFM2.5-8B-A1B",
        "LFM2.5-Instruct",
    ),
    "minicpm": ("openbmb-MiniCPM5-1B",),
    "minimax": ("MiniMax-M2",),
    "minimax-m1": ("MiniMax-M1",),
    "nemotron": ("NVIDIA-Nemotron-Nano-v2",),
    "seed": ("ByteDance-Seed-OSS",),
    "llama3": (
        "meta-llama-Llama-3.1-8B-Instruct",
        "meta-llama-Llama-3.2-3B-Instruct",
        "meta-llama-Llama-3.3-70B-Instruct",
    ),
    "mistral": (
        "Mistral-Small-3.2-24B-Instruct-2506",
        "mistralai-Ministral-3-14B-Reasoning-2512",
        "mistralai-Mistral-Nemo-Instruct-2407",
        "unsloth-mistral-Devstral-Small-2507",
    ),
}
"""By dialect; None is none of them: tools are refused then."""

_TABLE: Final = {template: dialect for dialect, templates in _CHOSEN.items() for template in templates}

_SCHEMA: Final = """{"type": "object", "required": ["city"],
    "properties": {"city": {"type": "string", "description": "Which"}, "days": {"type": "integer"}}}"""
_TOOLS: Final = (Tool(name="weather_at", description="Tells the weather", parameters=_SCHEMA), Tool(name="time_now"))
_ASKED: Final = Message("user", "Is it raining?")
_CALLED: Final = Message(
    "assistant", tool_calls=(ToolCall("call12345", "weather_at", '{"city": "Bergen"}'),), reasoning="Windows are near."
)
_TOLD: Final = Message("tool", "It pours.", tool_call_id="call12345", name="weather_at")
_HISTORY: Final = ChatPrompt((Message("system", "Be kind."), _ASKED, _CALLED, _TOLD), _TOOLS)

_CHATS: Final = {
    "plain": ChatPrompt((_ASKED,)),
    "system": ChatPrompt((Message("system", "Be kind."), _ASKED)),
    "tools": ChatPrompt((_ASKED,), _TOOLS),
    "history": _HISTORY,
    "a longer history": msgspec.structs.replace(
        _HISTORY, messages=(*_HISTORY.messages, Message("assistant", "Yes, it does."), _ASKED)
    ),
    "no tools now": msgspec.structs.replace(_HISTORY, tool_choice=ToolChoice("none")),
    "thoughts": ChatPrompt((_ASKED,), thinking=Thinking(enabled=True)),
    "no thoughts": ChatPrompt((_ASKED,), thinking=Thinking(enabled=False)),
    "continued": ChatPrompt((_ASKED, Message("assistant", "Once upon a")), continue_final=True),
}


@pytest.fixture(scope="module")
def dialects() -> Dialects:
    """All that are there where nobody enables any."""
    return Dialects(build_kernel(Manifest(enabled=(), kernel=KernelConfig())).dialects(), {})


def _source(name: str) -> str:
    return (_FOLDER / f"{name}.jinja").read_text("utf-8")


def test_the_table_has_all_templates() -> None:
    """None is forgotten."""
    assert set(_TABLE) == {path.stem for path in _FOLDER.glob("*.jinja")}


@pytest.mark.parametrize("name", _TABLE)
def test_choice(name: str, dialects: Dialects) -> None:
    """Each template has the dialect of its family."""
    found = dialects.choose("auto", ChatFormat(_source(name)))
    assert (found and found.name) == _TABLE[name]


@pytest.mark.parametrize("chat", _CHATS.values(), ids=list(_CHATS))
@pytest.mark.parametrize("name", _TABLE)
def test_what_a_dialect_opens_renders(name: str, chat: ChatPrompt, dialects: Dialects) -> None:
    """What the user asks, what the system says, and what tools said reach the prompt in every family."""
    text = _render(name, chat, dialects)
    for message in chat.messages:
        assert message.content in text
    assert text.endswith("Once upon a") or not chat.continue_final


def _render(name: str, chat: ChatPrompt, dialects: Dialects) -> str:
    source = _source(name)
    dialect = dialects.choose("auto", ChatFormat(source))
    variables: dict[str, JsonValue] = (
        template_variables(chat) if dialect is None else dict(dialect.open(chat, None).variables)
    )
    template = ChatTemplate(source, {"bos_token": "<s>", "eos_token": "</s>"}, 100_000)
    text = template.render(variables, continue_final=chat.continue_final)
    assert text is not None
    return text
