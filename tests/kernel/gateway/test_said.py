"""What is recorded of the texts of a request."""

from __future__ import annotations

import pytest

from jackfield.chat import ChatPrompt, Message, Tool
from jackfield.gateway.said import TEXTS_MAX, prompts
from jackfield.types import GenerateRequest, TextPrompt


def recorded(*messages: str, tools: int = 0) -> list[str]:
    """The texts of a conversation with so many *tools*."""
    chat = ChatPrompt(
        tuple(Message("user", text) for text in messages),
        tools=tuple(Tool(name=f"t{number}", description="what it does") for number in range(tools)),
    )
    return [each.text for each in prompts(GenerateRequest(model="demo", prompt=chat))]


def test_each_text_is_recorded() -> None:
    """In their order."""
    assert recorded("one", "two") == ["one", "two"]
    assert [each.text for each in prompts(GenerateRequest(model="demo", prompt=TextPrompt("one")))] == ["one"]


@pytest.mark.parametrize(("fillers", "tools"), [(TEXTS_MAX, 0), (0, TEXTS_MAX)])
def test_nobody_hides_a_text_behind_many_others(fillers: int, tools: int) -> None:
    """Nor behind tools: what comes before the latest ones is one text."""
    found = recorded("the secret", *["filler"] * fillers, tools=tools)
    assert len(found) == TEXTS_MAX
    assert found[0].startswith("the secret\n")
