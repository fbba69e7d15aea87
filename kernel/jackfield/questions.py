"""What a worker can be asked besides computing: its vocabulary, its template, its running sequences.

A question is answered by the intake thread, or by the engine loop between two steps; no model is computed.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from jackfield.chat import ChatPrompt
from jackfield.errors import InvalidRequest
from jackfield.types import TemplatePrompt

SLOT_FILE_MAX: Final = 128
"""Longest name of a slot's file, in characters."""


class Tokenise(msgspec.Struct, frozen=True, kw_only=True, tag="tokenise"):
    """Which tokens is this text?"""

    model: str
    """A model's own name or an alias."""
    text: str
    add_special: bool = False
    """Put the model's BOS in front where it wants one."""
    parse_special: bool = True
    """Read control tokens written in the text as such."""


class Detokenise(msgspec.Struct, frozen=True, kw_only=True, tag="detokenise"):
    """Which text are these tokens?"""

    model: str
    tokens: tuple[int, ...]
    pieces: bool = False
    """Whether that of each is wanted; the answer is ``Tokens`` then."""


class Render(msgspec.Struct, frozen=True, kw_only=True, tag="render"):
    """What prompt does this conversation become, and how long is it?"""

    model: str
    prompt: ChatPrompt | TemplatePrompt
    """The gateway makes the latter of the former."""


class ListSequences(msgspec.Struct, frozen=True, kw_only=True, tag="list-sequences"):
    """What runs and waits?"""

    model: str


class SaveSlot(msgspec.Struct, frozen=True, kw_only=True, tag="save-slot"):
    """Write what a slot has computed to a file, read it back, or forget it."""

    model: str
    slot: int
    action: Literal["save", "restore", "erase"]
    file: str = ""
    """Name in the folder of saved slots; not for ``erase``."""

    def __post_init__(self) -> None:
        if self.action == "erase":
            return
        if not 0 < len(self.file) <= SLOT_FILE_MAX or "/" in self.file or "\0" in self.file or self.file[0] == ".":
            raise InvalidRequest("filename must be a plain file name", param="filename")


Question: TypeAlias = Tokenise | Detokenise | Render | ListSequences | SaveSlot


class Tokens(msgspec.Struct, frozen=True, tag="tokens", array_like=True):
    """The answer to ``Tokenise``."""

    tokens: tuple[int, ...]
    pieces: tuple[bytes, ...]
    """The bytes of each; a control token's are its name."""


class Text(msgspec.Struct, frozen=True, tag="plain-text", array_like=True):
    """The answer to ``Detokenise``."""

    text: bytes
    """May end within a character."""


class Rendered(msgspec.Struct, frozen=True, tag="rendered", array_like=True):
    """The answer to ``Render``."""

    text: str
    tokens: int
    """How many that is, BOS included."""


class SequenceState(msgspec.Struct, frozen=True, kw_only=True):
    """A sequence that runs or waits. It says nothing of what is in it."""

    id: int
    """Rising in order of arrival."""
    slot: int
    """Where it is computed; -1 while it waits."""
    state: str
    """A ``RequestState``."""
    tenant: str
    priority: int
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    max_tokens: int
    age_s: float
    """Seconds since it was prepared."""


class Sequences(msgspec.Struct, frozen=True, tag="sequences", array_like=True):
    """The answer to ``ListSequences``."""

    slots: int
    """How many sequences run at once."""
    sequences: tuple[SequenceState, ...]


class SlotDone(msgspec.Struct, frozen=True, tag="slot-done", array_like=True):
    """The answer to ``SaveSlot``."""

    tokens: int
    """That were saved, restored or erased."""
    size_bytes: int
    took_s: float


Reply: TypeAlias = Tokens | Text | Rendered | Sequences | SlotDone
