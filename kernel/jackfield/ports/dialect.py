"""Chat dialects: how a family of models is told of tools, and how its text says what it thinks and calls.

``jackfield_dialects`` hands over factories of ``ChatDialect``. For each model the gateway asks them, in the order of
the manifest, whether its chat template is theirs; the first that says yes serves it (``[models.NAME] dialect`` names
one instead). A dialect *opens* a conversation: template variables, and what the answer must look like. Its *reader*
then takes the answer's text, however it is cut, and gives content, thoughts and calls.

Building blocks for readers and grammars are in ``jackfield.parsing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from jackfield.chat import JsonValue
from jackfield.ports.constraint import Constraint

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect can, for capability records."""

    tools: bool = True
    parallel_tool_calls: bool = True
    """Whether one answer can have several calls."""
    reasoning: Literal["none", "optional", "always"] = "none"
    """Whether the model thinks before it answers, and whether that can be switched."""
    efforts: tuple[str, ...] = ()
    """Values of ``reasoning_effort`` that the template understands; without any only on and off can be chosen."""


class ThinkingMarks(msgspec.Struct, frozen=True):
    """How thoughts stand in the text.

    The engine needs them to end thoughts, and to hold the constraint of the answer off until they are over.
    """

    begin: str
    """``<think>``. Thoughts have begun where the rendered prompt ends with it (white space apart), or the answer
    begins with it."""
    end: str
    """``</think>``."""
    after: str = "\n\n"
    """What a model writes between ``end`` and the answer. Where thoughts are ended, or the answer has a constraint, the
    engine writes it."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to the worker."""

    variables: Mapping[str, JsonValue]
    """For the model's template: ``messages``, ``tools``, and whatever else it reads. ``add_generation_prompt`` is the
    engine's."""
    constraint: Constraint | None = None
    """What the answer after its thoughts must look like, calls included; None leaves it free."""
    thinking: ThinkingMarks | None = None
    """None where the model does not think."""
    shown_tokens: tuple[str, ...] = ()
    """Control tokens that the reader needs to see as text, by name: ``<|channel|>``. Those that the model does not
    have are no error."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer, besides those of the request. They are not shown."""


class ContentPiece(msgspec.Struct, frozen=True, gc=False):
    """Text for the user."""

    text: str


class ReasoningPiece(msgspec.Struct, frozen=True, gc=False):
    """Text that the model thought."""

    text: str


class CallPiece(msgspec.Struct, frozen=True, gc=False):
    """A call begins; ``ArgumentsPiece``s follow."""

    name: str
    """Of a tool that may be called."""
    id: str = ""
    """The model's own id of it; empty where it gave none, and the gateway makes one."""


class ArgumentsPiece(msgspec.Struct, frozen=True, gc=False):
    """The next part of the arguments of the call that was begun last: JSON text."""

    text: str


Piece: TypeAlias = ContentPiece | ReasoningPiece | CallPiece | ArgumentsPiece
"""What a reader gives. Texts are never empty."""


class ChatReader(Protocol):
    """Reads one answer. Event loop thread of the gateway.

    However a text is cut, the pieces are the same once neighbours of one kind are joined.
    """

    def feed(self, text: str) -> Sequence[Piece]:
        """Take in what comes next; give what is certain now.

        Whatever is no call after all is content; so is what is left of a call that turns out to be malformed.
        Must not raise.

        Process and thread: gateway, event loop thread. Deadline: 20 µs for a token's text. Failure policy: closed; the
        request fails.
        """
        ...

    def end(self, *, cut: bool) -> Sequence[Piece]:
        """The text is over: give what was held back. Must not raise.

        Parameters:
            cut: Whether a limit ended it: a call that is not complete is then given up, and is not malformed.

        Process and thread: gateway, event loop thread. Deadline: 100 µs. Failure policy: closed; the request fails.
        """
        ...

    @property
    def holding(self) -> bool:
        """Whether text is held back, because what it is depends on what comes next."""
        ...

    @property
    def reasoning(self) -> bool:
        """Whether what came last was a thought, or a mark of one: its tokens are counted as ``reasoning_tokens``."""
        ...

    @property
    def malformed(self) -> bool:
        """Whether a call was begun that could not be read to its end. An answer that was cut off is none."""
        ...


class ChatDialect(Protocol):
    """One family's way. Event loop thread of the gateway."""

    @property
    def traits(self) -> Traits:
        """What it can with this model."""
        ...

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """Say how *chat* goes to the worker.

        ``tool_choice`` required, named tools, ``strict`` schemas and ``parallel_tool_calls`` false are enforced by the
        constraint, where the text alone could break them.

        Parameters:
            chat: The conversation, checked.
            constraint: What the client demands of the content; None demands nothing. Together with tools that may be
                called, the answer is either.

        Raises:
            InvalidRequest: The family cannot do what is asked; ``param`` is the field's.

        Process and thread: gateway, event loop thread. Deadline: 1 ms for ten tools. Failure policy: closed; the
        request fails.
        """
        ...

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """A reader of one answer to *chat*.

        Parameters:
            chat: As it was opened.
            prompt_end: The end of the rendered prompt, at least 256 characters where it has so many: what the template
                has already begun, such as ``<think>``, or the message that is continued.

        Process and thread: gateway, event loop thread. Deadline: 100 µs. Failure policy: closed; the request fails.
        """
        ...


class DialectFactory(Protocol):
    """What ``jackfield_dialects`` hands over."""

    def __call__(self, chat_format: ChatFormat, *, named: bool) -> ChatDialect | None:
        """The dialect for a model that takes conversations so; None where its template is not of this family.

        Parameters:
            chat_format: Of the model; hostile.
            named: Whether the operator named this dialect for the model: it then serves whatever the template is.

        Process and thread: gateway, event loop thread, whenever a model was loaded. Deadline: 50 ms. Failure policy:
        open; it is logged by name, and the next one is asked.
        """
        ...
