"""What every ``ChatDialect`` must pass.

Subclass ``DialectKit`` in a test module, and say which plugin it is about and what its family's calls look like: one of
``weather``, with the city Oslo, and two of them, with Oslo and Rome::

    class TestConformance(DialectKit):
        manifest = 'enabled = ["my-dialect"]'
        needs = {"call": '<call>weather {"city": "Oslo"}</call>',
                 "calls": '<call>weather {"city": "Oslo"}</call><call>weather {"city": "Rome"}</call>'}
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.plugins import Kernel
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, ChatReader, DialectFactory, Opening

_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixtures are stateless, and the kit's subclasses share its tests."""

_KIT_SETTINGS: Final = settings(max_examples=200, deadline=None, suppress_health_check=_ACCEPTED)

WEATHER: Final = Tool(
    name="weather",
    description="The weather of a city",
    parameters='{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},'
    ' "required": ["city"]}',
)
NOW: Final = Tool(name="now", description="The time")

ASKED: Final = ChatPrompt((Message("user", "Rain in Oslo?"),), tools=(WEATHER, NOW))

LONGER: Final = ChatPrompt(
    (
        Message("developer", "Be brief."),
        Message("user", "Rain in Oslo?"),
        Message("assistant", tool_calls=(ToolCall("call_1", "weather", '{"city": "Oslo", "days": 2}'),), reasoning="?"),
        Message("tool", "It rains.", tool_call_id="call_1", name="weather"),
        Message("assistant", 'It "rains".\n'),
        Message("user", "日本 🎹?"),
    ),
    tools=ASKED.tools,
)

CHATS: Final[dict[str, ChatPrompt]] = {
    "plain": ChatPrompt(ASKED.messages),
    "tools": ASKED,
    "a longer conversation": LONGER,
    "no tools now": msgspec.structs.replace(LONGER, tool_choice=ToolChoice("none")),
    "a call is required": msgspec.structs.replace(ASKED, tool_choice=ToolChoice("required")),
    "one tool is named": msgspec.structs.replace(ASKED, tool_choice=ToolChoice("required", ("now",))),
    "one call at most": msgspec.structs.replace(ASKED, parallel_tool_calls=False),
    "one call exactly": msgspec.structs.replace(
        ASKED, parallel_tool_calls=False, tool_choice=ToolChoice("required", ("weather",))
    ),
    "strict": msgspec.structs.replace(ASKED, tools=(msgspec.structs.replace(WEATHER, strict=True), NOW)),
    "thoughts": msgspec.structs.replace(ASKED, thinking=Thinking(enabled=True)),
    "no thoughts": msgspec.structs.replace(ASKED, thinking=Thinking(enabled=False)),
}
"""Conversations of every kind that the port names."""

PLAIN: Final = st.text(st.sampled_from("abc XYZ 019,.!?ä日🎹\n"), max_size=60)
"""Texts in which no family has a mark."""


class DialectNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of the family."""

    call: str
    """An answer that calls ``weather`` with the city Oslo and says nothing else."""
    calls: str = ""
    """An answer that calls it with Oslo and then with Rome; needed where the traits say that it can."""
    template: str = ""
    """File with a chat template of the family; without one the dialect is named for a template of nobody's."""
    prompt_end: str = ""
    """What the prompt ends with, where reading depends on it."""


class Said(NamedTuple):
    """A whole answer as it was read."""

    pieces: tuple[Piece, ...]
    """Neighbours of one kind joined."""
    malformed: bool

    @property
    def content(self) -> str:
        """All content."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, ContentPiece))

    @property
    def names(self) -> list[str]:
        """What was called."""
        return [piece.name for piece in self.pieces if isinstance(piece, CallPiece)]

    @property
    def arguments(self) -> list[str]:
        """Arguments of each call."""
        found: list[str] = []
        for piece in self.pieces:
            if isinstance(piece, CallPiece):
                found.append("")
            elif isinstance(piece, ArgumentsPiece):
                found[-1] += piece.text
        return found


class DialectKit(Kit):
    """The kit. Answers are made of the family's own marks, of what JSON is made of, and of anything else."""

    Needs = DialectNeeds

    @pytest.fixture
    def dialect(self) -> ChatDialect:
        """What the plugin makes for a model that the operator named it for."""
        factory: DialectFactory = self.made(Kernel.dialects)
        file = self.told(DialectNeeds).template
        template = self.path(file).read_text() if file else "{{ messages[0].content }}"
        dialect = factory(ChatFormat(template), named=True)
        assert dialect is not None, "a dialect that is named serves whatever the template is"
        return dialect

    @pytest.fixture
    def family(self) -> DialectNeeds:
        """What the author says."""
        return self.told(DialectNeeds)

    def test_templates_of_strangers_are_not_claimed_with_a_fault(self) -> None:
        """A factory says yes or no to any template; hostile ones are only text."""
        factory: DialectFactory = self.made(Kernel.dialects)
        for template in ("", "{{ messages }}", "{%" * 1000, "\x00" * 100_000, "<" * 100_000):
            factory(ChatFormat(template), named=False)

    @pytest.mark.parametrize("chat", CHATS.values(), ids=list(CHATS))
    @pytest.mark.parametrize("constraint", [None, JsonObject("response_format")], ids=["free", "JSON"])
    def test_what_it_opens_can_be_sent(
        self, dialect: ChatDialect, chat: ChatPrompt, constraint: Constraint | None
    ) -> None:
        """Variables and constraint encode; messages are among them; what cannot be done is refused by its field."""
        opening = _opened(dialect, chat, constraint)
        if isinstance(opening, InvalidRequest):
            assert opening.param, "a refusal names its field"
            return
        variables = msgspec.json.decode(msgspec.json.encode(opening.variables))
        assert variables["messages"]
        assert "add_generation_prompt" not in variables
        if opening.constraint is not None:
            encoded = msgspec.msgpack.encode(opening.constraint)
            assert msgspec.msgpack.decode(encoded, type=type(opening.constraint)) == opening.constraint
        assert all(opening.stop), "an empty text would end every answer"
        assert constraint is None or opening.constraint is not None, "what the client demands is enforced"

    def test_traits_are_true(self, dialect: ChatDialect, family: DialectNeeds) -> None:
        """Thoughts have marks where there are any, required calls are enforced, and several calls are read as such."""
        traits = dialect.traits
        thinking = dialect.open(CHATS["plain"], None).thinking
        assert (thinking is None) == (traits.reasoning == "none")
        assert thinking is None or (thinking.begin and thinking.end)
        assert not (traits.efforts and traits.reasoning == "none")
        if traits.tools:
            assert dialect.open(CHATS["one tool is named"], None).constraint is not None
        if traits.tools and traits.parallel_tool_calls:
            assert family.calls, "say what two calls look like"
            said = _read(dialect, ASKED, [family.calls], family.prompt_end)
            assert said.names == ["weather", "weather"]
            assert [json.loads(text) for text in said.arguments] == [{"city": "Oslo"}, {"city": "Rome"}]
            assert not said.malformed

    def test_a_call_is_a_call(self, dialect: ChatDialect, family: DialectNeeds) -> None:
        """And nothing else: no content, no mark of it."""
        said = _read(dialect, ASKED, [family.call], family.prompt_end)
        assert said.names == ["weather"]
        assert json.loads(said.arguments[0]) == {"city": "Oslo"}
        assert (said.content, said.malformed) == ("", False)

    def test_only_what_may_be_called_is_called(self, dialect: ChatDialect, family: DialectNeeds) -> None:
        """Calls of tools that there are not, or that may not be called now, are no calls."""
        unknown = _read(dialect, ASKED, [family.call.replace("weather", "whether")], family.prompt_end)
        assert unknown.names == []
        assert unknown.malformed, "a call of what is not there is malformed"
        assert "whether" in unknown.content
        only = msgspec.structs.replace(ASKED, tool_choice=ToolChoice("auto", ("now",)))
        assert _read(dialect, only, [family.call], family.prompt_end).names == []
        assert _read(dialect, CHATS["no tools now"], [family.call], family.prompt_end).names == []

    def test_calls_that_do_not_end(self, dialect: ChatDialect, family: DialectNeeds) -> None:
        """Wherever the text ends, it is a call, or malformed, or content; where a limit ended it, never malformed."""
        for count in range(len(family.call)):
            ended = _read(dialect, ASKED, [family.call[:count]], family.prompt_end)
            _check(ended, ASKED, cut=False)
            assert ended.names or ended.malformed or ended.content.strip() == family.call[:count].strip()
            assert not _read(dialect, ASKED, [family.call[:count]], family.prompt_end, cut=True).malformed

    @_KIT_SETTINGS
    @given(text=PLAIN)
    def test_what_is_no_call_is_content(self, dialect: ChatDialect, text: str) -> None:
        """All of it; only white space around it may be dropped."""
        for chat in (CHATS["plain"], ASKED):
            said = _read(dialect, chat, [text], "")
            assert said.content.strip() == text.strip()
            assert not said.malformed
            assert all(isinstance(piece, ContentPiece) for piece in said.pieces)

    @_KIT_SETTINGS
    @given(data=st.data())
    def test_any_cut_reads_the_same(self, dialect: ChatDialect, family: DialectNeeds, data: st.DataObject) -> None:
        """However a text is cut, and whatever it is; what comes out keeps the port's promises."""
        parts = data.draw(st.lists(_parts(dialect, family), max_size=12))
        text = "".join(parts)
        prompt_end = data.draw(st.sampled_from(_prompt_ends(dialect, family)))
        cut = data.draw(st.booleans())
        ends = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=20)))
        chunks = [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]
        whole = _read(dialect, ASKED, [text], prompt_end, cut=cut)
        _check(whole, ASKED, cut=cut)
        assert _read(dialect, ASKED, chunks, prompt_end, cut=cut) == whole
        assert _read(dialect, ASKED, list(text), prompt_end, cut=cut) == whole


def _opened(dialect: ChatDialect, chat: ChatPrompt, constraint: Constraint | None) -> Opening | InvalidRequest:
    try:
        return dialect.open(chat, constraint)
    except InvalidRequest as refusal:
        return refusal


def _parts(dialect: ChatDialect, family: DialectNeeds) -> st.SearchStrategy[str]:
    """What answers are made of."""
    opening = dialect.open(ASKED, None)
    marks = [*opening.shown_tokens, *opening.stop, family.call, family.calls]
    if opening.thinking is not None:
        marks += [opening.thinking.begin, opening.thinking.end]
    signs = [
        "weather",
        "now",
        "city",
        *'{}[]()<>:,="',
        "\\",
        "\\u00",
        "\\ud83c",
        "\\udfb9",
        "1e999",
        "\\n",
        "\n",
        " ",
        "1",
        "null",
        '{"city": "Oslo"}',
    ]
    begun = st.builds(
        lambda text, count: text[:count], st.sampled_from([family.call, family.calls]), st.integers(0, 99)
    )
    return st.one_of(st.sampled_from([*filter(None, marks), *signs]), begun, st.text(max_size=5))


def _prompt_ends(dialect: ChatDialect, family: DialectNeeds) -> list[str]:
    thinking = dialect.open(ASKED, None).thinking
    begun = [] if thinking is None else [f"assistant\n{thinking.begin}\n"]
    return ["", family.prompt_end, *begun]


def _read(dialect: ChatDialect, chat: ChatPrompt, chunks: list[str], prompt_end: str, *, cut: bool = False) -> Said:
    """Read a whole answer."""
    reader = dialect.reader(chat, prompt_end)
    pieces: list[Piece] = []
    for chunk in chunks:
        pieces += reader.feed(chunk)
    pieces += reader.end(cut=cut)
    _check_over(reader)
    for piece in pieces:
        assert isinstance(piece, CallPiece) or piece.text, "a piece without text"
    return Said(tuple(_joined(pieces)), reader.malformed)


def _check_over(reader: ChatReader) -> None:
    assert not reader.holding, "something is held back past the end"


def _joined(pieces: list[Piece]) -> list[Piece]:
    whole: list[Piece] = []
    for kind, group in groupby(pieces, type):
        if kind is CallPiece:
            whole += group
        else:
            whole.append(_one(kind, list(group)))
    return whole


def _one(kind: type[Any], group: list[Any]) -> Piece:
    piece: Piece = kind("".join(piece.text for piece in group))
    return piece


def _check(said: Said, chat: ChatPrompt, *, cut: bool) -> None:
    """What the port promises of any answer."""
    assert set(said.names) <= {tool.name for tool in chat.callable}
    first = next((piece for piece in said.pieces if isinstance(piece, CallPiece | ArgumentsPiece)), None)
    assert not isinstance(first, ArgumentsPiece), "arguments of no call"
    complete = said.arguments[: -1 if cut or said.malformed else None]
    for arguments in complete:
        assert isinstance(msgspec.json.decode(arguments), dict), f"no JSON object: {arguments}"
    msgspec.json.encode(said.pieces)  # half a character alone cannot be sent
    assert all(isinstance(piece, ContentPiece | ReasoningPiece | CallPiece | ArgumentsPiece) for piece in said.pieces)
