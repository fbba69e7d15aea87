"""The keys and values that the scripted backend pretends to have, and what may be done with them.

They are the tokens themselves, so that nothing can be restored, copied or rewound to where it does not belong without
being noticed. Each kind of ``Reuse`` is held to its own rules: what a runner of that kind cannot do is refused, and
``misuses`` remembers it, since an engine answers a refusal by computing anew.
"""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import BackendFault, KVExhausted

if TYPE_CHECKING:
    from collections.abc import Container
    from typing import NoReturn

    from jackfield.ports.backend import RunnerLimits


class SavedTokens(msgspec.Struct, frozen=True, array_like=True):
    """What ``save`` and ``checkpoint`` give, with a checksum before it."""

    what: str
    """``state`` or ``checkpoint``."""
    layout: str
    start: int
    tokens: list[int]
    """From position 0 on, so that it is known what the state belongs to."""


class ScriptedCells:
    """Tokens of sequences in a pool of cells; see ``jackfield.ports.reuse.ReusableRunner``.

    Parameters:
        limits: What the runner says it can do.
        fails: Names of methods that fail whenever they are called: ``restore``, …
    """

    def __init__(self, limits: RunnerLimits, fails: Container[str] = ()) -> None:
        self.limits = limits
        self.cells: dict[int, list[int]] = {}
        """Tokens of each sequence."""
        self.misuses: list[str] = []
        """What was asked for that a runner with these limits never does."""
        self._fails = fails
        self._places: dict[int, list[int]] = {}
        self._users: Counter[int] = Counter()
        self._numbers = count()

    @property
    def cells_used(self) -> int:
        """Cells that some sequence holds; a cell that several share counts once."""
        return len(self._users)

    def append(self, sequence: int, token: int) -> None:
        """One more token, in a cell of its own."""
        self.cells.setdefault(sequence, []).append(token)
        self._hold(sequence, [next(self._numbers)])

    def drop(self, sequence: int, start: int, end: int) -> None:
        """Forget the tokens *start* to *end* of *sequence*."""
        if sequence not in self.cells:
            return
        del self.cells[sequence][start:end]
        places = self._places[sequence]
        for place in places[start:end]:
            self._users[place] -= 1
            if not self._users[place]:
                del self._users[place]
        del places[start:end]
        if not places:
            del self.cells[sequence], self._places[sequence]

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``. Only ``ranges`` shares cells."""
        held = self.cells.get(source, [])
        self._require_sequences("copy", source, target)
        if self.cells.get(target) or not 0 < length <= len(held):
            self._misused(f"copy of {length} tokens of {len(held)} to a sequence of {len(self.cells.get(target, []))}")
        if self.limits.reuse == "checkpoints" and length != len(held):
            self._misused("copy of a part")
        self._maybe_fail("copy")
        shared = self.limits.reuse == "ranges"
        places = self._places[source][:length] if shared else self._new_places(length)
        self.cells[target] = held[:length]
        self._hold(target, places)

    def cut(self, sequence: int, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        self._require_sequences("cut", sequence)
        held = len(self.cells.get(sequence, []))
        if self.limits.reuse not in {"whole", "ranges"} or not 0 <= length <= held:
            self._misused(f"cut of a sequence of {held} to {length}", sequence)
        self._maybe_fail("cut", sequence)
        self.drop(sequence, length, held)

    def save(self, sequence: int, start: int, end: int) -> memoryview:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        self._require_sequences("save", sequence)
        tokens = self.cells.get(sequence, [])
        if not 0 <= start < end <= len(tokens):
            self._misused(f"save of {start} to {end} of {len(tokens)} tokens")
        if self.limits.reuse != "ranges" and (start, end) != (0, len(tokens)):
            self._misused("save of a part")
        self._maybe_fail("save")
        return self._packed("state", start, tokens[:end])

    def restore(self, sequence: int, state: memoryview, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        self._require_sequences("restore", sequence)
        saved = self._unpacked("state", state, sequence)
        tokens = self.cells.get(sequence, [])
        if tokens != saved.tokens[: saved.start]:
            self._misused("restore behind tokens that are not those before the state", sequence)
        if not saved.start < length <= len(saved.tokens):
            self._misused(f"restore of a state of {saved.start} to {len(saved.tokens)} up to {length}", sequence)
        if self.limits.reuse == "checkpoints" and length != len(saved.tokens):
            self._misused("restore of a part", sequence)
        places = self._new_places(length - saved.start)
        self._maybe_fail("restore", sequence)
        self.cells.setdefault(sequence, []).extend(saved.tokens[saved.start : length])
        self._hold(sequence, places)

    def checkpoint(self, sequence: int) -> memoryview:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        self._require_sequences("checkpoint", sequence)
        if self.limits.reuse != "checkpoints" or sequence not in self.cells:
            self._misused("checkpoint")
        self._maybe_fail("checkpoint")
        return self._packed("checkpoint", 0, self.cells[sequence])

    def rewind(self, sequence: int, checkpoint: memoryview, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        self._require_sequences("rewind", sequence)
        if self.limits.reuse != "checkpoints":
            self._misused("rewind", sequence)
        saved = self._unpacked("checkpoint", checkpoint, sequence)
        tokens = self.cells.get(sequence, [])
        if length != len(saved.tokens) or tokens[:length] != saved.tokens:
            self._misused("rewind of what is no continuation", sequence)
        self._maybe_fail("rewind", sequence)
        self.drop(sequence, length, len(tokens))

    def _hold(self, sequence: int, places: list[int]) -> None:
        self._places.setdefault(sequence, []).extend(places)
        self._users.update(places)

    def _new_places(self, number: int) -> list[int]:
        if self.cells_used + number > self.limits.kv_tokens:
            raise KVExhausted("the scripted pool is full")
        return [next(self._numbers) for _ in range(number)]

    def _packed(self, what: str, start: int, tokens: list[int]) -> memoryview:
        body = msgspec.msgpack.encode(SavedTokens(what, self.limits.state_layout, start, list(tokens)))
        return memoryview(zlib.crc32(body).to_bytes(4, "little") + body)

    def _unpacked(self, what: str, state: memoryview, sequence: int) -> SavedTokens:
        checksum, body = bytes(state[:4]), bytes(state[4:])
        if zlib.crc32(body).to_bytes(4, "little") == checksum:
            saved = msgspec.msgpack.decode(body, type=SavedTokens)
            if (saved.what, saved.layout) == (what, self.limits.state_layout):
                return saved
        self._lose(sequence)
        raise BackendFault(f"this is no {what} of the scripted backend, or a damaged one")

    def _require_sequences(self, what: str, *sequences: int) -> None:
        known = range(self.limits.max_sequences + self.limits.spare_sequences)
        if self.limits.reuse == "none" or not all(sequence in known for sequence in sequences):
            self._misused(f"{what} of sequences {sequences}")

    def _misused(self, how: str, sequence: int | None = None) -> NoReturn:
        self.misuses.append(how)
        self._lose(sequence)
        raise BackendFault(f"the scripted backend cannot do this: {how}")

    def _maybe_fail(self, method: str, sequence: int | None = None) -> None:
        if method in self._fails:
            self._lose(sequence)
            raise BackendFault(f"the scripted backend was told to fail at {method}")

    def _lose(self, sequence: int | None) -> None:
        if sequence is not None:
            self.drop(sequence, 0, len(self.cells.get(sequence, [])))
