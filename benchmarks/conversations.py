"""Conversations made up from a seed, and how many of their tokens a cache that knows the future would have.

Belady's rule, token by token: what is wanted again last makes way. All tokens take the same room and cost the same, so
it is optimal (Belady: A study of replacement algorithms for a virtual-storage computer, 1966); and since all that begin
a prefix are wanted whenever its end is, what it keeps are whole beginnings.
"""

from __future__ import annotations

import heapq
import math
import random
import string
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SYSTEM_PROMPTS: Final = 6
SYSTEM_TOKENS: Final = (60, 300)
USER_TOKENS: Final = (10, 80)
ANSWER_TOKENS: Final = (10, 60)
TURNS_MEAN: Final = 6
TURNS_MAX: Final = 16
ARRIVAL_S: Final = 8.0
"""Mean time between the beginnings of two conversations."""
THINK_S: Final = 30.0
"""Mean time between a question and the next."""
LETTERS: Final = string.ascii_lowercase.encode()
"""A token is a letter; dozens of them, at random, are the same twice as good as never."""
NEVER: Final = 1 << 60


class Request(NamedTuple):
    """One turn."""

    prompt: bytes
    answer: bytes
    at: float = 0.0
    """When it comes, in seconds."""
    conversation: int = 0
    turn: int = 0
    system: int = 0
    """Which system prompt it begins with, the most popular being 0."""
    system_tokens: int = 0


def conversations(count: int, seed: int) -> list[Request]:
    """The requests of *count* conversations, in the order they come."""
    generator = random.Random(seed)
    systems = [_some(generator, SYSTEM_TOKENS) for _ in range(SYSTEM_PROMPTS)]
    popularity = _popularity()
    requests: list[Request] = []
    began = 0.0
    for number in range(count):
        began += generator.expovariate(1 / ARRIVAL_S)
        [system] = generator.choices(range(SYSTEM_PROMPTS), popularity)
        history, now = systems[system], began
        for turn in range(min(TURNS_MAX, 1 + int(generator.expovariate(1 / TURNS_MEAN)))):
            prompt, answer = history + _some(generator, USER_TOKENS), _some(generator, ANSWER_TOKENS)
            requests.append(Request(prompt, answer, now, number, turn, system, len(systems[system])))
            history = prompt + answer
            now += generator.expovariate(1 / THINK_S)
    return sorted(requests, key=lambda request: request.at)


def online_bound(requests: Sequence[Request], room: int) -> float:
    """Share of the prompts' tokens that no cache can be expected to surpass that does not know the future.

    It knows the distributions that the requests were drawn from, and at any time has those *room* of all tokens so far
    that are the likeliest to be wanted in the next instant: the hazard rate bound (Panigrahy, Nain, Neglia, Towsley: A
    new upper bound on cache hit probability for non-anticipative caching policies, 2020).
    """
    last: dict[int, Request] = {}  # by conversation
    hits = 0
    for request in requests:
        left, held = room, 0
        for (system, conversation), (_, tokens) in _likeliest(last.values(), request.at):
            kept = min(left, tokens)
            left -= kept
            wanted = conversation is None or conversation == request.conversation
            held += kept if wanted and system == request.system else 0
        hits += min(held, _usable(request))
        last[request.conversation] = request
    return hits / sum(len(request.prompt) for request in requests)


_Part: TypeAlias = tuple[int, int | None]
"""What all have that begin with a system prompt, or one conversation has besides."""


def _likeliest(last: Iterable[Request], now: float) -> list[tuple[_Part, tuple[float, int]]]:
    """All parts, those likeliest wanted *now* first: for each the rate, and its tokens."""
    arriving = [each / sum(_popularity()) / ARRIVAL_S for each in _popularity()]
    parts: dict[_Part, tuple[float, int]] = {}
    for request in last:
        rate = _going_on(request, now)
        shared, _ = parts.get((request.system, None), (arriving[request.system], 0))
        parts[request.system, None] = shared + rate, request.system_tokens
        tokens = len(request.prompt) + len(request.answer) - request.system_tokens
        parts[request.system, request.conversation] = rate, tokens
    return sorted(parts.items(), key=lambda part: -part[1][0])


def _going_on(last: Request, now: float) -> float:
    """The rate at which a conversation goes on whose *last* turn is known: by then it is more and more likely over."""
    if last.turn + 1 == TURNS_MAX:
        return 0.0
    more = math.exp(-1 / TURNS_MEAN)
    thinking = more * math.exp(-(now - last.at) / THINK_S)
    return thinking / (thinking + 1 - more) / THINK_S


def _popularity() -> list[float]:
    return [1 / rank for rank in range(1, SYSTEM_PROMPTS + 1)]  # Zipf's law


def _some(generator: random.Random, lengths: tuple[int, int]) -> bytes:
    return bytes(generator.choices(LETTERS, k=generator.randint(*lengths)))


class Trace:
    """Requests as paths through the tree of all prefixes; its nodes, one a token, are what a cache may have.

    Parameters:
        requests: In the order they come.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        numbers: dict[tuple[int, int], int] = {}
        self.requests = requests
        self._paths: list[list[int]] = []
        for request in requests:
            node, path = -1, []
            for token in request.prompt + request.answer:
                node = numbers.setdefault((node, token), len(numbers))
                path.append(node)
            self._paths.append(path)
        self.distinct = len(numbers)
        """Tokens that a cache with room for everything would hold in the end."""
        self.prompt_tokens = sum(len(request.prompt) for request in requests)

    def oracle(self, room: int) -> float:
        """Share of the prompts' tokens that a clairvoyant cache has, with room for *room* tokens."""
        held: dict[int, int] = {}  # node: which request wants it next
        leaving: list[tuple[int, int, int]] = []  # of the held, the one wanted last first; of equals the deepest
        hits = 0
        for request, path, wanted in zip(self.requests, self._paths, self._next_wanted(), strict=True):
            hits += sum(node in held for node in path[: _usable(request)])
            for depth, (node, turn) in enumerate(zip(path, wanted, strict=True)):
                held[node] = turn
                heapq.heappush(leaving, (-turn, -depth, node))
            while leaving and (len(held) > room or -leaving[0][0] == NEVER):
                turn, _, node = heapq.heappop(leaving)
                if held.get(node) == -turn:
                    del held[node]
        return hits / self.prompt_tokens

    def least_recently_used(self, room: int) -> float:
        """The same share where what was used last longest ago makes way, of a path its end first."""
        held: dict[int, None] = {}
        hits = 0
        for request, path in zip(self.requests, self._paths, strict=True):
            hits += sum(node in held for node in path[: _usable(request)])
            for node in reversed(path):
                held.pop(node, None)
                held[node] = None
            while len(held) > room:
                del held[next(iter(held))]
        return hits / self.prompt_tokens

    def _next_wanted(self) -> Iterator[list[int]]:
        """For each request, and each token of its path, the number of the request that wants it next."""
        later: dict[int, int] = {}
        found: list[list[int]] = []
        for number in range(len(self._paths) - 1, -1, -1):
            path = self._paths[number]
            found.append([later.get(node, NEVER) for node in path])
            later.update(dict.fromkeys(path[: _usable(self.requests[number])], number))
        return reversed(found)


def _usable(request: Request) -> int:
    """How many tokens of a prompt may come from a cache: the last one is computed, since its logits are needed."""
    return len(request.prompt) - 1
