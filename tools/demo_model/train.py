"""Train the demo model on the CPU: about half an hour on two free cores."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from corpus import DEFAULT_SEED, conversation, document
from messages import SPECIAL_TOKENS, render
from network import Network, Shape

BATCH_TOKENS = 8192
POOL = 1500
LONGEST = 512
DOCUMENT_SHARE = 0.06
ADAM_RATE = 4e-3
MUON_RATE = 0.02
MOMENTUM = 0.95
MATRIX_DECAY = 0.001
WARM_UP_STEPS = 30
FLAT_SHARE = 0.3
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)

Example = tuple[list[int], list[int]]


class Examples:
    """Turns corpus text into token ids and marks what the model has to learn.

    Parameters: the tokenizer and the seed of the corpus.
    """

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self._tokenizer = tokenizer
        self._rng = random.Random(seed)
        self.padding, self._start, self._stop = self._encode("".join(SPECIAL_TOKENS))
        self._role = self._encode("assistant\n")

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text).ids
        return tokens

    def _mark(self, tokens: list[int]) -> list[int]:
        """Mark the tokens of the assistant's messages, their end token included."""
        marks, opening, inside = [0] * len(tokens), [self._start, *self._role], False
        for index in range(len(opening), len(tokens)):
            inside = inside or tokens[index - len(opening) : index] == opening
            marks[index] = int(inside)
            inside = inside and tokens[index] != self._stop
        return marks

    def draw(self) -> Example:
        """Make one example. Returns token ids and, per token, whether it is learnt."""
        if self._rng.random() < DOCUMENT_SHARE:
            tokens = [*self._encode(document(self._rng)), self.padding]
            return tokens, [1] * len(tokens)
        tokens = self._encode(render(*conversation(self._rng)))
        return tokens, self._mark(tokens)

    def _pool(self) -> list[Example]:
        pool: list[Example] = []
        while len(pool) < POOL:
            example = self.draw()
            if len(example[0]) <= LONGEST:
                pool.append(example)
        return sorted(pool, key=lambda example: len(example[0]) + self._rng.random() * 8)

    def batches(self) -> Iterator[list[Example]]:
        """Make batches without end. Yields examples of like length, at most `BATCH_TOKENS` with padding."""
        while True:
            batches: list[list[Example]] = [[]]
            for example in self._pool():
                if len(example[0]) * (len(batches[-1]) + 1) > BATCH_TOKENS:
                    batches.append([])
                batches[-1].append(example)
            self._rng.shuffle(batches)
            yield from batches

    def tensors(self, batch: list[Example]) -> tuple[Tensor, Tensor]:
        """Pad a batch. Returns token ids and the mask of learnt tokens, both `[examples, positions]`."""
        longest = max(len(tokens) for tokens, _ in batch)
        ids = np.full((len(batch), longest), self.padding, np.int64)
        mask = np.zeros((len(batch), longest), bool)
        for row, (tokens, marks) in enumerate(batch):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, marks
        return torch.from_numpy(ids), torch.from_numpy(mask)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Bring all singular values of a matrix near one (Newton-Schulz iteration).

    Parameters: the matrix. Returns a matrix of the same shape.
    """
    first, second, third = NEWTON_SCHULZ
    tall = matrix.size(0) > matrix.size(1)
    result = matrix.T if tall else matrix
    result = result / (result.norm() + 1e-7)
    for _ in range(5):
        gram = result @ result.T
        result = first * result + (second * gram + third * gram @ gram) @ result
    square: Tensor = result.T if tall else result
    return square


class Optimiser:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms.

    Parameters: the network.
    """

    def __init__(self, network: Network) -> None:
        self._all = list(network.parameters())
        self._matrices = [parameter for parameter in network.blocks.parameters() if parameter.ndim == 2]
        chosen = {id(parameter) for parameter in self._matrices}
        rest = [parameter for parameter in self._all if id(parameter) not in chosen]
        self._adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.0)
        self._momenta = [torch.zeros_like(parameter) for parameter in self._matrices]

    @torch.no_grad()
    def _muon(self, scale: float) -> None:
        for matrix, momentum in zip(self._matrices, self._momenta, strict=True):
            if matrix.grad is None:
                raise RuntimeError("a matrix has no gradient")
            momentum.mul_(MOMENTUM).add_(matrix.grad)
            update = orthogonalise(matrix.grad + MOMENTUM * momentum)
            shape_scale = max(1.0, matrix.size(0) / matrix.size(1)) ** 0.5
            matrix.mul_(1 - MATRIX_DECAY * scale).add_(update, alpha=-MUON_RATE * scale * shape_scale)

    def step(self, scale: float) -> None:
        """Change the weights by the gradients, then clear them.

        Parameters: the factor of all learning rates.
        """
        nn.utils.clip_grad_norm_(self._all, 1.0)
        for group in self._adam.param_groups:
            group["lr"] = ADAM_RATE * scale
        self._adam.step()
        self._muon(scale)
        for parameter in self._all:
            parameter.grad = None


@dataclass
class Schedule:
    """How far the training is, by steps or by time, whichever is further.

    Parameters: the planned steps, the longest time in seconds and the highest factor of the learning rates. A run
    that ends by its steps is the same on any machine; one that ends by time is not.
    """

    steps: int
    seconds: float
    started: float
    peak: float = 1.0
    step: int = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1."""
        return max(self.step / self.steps, self.elapsed / self.seconds)

    def scale(self) -> float:
        """Factor of the learning rates: a short rise, a flat part, then straight down to zero."""
        rise = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return self.peak * rise * min(1.0, max(0.0, (1 - self.progress) / (1 - FLAT_SHARE)))


def loss_of(network: Network, ids: Tensor, mask: Tensor) -> Tensor:
    """Measure how badly the network predicts the learnt tokens.

    Parameters: the network, token ids and the mask, `[examples, positions]`. Returns the mean cross-entropy.
    """
    with torch.autocast("cpu", torch.bfloat16):
        states = network(ids[:, :-1])
        chosen = mask[:, 1:]
        logits = network.logits(states[chosen])
    return functional.cross_entropy(logits.float(), ids[:, 1:][chosen])


def train(network: Network, examples: Examples, schedule: Schedule, output: Path) -> None:
    """Train a network and save it on the way and at the end.

    Parameters: the network, the examples, the schedule and the file for the weights.
    """
    optimiser, average = Optimiser(network), 0.0
    for batch in examples.batches():
        if schedule.progress >= 1:
            break
        loss = loss_of(network, *examples.tensors(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(schedule.scale())
        schedule.step += 1
        average = loss.item() if schedule.step == 1 else 0.97 * average + 0.03 * loss.item()
        if schedule.step % 50 == 0:
            print(f"step {schedule.step} loss {average:.4f} seconds {schedule.elapsed:.0f}", flush=True)
            torch.save(network.state_dict(), output)
    torch.save(network.state_dict(), output)
    ended_by = "steps" if schedule.step >= schedule.steps else "time"
    print(f"done, ended by {ended_by}: step {schedule.step} loss {average:.4f} seconds {schedule.elapsed:.0f}")


def main() -> int:
    """Run the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path, help="tokenizer.json, written by tokenizer.py")
    parser.add_argument("output", type=Path, help="where to write the weights")
    parser.add_argument("--steps", type=int, default=1500, help="planned steps (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60.0, help="longest time (default: %(default)s)")
    parser.add_argument("--start", type=Path, help="continue from these weights, not from random ones")
    parser.add_argument("--peak", type=float, default=1.0, help="factor of all learning rates (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed (default: %(default)s)")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    examples = Examples(Tokenizer.from_file(str(options.tokenizer)), options.seed)
    network = Network(Shape())
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True))
    schedule = Schedule(options.steps, options.minutes * 60, time.monotonic(), options.peak)
    train(network, examples, schedule, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
