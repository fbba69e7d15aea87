"""How near the prefix cache comes to one that knows the future: ``python benchmarks/multi_turn.py``.

Conversations of ``conversations.py`` run, one request after another, through the real engine loop and prefix cache
with ``kv-memory`` below; only the model is simulated. The oracle has the same memory: the tokens of the pool and of the
store together. Then the demo model on a real server has conversations, and what the usage of its answers counts as
cached is held against what was computed before.
"""

from __future__ import annotations

import asyncio
import json
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import structlog
from conversations import Trace, conversations, online_bound
from serving import progress, server

from jackfield.bench.plot import Line, Panel, picture
from jackfield.channel.messages import RequestFailed
from jackfield.client.api import AnswerEnd, AnswerText, ApiClient, ChatRequest, ChatTurn, Usage
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, RunnerLimits, TokenScores
from jackfield.sampling import SamplingParams
from jackfield.testing.script import VOCABULARY, ScriptedTokenizer
from jackfield.types import Finished
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest, Standing
from jackfield.worker.stores import Caching
from jackfield_fcfs.scheduler import FcfsScheduler
from jackfield_kv_memory.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from jackfield.channel.messages import SequenceEvent
    from jackfield.lifecycle import RequestEvent
    from jackfield.ports.backend import Batch, Sampler

CONVERSATIONS: Final = 150
SEED: Final = 1
SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
"""Memory, as part of what a cache with room for everything would hold."""
POOL_SHARE: Final = 0.2
"""Part of the memory that is the pool; the rest is the store."""
TOKEN_BYTES: Final = 12_300
"""Of a state, as of Qwen2-0.5B's at f16."""
STATE_BYTES_MAX: Final = 64 << 20
CONTEXT: Final = 2048
TARGET: Final = 0.95
DEMO: Final = """
[models.bench]
source = "jackfield:demo"
"""
QUESTIONS: Final = (
    "What is the capital of France?",
    "And Germany?",
    "What is 7 plus 5?",
    "Count to five.",
    "Thank you.",
)
CHATS: Final = 24
"""Conversations that the demo model has, turn by turn all in turn."""

INFO: Final = ModelInfo(
    architecture="simulated",
    title="",
    description="",
    parameters=0,
    size_bytes=0,
    context_train=CONTEXT,
    vocabulary=VOCABULARY,
)


class SimulatedRunner:
    """Computes nothing; its answers are those of the trace, told apart by their seeds.

    Parameters:
        limits: What it says it can do.
        answers: By seed.
    """

    def __init__(self, limits: RunnerLimits, answers: Sequence[bytes]) -> None:
        self.info = INFO
        self.limits = limits
        self.tokenizer = ScriptedTokenizer()
        self._answers = answers
        self._state = memoryview(bytes(STATE_BYTES_MAX))

    def decode(self, batch: Batch) -> None:
        """Nothing to compute."""

    def remove(self, sequence: int) -> None:
        """Nothing to forget."""

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """Nothing to move."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Nothing to copy."""

    def cut(self, sequence: int, length: int) -> None:
        """Nothing to cut."""

    def save(self, sequence: int, start: int, end: int) -> memoryview:  # noqa: ARG002  all states look the same
        """As many bytes as a model's state has."""
        return self._state[: (end - start) * TOKEN_BYTES]

    def restore(self, sequence: int, state: memoryview, length: int) -> None:
        """Nothing to restore."""

    def scores(self, row: int, token: int, top: int) -> TokenScores:  # noqa: ARG002  nobody asks
        """Nothing is likely."""
        return TokenScores(0.0, [])

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),  # noqa: ARG002  answers are known
        bias: Mapping[int, float] = MappingProxyType({}),  # noqa: ARG002
        banned: Sequence[int] = (),  # noqa: ARG002
        banned_draws: int | None = None,  # noqa: ARG002
    ) -> Sampler:
        """Says the answer with the number of the seed."""
        return Said(self._answers[params.seed or 0])

    def close(self) -> None:
        """Nothing to give back."""


class Said:
    """A sampler that says *answer*."""

    def __init__(self, answer: bytes) -> None:
        self._left = iter(answer)

    def sample(self, row: int, mask: npt.NDArray[np.uint32] | None = None) -> int:  # noqa: ARG002  no row has logits
        """The next token."""
        return next(self._left)

    def close(self) -> None:
        """Nothing to give back."""


class Asker:
    """Puts the requests of *trace* to an engine, each when the one before is answered, and counts what was cached."""

    def __init__(self, trace: Trace) -> None:
        self.cancelled = False
        self.lives: list[LifeCycle[RequestState, RequestEvent]] = []
        self.cached_tokens = 0
        self._coming = iter(enumerate(trace.requests))

    def next(self, loop: EngineLoop) -> None:
        """Ask *loop* if it rests; stop it when all is answered."""
        if self.lives and not self.lives[0].final:
            return
        number, request = next(self._coming, (-1, None))
        if request is None:
            loop.stop()
            return
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        loop.submit(
            PreparedRequest(
                self,
                list(request.prompt),
                draws=Draws(sampling=SamplingParams(temperature=0, seed=number)),
                ends=Ends(max_tokens=len(request.answer), end_tokens=frozenset()),
                standing=Standing(scope=bytes(32)),
            )
        )

    def post(self, event: SequenceEvent) -> None:
        """Take the end of an answer."""
        if isinstance(event, Finished):
            self.cached_tokens += event.usage.cached_tokens
        elif isinstance(event, RequestFailed):
            raise SystemExit(f"a simulated request failed: {event}")


def simulated(trace: Trace, room: int) -> float:
    """Share of the prompts' tokens that the prefix cache has with room for *room* tokens."""
    pool = max(CONTEXT, round(room * POOL_SHARE))
    limits = RunnerLimits(
        context=CONTEXT,
        max_sequences=8,
        kv_tokens=pool,
        max_batch_tokens=512,
        spare_sequences=16,
        reuse="ranges",
        state_layout="simulated",
    )
    store = MemoryStore(max(1, (room - pool) * TOKEN_BYTES))
    store.open("simulated")
    asker = Asker(trace)
    loop = EngineLoop(
        SimulatedRunner(limits, [request.answer for request in trace.requests]),
        FcfsScheduler(None),
        lambda: None,
        lambda _: asker.next(loop),
        caching=Caching(stores={"kv-memory": store}, sharing="shared"),
    )
    asker.next(loop)
    loop.run()
    return asker.cached_tokens / trace.prompt_tokens


async def chat(url: str) -> tuple[int, int]:
    """Have the conversations; tokens cached, and tokens that had been computed before."""
    turns: list[list[ChatTurn]] = [[] for _ in range(CHATS)]
    before: list[Usage | None] = [None] * CHATS
    cached = known = 0
    async with ApiClient(url) as client:
        for question in QUESTIONS:
            for number in range(CHATS):
                turns[number].append(ChatTurn("user", f"{number}. {question}"))
                text, usage = await answer(client, turns[number])
                turns[number].append(ChatTurn("assistant", text))
                last, before[number] = before[number], usage
                if last is not None:
                    cached += usage.cached_tokens
                    known += last.prompt_tokens + last.completion_tokens - 1  # the last one drawn was never computed
    return cached, known


async def answer(client: ApiClient, turns: list[ChatTurn]) -> tuple[str, Usage]:
    """What the model says to *turns*, and what that took."""
    text, usage = "", None
    async for event in client.chat(ChatRequest(model="bench", messages=tuple(turns), temperature=0, max_tokens=48)):
        if isinstance(event, AnswerText):
            text += event.text
        elif isinstance(event, AnswerEnd):
            usage = event.usage
    if usage is None:
        raise SystemExit("an answer without usage")
    return text, usage


def run() -> dict[str, Any]:
    """Simulated with several sizes of memory, then served."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    trace = Trace(conversations(CONVERSATIONS, SEED))
    sizes = []
    for share in SHARES:
        room = round(trace.distinct * share)
        found = {"oracle": trace.oracle(room), "lru": trace.least_recently_used(room), "cache": simulated(trace, room)}
        bound = online_bound(trace.requests, room)
        sizes.append({"share": share, "room": room, "bound": bound, **found})
        progress("multi-turn, memory {share:.0%}: cache {cache:.3f}, oracle {oracle:.3f}".format(**sizes[-1]))
    with server(DEMO) as process:
        cached, known = asyncio.run(chat(process.target.url))
    progress(f"multi-turn, demo model: {cached} of {known} tokens cached")
    return {
        "requests": len(trace.requests),
        "prompt_tokens": trace.prompt_tokens,
        "distinct_tokens": trace.distinct,
        "sizes": sizes,
        "served": {"cached": cached, "known": known},
    }


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| memory, tokens | of the trace | hit rate | oracle | ratio | wanted | LRU, ratio | online at most |",
        "|---" * 8 + "|",
    ]
    for each in results["sizes"]:
        ratio = each["cache"] / each["oracle"]
        figures = f"{each['cache']:.3f} | {each['oracle']:.3f} | {ratio:.3f}"
        others = f"{each['lru'] / each['oracle']:.3f} | {min(1.0, each['bound'] / each['oracle']):.3f}"
        lines.append(f"| {each['room']:,} | {each['share']:.0%} | {figures} | ≥ {TARGET} | {others} |")
    served = results["served"]
    lines.append(
        f"\nDemo model on a real server, {CHATS} conversations of {len(QUESTIONS)} turns, all in turn: of"
        f" {served['known']:,} tokens that had been computed before {served['cached']:,} were cached"
        f" ({served['cached'] / served['known']:.1%})."
    )
    return "\n".join(lines)


def plots(results: dict[str, Any]) -> dict[str, str]:
    """SVG pictures by file name."""
    titles = ("prefix cache", "oracle")
    lines = [
        Line(title, [(each["room"], each[key] * 100) for each in results["sizes"]])
        for title, key in zip(titles, ("cache", "oracle"), strict=True)
    ]
    panel = Panel("multi-turn conversations", "memory, tokens", "hit rate, % of prompt tokens", lines, dots=True)
    return {"multi-turn.svg": picture([panel], titles)}


if __name__ == "__main__":
    measured = run()
    print(table(measured))
    print(json.dumps(measured))
