"""Prefixes that are computed once and used again: what a backend can do with the keys and values it has.

A ``Runner`` whose ``limits.reuse`` is not ``none`` is a ``ReusableRunner``.
"""

from __future__ import annotations

from typing import Protocol

from jackfield.ports.backend import Runner


class ReusableRunner(Runner, Protocol):
    """A ``Runner`` whose computed prefixes can be kept, copied and saved: one whose ``limits.reuse`` is not ``none``.

    llama.cpp and its like say yes to what they cannot do: an implementation looks at what it holds afterwards. A
    ``BackendFault`` of these methods costs a computation, never a request: the engine computes the prefix anew.
    """

    def copy(self, source: int, target: int, length: int) -> None:
        """Let *target*, which holds nothing, hold the first *length* tokens of *source*.

        Where ``limits.reuse`` is ``checkpoints``, *length* is all that *source* holds.

        Raises:
            KVExhausted: The pool has no room for what cannot be shared.
            BackendFault: The library did not do it, whatever it said; *target* holds nothing.

        Process and thread: worker, engine loop thread. Deadline: 1 ms, or a copy in memory. Failure policy: closed.
        """
        ...

    def cut(self, sequence: int, length: int) -> None:
        """Forget the tokens of *sequence* from position *length* on. Only where ``reuse`` is ``whole`` or ``ranges``.

        Raises:
            BackendFault: The library did not do it, whatever it said; *sequence* holds nothing then.

        Process and thread: worker, engine loop thread. Deadline: 1 ms. Failure policy: closed.
        """
        ...

    def save(self, sequence: int, start: int, end: int) -> memoryview:
        """The state of positions *start* to *end* of *sequence*, in memory of its own.

        *start* is 0 and *end* all that the sequence holds unless ``limits.reuse`` is ``ranges``.

        Raises:
            BackendFault: The sequence does not hold them, or the library failed; the sequence is as before.

        Process and thread: worker, engine loop thread. Deadline: a copy in memory. Failure policy: open.
        """
        ...

    def restore(self, sequence: int, state: memoryview, length: int) -> None:
        """Continue *sequence* with a saved *state*, so that it then holds *length* tokens.

        It must hold as many tokens as there were before the state's first: none unless ``limits.reuse`` is ``ranges``.
        *length* is within the state, and its end where ``reuse`` is ``checkpoints``. The state is one that ``save`` of
        a runner with the same ``limits.state_layout`` gave; what it came through may have damaged it.

        Raises:
            KVExhausted: The pool has no room; the sequence is as before.
            BackendFault: The state does not fit or the library failed; *sequence* holds nothing then.

        Process and thread: worker, engine loop thread. Deadline: a copy in memory. Failure policy: closed.
        """
        ...

    def checkpoint(self, sequence: int) -> memoryview:
        """What ``rewind`` needs to come back to here: the part of the state that cannot be cut back.

        Only where ``limits.reuse`` is ``checkpoints``.

        Process and thread: worker, engine loop thread. Deadline: a copy in memory. Failure policy: open.
        """
        ...

    def rewind(self, sequence: int, checkpoint: memoryview, length: int) -> None:
        """Take *sequence*, a continuation of the one that *checkpoint* was taken of, back to that one's *length*.

        Only where ``limits.reuse`` is ``checkpoints``. A checkpoint does not show in what it leads to, so it knows its
        tokens: where *sequence* does not begin with them it is refused.

        Raises:
            BackendFault: The checkpoint is of other tokens, or the library did not do it, whatever it said; *sequence*
                holds nothing then.

        Process and thread: worker, engine loop thread. Deadline: a copy in memory. Failure policy: closed.
        """
        ...
