"""What the engine says of its queue: how much waits, and how long one who comes now would."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END
from jackfield.testing.scripted import ScriptedRunner
from jackfield.types import Finished
from jackfield.worker.engine.figures import engine_stats
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.observer import EngineStats

_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=999, vocabulary=257
)
_LIMITS = RunnerLimits(context=128, max_sequences=2, kv_tokens=256, max_batch_tokens=64)
PROMPT = b"<user>[say:some words]\n<assistant>"


class Asker:
    """Waits for one answer."""

    cancelled = False

    def __init__(self) -> None:
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.ended = threading.Event()

    def post(self, event: SequenceEvent) -> None:
        """Notices the end."""
        if isinstance(event, Finished):
            self.ended.set()


def _request(asker: Asker) -> PreparedRequest:
    return PreparedRequest(
        asker,
        list(PROMPT),
        draws=Draws(sampling=SamplingParams(temperature=0, seed=1)),
        ends=Ends(max_tokens=40, end_tokens=frozenset({END})),
    )


def test_the_queue_and_its_wait() -> None:
    """Nothing waits at rest; behind a queue a newcomer waits, once speed is known."""
    loop = EngineLoop(ScriptedRunner(_INFO, _LIMITS), FcfsScheduler(None), lambda: None, lambda _: None)
    thread = threading.Thread(target=loop.run)
    thread.start()
    found: list[EngineStats] = []

    def look() -> None:
        found.append(engine_stats(loop.clock, loop.table, loop.cache, _LIMITS))

    first = Asker()
    loop.submit(_request(first))
    assert first.ended.wait(20)
    askers = [Asker() for _ in range(6)]

    def arrive(_: object) -> None:
        look()
        for asker in askers[:3]:
            loop.submit(_request(asker))
        loop.cache_report(queued)

    def queued(_: object) -> None:
        look()
        for asker in askers[3:]:
            loop.submit(_request(asker))
        loop.cache_report(lambda _: look())

    loop.cache_report(arrive)
    assert all(asker.ended.wait(20) for asker in askers)
    loop.stop()
    thread.join(20)
    empty, some, many = found
    assert (empty.waiting_tokens, empty.wait_s) == (0, 0.0)
    assert 0 < some.waiting_tokens < many.waiting_tokens
    # how fast prompts are was measured anew in between
    assert some.wait_s > 0
    assert many.wait_s > 0
