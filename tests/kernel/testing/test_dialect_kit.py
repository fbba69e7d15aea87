"""The dialect kit itself: it passes correct dialects and catches each kind of wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jackfield.chat import ChatFormat
from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.shaping import template_variables
from jackfield.plugins import Kernel
from jackfield.ports.constraint import Choice
from jackfield.ports.dialect import CallPiece, ContentPiece, Opening, ThinkingMarks, Traits
from jackfield.testing.kits.dialect import ASKED, CHATS, DialectKit, DialectNeeds
from jackfield.testing.kits.kit import kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.chat import ChatPrompt
    from jackfield.parsing.reading import Reading
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, ChatReader, Piece

KIT: Final = DialectKit()
_CALL: Final = '<call>{"name": "weather", "arguments": {"city": "Oslo"}}'
FAMILY: Final = DialectNeeds(call=_CALL, calls=_CALL + _CALL.replace("Oslo", "Rome"))


class Reader(JsonCallReader):
    """``<call>{…}``."""

    def answer(self) -> Reading[None]:
        """Content and calls."""
        while (yield from self.content("<call>")) is not None:
            yield from self.call_object()


class Dialect:
    """As simple as one can be."""

    traits = Traits()

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """A call is held to something where one must be."""
        required = Choice((_CALL,)) if chat.tool_choice.mode == "required" else None
        return Opening(variables=template_variables(chat), constraint=required or constraint)

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """One for each answer."""
        return Reader(prompt_end, {tool.name for tool in chat.callable})


class Impatient:
    """A reader that looks at each part by itself."""

    holding = False
    reasoning = False
    malformed = False

    def feed(self, text: str) -> Sequence[Piece]:
        """A mark that is cut is missed."""
        return [CallPiece("weather")] if "<call>" in text else [ContentPiece(text)]

    def end(self, *, cut: bool) -> Sequence[Piece]:
        """Nothing was held back."""
        return ()


class Chatty(Impatient):
    """A reader whose last piece has no text."""

    def end(self, *, cut: bool) -> Sequence[Piece]:
        """Nothing, as a piece."""
        return [ContentPiece("")]


class Fragile(Impatient):
    """A reader that raises."""

    def feed(self, text: str) -> Sequence[Piece]:
        """Only what is ASCII."""
        return [ContentPiece(text.encode("ascii").decode())]


class Deaf(Impatient):
    """A reader that knows no calls."""

    def feed(self, text: str) -> Sequence[Piece]:
        """All is content."""
        return [ContentPiece(text)] if text else []


def with_reader(kind: Callable[[], ChatReader]) -> ChatDialect:
    """A dialect whose readers are of another *kind*."""

    class Other(Dialect):
        def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
            return kind()

    return Other()


def with_traits(traits: Traits) -> ChatDialect:
    """A dialect that says other things of itself."""
    dialect = Dialect()
    dialect.traits = traits
    return dialect


class Permissive(Dialect):
    """Forgets constraints."""

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """Nothing is enforced."""
        return Opening(variables=template_variables(chat))


class Thinking(Dialect):
    """Thinks, and does not say so."""

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """With marks of thoughts."""
        return Opening(variables=template_variables(chat), thinking=ThinkingMarks("<think>", "</think>"))


class Unsendable(Dialect):
    """Hands over what is no JSON."""

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """An object."""
        return Opening(variables={"messages": object()})


class Anything(Dialect):
    """Takes any name for a tool's."""

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """All names are known."""
        return Reader(prompt_end, {"weather", "whether"})


def any_cut(dialect: ChatDialect) -> None:
    """The kit's own property, on a sample of what it draws."""

    @settings(max_examples=100, deadline=None, database=None, phases=[Phase.generate])
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        KIT.test_any_cut_reads_the_same.hypothesis.inner_test(KIT, dialect, FAMILY, data)  # type: ignore[attr-defined]

    run()


def plain(dialect: ChatDialect) -> None:
    """Text that is no call."""
    KIT.test_what_is_no_call_is_content.hypothesis.inner_test(KIT, dialect, "Zürich 🎹")  # type: ignore[attr-defined]


def opens(dialect: ChatDialect) -> None:
    """A conversation whose answer must be one of two words."""
    KIT.test_what_it_opens_can_be_sent(dialect, ASKED, Choice(("yes", "no")))


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        pytest.param(with_reader(Impatient), any_cut, id="cuts"),
        pytest.param(with_reader(Chatty), plain, id="empty pieces"),
        pytest.param(with_reader(Fragile), plain, id="raises"),
        pytest.param(with_reader(Deaf), lambda each: KIT.test_a_call_is_a_call(each, FAMILY), id="calls"),
        pytest.param(with_reader(Impatient), lambda each: KIT.test_calls_that_do_not_end(each, FAMILY), id="no end"),
        pytest.param(Permissive(), opens, id="constraints"),
        pytest.param(Permissive(), lambda each: KIT.test_traits_are_true(each, FAMILY), id="required"),
        pytest.param(Thinking(), lambda each: KIT.test_traits_are_true(each, FAMILY), id="thoughts"),
        pytest.param(
            with_traits(Traits(reasoning="always")), lambda each: KIT.test_traits_are_true(each, FAMILY), id="traits"
        ),
        pytest.param(Unsendable(), opens, id="variables"),
        pytest.param(Anything(), lambda each: KIT.test_only_what_may_be_called_is_called(each, FAMILY), id="names"),
    ],
)
def test_it_catches(wrong: ChatDialect, check: Callable[[ChatDialect], None]) -> None:
    """Each wrong dialect, where the right one passes."""
    check(Dialect())
    with pytest.raises((AssertionError, UnicodeEncodeError, TypeError)):
        check(wrong)


def test_its_conversations_are_of_every_kind() -> None:
    """Each choice of tools, and thoughts on and off."""
    assert {chat.tool_choice.mode for chat in CHATS.values()} == {"none", "auto", "required"}
    assert {chat.thinking.enabled for chat in CHATS.values()} == {None, True, False}


def test_what_jackfield_dialects_hands_over() -> None:
    """``jackfield_dialects``: by name, in the order of the manifest; what is not enabled is not there."""
    factories = Kernel.dialects(kernel_of('enabled = ["hermes"]'))
    assert list(factories) == ["hermes"]
    assert factories["hermes"](ChatFormat("{{ messages }}"), named=True) is not None
