"""Which dialect serves a model, and what it makes of a conversation."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolChoice
from jackfield.errors import InvalidRequest, ManifestError, UnsupportedField
from jackfield.gateway.dialects import Dialects, open_chat
from jackfield.gateway.foreign import NamedDialect
from jackfield.manifest import ModelConfig
from jackfield.parsing.reading import GeneratorReader
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import Opening, ThinkingMarks, Traits
from jackfield.types import GenerateRequest, TemplatePrompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader, DialectFactory

HI = (Message("user", "hi"),)
LOOK = Tool(name="look")
FORMAT = ChatFormat("{{ messages }}")


class Dialect:
    """It knows one mark."""

    def __init__(self, traits: Traits | None = None) -> None:
        self.traits = traits or Traits(reasoning="optional")

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        return Opening(
            variables={"n": len(chat.messages)},
            constraint=constraint,
            thinking=ThinkingMarks("<t>", "</t>") if self.traits.reasoning != "none" else None,
            shown_tokens=("<t>",),
            stop=("<end>",),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return GeneratorReader(prompt_end)


class Factory:
    """Serves templates that have its mark."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.asked = 0

    def __call__(self, chat_format: ChatFormat, *, named: bool) -> Dialect | None:
        """See ``DialectFactory``."""
        self.asked += 1
        if self.mark == "broken":
            raise ZeroDivisionError
        return Dialect() if named or self.mark in chat_format.template else None


def dialects(*marks: str, wanted: str = "auto") -> Dialects:
    """Those that know *marks*, by them; one model wants *wanted*."""
    factories: Mapping[str, DialectFactory] = {mark: Factory(mark) for mark in marks}
    return Dialects(factories, {"m": ModelConfig(source="x", dialect=wanted)})


def opened(
    chat: ChatPrompt, traits: Traits | None = None, request: Mapping[str, object] = MappingProxyType({})
) -> GenerateRequest:
    """What goes to the worker."""
    asked = msgspec.structs.replace(GenerateRequest(model="m", prompt=chat), **request)
    named = NamedDialect("d", Dialect(traits))
    return open_chat(asked, chat, named).request


@pytest.mark.parametrize(
    ("wanted", "template", "chosen"),
    [
        ("auto", "<a>", "a"),
        ("auto", "<b>", "b"),
        ("auto", "<a><b>", "a"),
        ("auto", "<c>", None),
        ("b", "<a>", "b"),
        ("none", "<a>", None),
    ],
)
def test_the_first_that_knows_the_template_serves_it(wanted: str, template: str, chosen: str | None) -> None:
    """One that is named serves any; ``none`` wants nobody."""
    found = dialects("a", "b", wanted=wanted).choose(wanted, ChatFormat(template))
    assert (found and found.name) == chosen


def test_a_broken_dialect_does_not_take_the_others_along() -> None:
    """The next one is asked."""
    found = dialects("broken", "a").choose("auto", ChatFormat("<a>"))
    assert found is not None
    assert found.name == "a"


def test_a_model_without_conversations_has_none() -> None:
    """Nobody is asked."""
    assert dialects("a").choose("auto", None) is None


def test_a_dialect_that_nobody_hands_over_is_a_start_up_error() -> None:
    """With the key, and those that there are."""
    with pytest.raises(ManifestError, match=r"models\.m\.dialect: .* 'z'; there are a, b") as error:
        dialects("a", "b", wanted="z")
    assert error.value.param == "models.m.dialect"


def test_a_conversation_is_opened() -> None:
    """Variables, what is demanded, thoughts with their budget, tokens to show, stops."""
    chat = ChatPrompt(HI, thinking=Thinking(budget=5))
    request = opened(chat, request={"constraint": JsonObject("response_format"), "stop": ("mine",)})
    assert request.prompt == TemplatePrompt(b'{"n":1}')
    assert request.constraint == JsonObject("response_format")
    assert request.thinking is not None
    assert (request.thinking.marks.begin, request.thinking.budget) == ("<t>", 5)
    assert request.shown_tokens == ("<t>",)
    assert request.stop == ("mine", "<end>")


def test_a_stop_that_both_want_is_there_once() -> None:
    """And one too many is explained."""
    assert opened(ChatPrompt(HI), request={"stop": ("<end>",)}).stop == ("<end>",)
    with pytest.raises(InvalidRequest, match="at most 15") as error:
        opened(ChatPrompt(HI), request={"stop": tuple(map(str, range(16)))})
    assert error.value.param == "stop"


def test_without_a_dialect_the_template_gets_the_conversation() -> None:
    """As it is; nothing reads the answer."""
    chat = ChatPrompt(HI, tools=(LOOK,), tool_choice=ToolChoice("none"), template_kwargs={"x": 1})
    found = open_chat(GenerateRequest(model="m", prompt=chat), chat, None)
    assert found.reading is None
    assert isinstance(found.request.prompt, TemplatePrompt)
    variables = msgspec.json.decode(found.request.prompt.variables)
    assert variables == {"x": 1, "messages": [{"role": "user", "content": "hi"}], "tools": None}


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (ChatPrompt(HI, tools=(LOOK,)), "tools"),
        (ChatPrompt(HI, thinking=Thinking(enabled=True)), "reasoning_effort"),
        (ChatPrompt(HI, thinking=Thinking(budget=4, param="thinking_budget")), "thinking_budget"),
        (ChatPrompt(HI, thinking=Thinking(enabled=False, budget=0)), None),
    ],
)
def test_without_a_dialect_nothing_is_promised(chat: ChatPrompt, param: str | None) -> None:
    """Neither calls nor thoughts; asking for no thoughts asks for nothing."""
    asked = GenerateRequest(model="m", prompt=chat)
    if param is None:
        open_chat(asked, chat, None)
        return
    with pytest.raises(UnsupportedField) as error:
        open_chat(asked, chat, None)
    assert error.value.param == param


NO_TOOLS, NEVER, ALWAYS = Traits(tools=False), Traits(reasoning="none"), Traits(reasoning="always")


@pytest.mark.parametrize(
    ("chat", "traits", "param"),
    [
        (ChatPrompt(HI, tools=(LOOK,)), NO_TOOLS, "tools"),
        (ChatPrompt(HI, tools=(LOOK,), tool_choice=ToolChoice("none")), NO_TOOLS, None),
        (ChatPrompt(HI, thinking=Thinking(enabled=True, effort="low")), NEVER, "reasoning_effort"),
        (ChatPrompt(HI, thinking=Thinking(budget=1, param="x")), NEVER, "x"),
        (ChatPrompt(HI, thinking=Thinking(effort="low", param="x")), NEVER, "x"),
        (ChatPrompt(HI, thinking=Thinking(enabled=False)), NEVER, None),
        (ChatPrompt(HI, thinking=Thinking(enabled=False)), ALWAYS, "reasoning_effort"),
        (ChatPrompt(HI, thinking=Thinking(enabled=True, effort="xhigh")), ALWAYS, None),
    ],
)
def test_what_the_family_cannot_do_is_refused(chat: ChatPrompt, traits: Traits, param: str | None) -> None:
    """By the field that asks for it."""
    if param is None:
        opened(chat, traits)
        return
    with pytest.raises(UnsupportedField) as error:
        opened(chat, traits)
    assert error.value.param == param
