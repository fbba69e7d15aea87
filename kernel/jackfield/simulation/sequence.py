"""A request as the simulated engine has it, and the prefixes that requests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.simulation.trace import TracedRequest


class Prefix:
    """Tokens that several requests begin with. What was computed of them once is found again for ever."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.known = 0
        """How many of them have been computed."""
        self.readers: list[SimulatedSequence] = []
        """Running sequences that begin with it."""

    @property
    def held(self) -> int:
        """Cells that its readers hold together."""
        return max((reader.in_prefix for reader in self.readers), default=0)


class SimulatedSequence:
    """A ``SequenceView``, and what is measured of it. Times are seconds on the engine's clock."""

    def __init__(self, number: int, request: TracedRequest, prefix: Prefix | None) -> None:
        self.id = number
        self.request = request
        self.tenant = request.tenant
        self.priority = request.priority
        self.arrived = request.arrival_s
        self.generated = 0
        self.running = False
        self.preemptions = 0
        self.served = 0
        """Tokens computed for the first time, and tokens drawn."""
        self.started_s: float | None = None
        """When it first got a slot."""
        self.first_token_s: float | None = None
        self.ended_s: float | None = None
        self.gaps_s: list[float] = []
        """Between one token of the answer and the next."""
        self._prefix = prefix
        self._computed = 0
        self._most_computed = 0
        self._drawn_s = 0.0

    @property
    def computed(self) -> int:
        """Of a waiting one what it would find."""
        return self._computed if self.running else self._found

    @property
    def pending(self) -> int:
        """Tokens known and not computed."""
        return self.request.prompt_tokens + self.generated - self.computed

    @property
    def cells(self) -> int:
        """What it shares with no other running one."""
        return self.computed - self._shared

    @property
    def in_prefix(self) -> int:
        """How many of its computed tokens are of the prefix."""
        return min(self.computed, self._prefix.tokens) if self._prefix is not None else 0

    @property
    def expects_more(self) -> bool:
        """Whether another sequence is just computing what it would have to compute itself."""
        prefix = self._prefix
        return prefix is not None and prefix.known < prefix.tokens and bool(prefix.readers)

    @property
    def ttft_s(self) -> float:
        """From arrival to the first token; 0 before there is one."""
        return 0.0 if self.first_token_s is None else self.first_token_s - self.arrived

    @property
    def e2e_s(self) -> float:
        """From arrival to the end of the answer; 0 before that."""
        return 0.0 if self.ended_s is None else self.ended_s - self.arrived

    @property
    def ended(self) -> bool:
        """Whether the whole answer is drawn."""
        return self.generated >= self.request.output_tokens

    def start(self, now: float) -> None:
        """It gets a slot, and what is found."""
        found = self._found
        self.running = True
        self._computed = found
        self._most_computed = max(self._most_computed, found)
        if self.started_s is None:
            self.started_s = now
        if self._prefix is not None:
            self._prefix.readers.append(self)

    def stop(self) -> None:
        """It loses its slot; what was computed is lost but for the prefix."""
        self.running = False
        if not self.ended:
            self.preemptions += 1
        if self._prefix is not None:
            self._prefix.readers.remove(self)

    def compute(self, tokens: int, now: float) -> None:
        """*tokens* more are computed by *now*; with the last of them a token is drawn."""
        self._computed += tokens
        self.served += max(0, self._computed - self._most_computed)
        self._most_computed = max(self._most_computed, self._computed)
        if self._prefix is not None:
            self._prefix.known = max(self._prefix.known, self.in_prefix)
        if not self.pending:
            self._draw(now)

    @property
    def _found(self) -> int:
        known = self._prefix.known if self._prefix is not None else 0
        return min(known, self.request.prompt_tokens + self.generated - 1)

    @property
    def _shared(self) -> int:
        if self._prefix is None:
            return 0
        others = max((reader.in_prefix for reader in self._prefix.readers if reader is not self), default=0)
        return min(self.in_prefix, others)

    def _draw(self, now: float) -> None:
        self.generated += 1
        self.served += 1
        if self.first_token_s is None:
            self.first_token_s = now
        else:
            self.gaps_s.append(now - self._drawn_s)
        self._drawn_s = now
        if self.ended:
            self.ended_s = now
