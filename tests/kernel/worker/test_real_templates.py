"""Templates of published models in our sandbox: all that a conversation can be reaches the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from jackfield.chat import ChatPrompt, Message, Tool, ToolCall
from jackfield.errors import InvalidRequest
from jackfield.parsing.shaping import template_variables
from jackfield.worker.template import ChatTemplate

_FOLDER: Final = Path(__file__).parents[2] / "fixtures" / "templates"
_TEMPLATES: Final = sorted(path.name for path in _FOLDER.glob("*.jinja"))

_LENGTH_MAX: Final = 100_000

_SCHEMA: Final = """{"type": "object", "required": ["city"], "properties": {
    "city": {"type": "string", "description": "Which city"},
    "days": {"type": "integer", "description": "How many days"},
    "tags": {"type": "array", "description": "What else", "items": {"type": "string"}}}}"""

_TOOLS: Final = (
    Tool(name="weather_at", description="Tells the weather", parameters=_SCHEMA),
    Tool(name="time_now", description="Tells the time"),
)
_ASKED: Final = Message("user", "Is it raining?")
_CALLED: Final = Message(
    "assistant", tool_calls=(ToolCall("call12345", "weather_at", '{"city": "Tromsø", "days": 2}'),)
)
_TOLD: Final = Message("tool", "It pours.", tool_call_id="call12345", name="weather_at")

_NEED_TOOLS: Final = {
    "CohereForAI-c4ai-command-r-plus-tool_use.jinja",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja",
}
"""Their models have another template for conversations without tools."""

_WANT_TEXT: Final = {"meetkai-functionary-medium-v3.2.jinja"}
"""They want the arguments of earlier calls as text."""

_TELL_OF_NO_TOOLS: Final = {
    "HuggingFaceTB-SmolLM3-3B.jinja",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja",
    "deepseek-ai-DeepSeek-V3.1.jinja",
    "google-gemma-2-2b-it.jinja",
    "llama-cpp-rwkv-world.jinja",
    "microsoft-Phi-3.5-mini-instruct.jinja",
}
"""Their models know no tools, or want them in variables of their own."""

_FORGET_CALLS: Final = {
    "HuggingFaceTB-SmolLM3-3B.jinja",
    "LFM2-8B-A1B.jinja",
    "LFM2.5-Instruct.jinja",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
    "ibm-granite-granite-3.3-2B-Instruct.jinja",
    "llama-cpp-rwkv-world.jinja",
    "microsoft-Phi-3.5-mini-instruct.jinja",
}
"""They leave the calls of earlier turns out."""

_FORGET_RESULTS: Final = {
    "llama-cpp-rwkv-world.jinja",
    "microsoft-Phi-3.5-mini-instruct.jinja",
}
"""They leave the results of tools out."""

_KEEP_THOUGHTS: Final = {
    "Bielik-11B-v3.0-Instruct.jinja",
    "ByteDance-Seed-OSS.jinja",
    "Cohere2MoE.jinja",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja",
    "GLM-4.6.jinja",
    "GLM-4.7-Flash.jinja",
    "Kimi-K3.jinja",
    "MiniMax-M2.jinja",
    "MiniMax-M3.jinja",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja",
    "Qwen-Qwen3-0.6B.jinja",
    "Qwen3.5-4B.jinja",
    "Spark2.5.jinja",
    "StepFun3.5-Flash.jinja",
    "google-gemma-4-31B-it.jinja",
    "google-gemma-4-31B-it-interleaved.jinja",
    "inclusionai-ling-3.0-flash.jinja",
    "muse-glimmer.jinja",
    "openbmb-MiniCPM5-1B.jinja",
    "poolside-Laguna-S-2.1.jinja",
    "poolside-Laguna-XS-2.1.jinja",
    "poolside-Laguna-XS.2.jinja",
    "tencent-Hy3.jinja",
}
"""They show the thoughts that led to a call whose result the model now gets."""

_SWITCHED: Final = {
    "Apertus-8B-Instruct.jinja",
    "Bielik-11B-v3.0-Instruct.jinja",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja",
    "GLM-4.6.jinja",
    "GLM-4.7-Flash.jinja",
    "HuggingFaceTB-SmolLM3-3B.jinja",
    "Kimi-K3.jinja",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja",
    "Qwen-QwQ-32B.jinja",
    "Qwen-Qwen3-0.6B.jinja",
    "Qwen3.5-4B.jinja",
    "Reka-Edge.jinja",
    "Spark2.5.jinja",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja",
    "deepseek-ai-DeepSeek-V3.1.jinja",
    "deepseek-ai-DeepSeek-V3.2.jinja",
    "deepseek-ai-DeepSeek-V4.jinja",
    "deepseek-ai-DeepSeek-V4-Flash-0731.jinja",
    "google-gemma-4-31B-it.jinja",
    "google-gemma-4-31B-it-interleaved.jinja",
    "ibm-granite-granite-3.3-2B-Instruct.jinja",
    "inclusionai-ling-3.0-flash.jinja",
    "llama-cpp-rwkv-world.jinja",
    "openbmb-MiniCPM5-1B.jinja",
    "poolside-Laguna-S-2.1.jinja",
    "poolside-Laguna-XS-2.1.jinja",
    "poolside-Laguna-XS.2.jinja",
}
"""They have a switch for thoughts, ``enable_thinking`` or ``thinking``."""

_REFUSING: Final = "google-gemma-2-2b-it.jinja"
"""It wants users and assistants by turns, and nobody else; its dialect sees to that."""

_ACCEPTING: Final = [name for name in _TEMPLATES if name != _REFUSING]


def _render(name: str, chat: ChatPrompt, **variables: object) -> str:
    template = ChatTemplate((_FOLDER / name).read_text("utf-8"), {"bos_token": "<s>", "eos_token": "</s>"}, _LENGTH_MAX)
    given = template_variables(chat, arguments="text" if name in _WANT_TEXT else "object")
    text = template.render({**given, **variables}, continue_final=chat.continue_final)
    assert text is not None
    return text


def _tools(name: str, *, wanted: bool) -> tuple[Tool, ...]:
    return _TOOLS if wanted or name in _NEED_TOOLS else ()


@pytest.mark.parametrize("name", _TEMPLATES)
def test_plain_chat(name: str) -> None:
    """What the user asks is in the prompt, once."""
    assert _render(name, ChatPrompt((_ASKED,), _tools(name, wanted=False))).count(_ASKED.content) == 1


@pytest.mark.parametrize("name", _ACCEPTING)
def test_system_message(name: str) -> None:
    """What the system says is in the prompt, once."""
    messages = (Message("system", "Be kind."), _ASKED)
    assert _render(name, ChatPrompt(messages, _tools(name, wanted=False))).count("Be kind.") == 1


@pytest.mark.parametrize("name", _TEMPLATES)
def test_tools(name: str) -> None:
    """Tools are told of by name and description."""
    text = _render(name, ChatPrompt((_ASKED,), _TOOLS))
    assert ("weather_at" in text and "Tells the time" in text) == (name not in _TELL_OF_NO_TOOLS)


@pytest.mark.parametrize("name", _ACCEPTING)
def test_calls_and_results_in_the_history(name: str) -> None:
    """The assistant's calls and what tools said reach the prompt."""
    text = _render(name, ChatPrompt((_ASKED, _CALLED, _TOLD), _TOOLS))
    assert ("Tromsø" in text or "Troms\\u00f8" in text) == (name not in _FORGET_CALLS)
    assert ("It pours." in text) == (name not in _FORGET_RESULTS)


@pytest.mark.parametrize("name", _ACCEPTING)
def test_reasoning_in_the_history(name: str) -> None:
    """Thoughts before a call reach the prompts of models that want them."""
    called = Message("assistant", tool_calls=_CALLED.tool_calls, reasoning="Windows are near.")
    text = _render(name, ChatPrompt((_ASKED, called, _TOLD), _TOOLS))
    assert ("Windows are near." in text) == (name in _KEEP_THOUGHTS)


@pytest.mark.parametrize("name", _TEMPLATES)
def test_thinking_switched(name: str) -> None:
    """Switches for thoughts are known; other templates do not mind."""
    chat = ChatPrompt((_ASKED,), _tools(name, wanted=False))
    on = _render(name, chat, enable_thinking=True, thinking=True)
    off = _render(name, chat, enable_thinking=False, thinking=False)
    assert (on != off) == (name in _SWITCHED)


@pytest.mark.parametrize("name", _TEMPLATES)
def test_continued_answer(name: str) -> None:
    """The prompt ends with the message that is continued."""
    messages = (_ASKED, Message("assistant", "Once upon a"))
    assert _render(name, ChatPrompt(messages, _tools(name, wanted=False), continue_final=True)).endswith("Once upon a")


def test_what_a_template_refuses_is_said() -> None:
    """A template that takes no system message says so itself."""
    with pytest.raises(InvalidRequest, match="System role not supported"):
        _render(_REFUSING, ChatPrompt((Message("system", "Be kind."), _ASKED)))
