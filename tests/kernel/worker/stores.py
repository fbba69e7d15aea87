"""KV stores for tests: in memory, and as bad as asked; and engine loops that use them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.kv_store import StoreUsage
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END
from jackfield.testing.scripted import ScriptedRunner
from jackfield.types import Finished, TextDelta
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest, Standing
from jackfield.worker.stores import Caching
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.kv_store import KVStore, StateKey

SCOPE = bytes(32)
PROMPT = "<user>A question that is long enough to be kept, and to be looked for [say:fine]\n<assistant>"

_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=999, vocabulary=257
)
_LIMITS = RunnerLimits(
    context=256, max_sequences=2, kv_tokens=512, max_batch_tokens=128, spare_sequences=2, reuse="ranges"
)


class DictStore:
    """Keeps states in a dictionary.

    Parameters:
        blocking: Whether it says that it may take long.
        generator: Decides whether a call fails; None never does.
        faults: How often.
        limit: Most entries; the oldest makes way.
    """

    def __init__(
        self,
        *,
        blocking: bool = False,
        generator: random.Random | None = None,
        faults: float = 0.0,
        limit: int = 1_000_000,
    ) -> None:
        self.blocking = blocking
        self.entries: dict[StateKey, bytes] = {}
        self.closed = False
        self.layout = ""
        self._generator = generator
        self._faults = faults
        self._limit = limit

    def open(self, layout: str) -> list[StateKey]:
        """What an earlier test left."""
        self.layout = layout
        self.closed = False
        return list(self.entries)

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Copies."""
        if self._fails("put"):
            return False
        self.entries.pop(key, None)
        self.entries[key] = bytes(state)
        while len(self.entries) > self._limit:
            del self.entries[next(iter(self.entries))]
        return True

    def get(self, key: StateKey) -> memoryview | None:
        """Copies."""
        if self._fails("get"):
            return None
        found = self.entries.get(key)
        return None if found is None else memoryview(bytearray(found))

    def drop(self, key: StateKey) -> None:
        """Forgets one."""
        self.entries.pop(key, None)

    def clear(self) -> None:
        """Forgets all."""
        self.entries.clear()

    def refresh(self) -> list[StateKey]:
        """Nothing comes by itself."""
        return []

    def usage(self) -> StoreUsage:
        """By the bytes of the entries."""
        used = sum(map(len, self.entries.values()))
        return StoreUsage(entries=len(self.entries), used_bytes=used, limit_bytes=1 << 30)

    def close(self) -> None:
        """Keeps its entries, for another life."""
        assert not self.closed
        self.closed = True

    def _fails(self, method: str) -> bool:
        """Whether it has lost what it is asked about; half of its failures are exceptions."""
        if self._generator is None or self._generator.random() >= self._faults:
            return False
        if self._generator.random() < 0.5:
            raise OSError(method)
        return True


class Asker:
    """Waits for one answer."""

    cancelled = False

    def __init__(self) -> None:
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.text = ""
        self.cached = -1
        self.ended = threading.Event()

    def post(self, event: SequenceEvent) -> None:
        """Text, then the end."""
        if isinstance(event, TextDelta):
            self.text += event.text
        elif isinstance(event, Finished):
            self.cached = event.usage.cached_tokens
            self.ended.set()


def loop_with(store: KVStore, kept: Sequence[tuple[int, StateKey]] = ()) -> EngineLoop:
    """The loop of a scripted model, with one store."""
    return EngineLoop(
        ScriptedRunner(_INFO, _LIMITS),
        FcfsScheduler(None),
        lambda: None,
        lambda _: None,
        caching=Caching({"store": store}, kept, "shared"),
    )


def ask(loop: EngineLoop, prompt: str = PROMPT) -> Asker:
    """Have *prompt* answered."""
    asker = Asker()
    loop.submit(
        PreparedRequest(
            asker,
            list(prompt.encode()),
            draws=Draws(sampling=SamplingParams(temperature=0, seed=1)),
            ends=Ends(max_tokens=20, end_tokens=frozenset({END})),
            standing=Standing(scope=SCOPE),
        )
    )
    return asker
