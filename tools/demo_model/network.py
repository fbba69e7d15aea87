"""The network: a small llama-style transformer in plain PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of the network.

    Parameters: tokens, width, layers, query heads, key and value heads, inner width, rotary base and the epsilon of
    the norms.
    """

    vocabulary: int = 2048
    width: int = 192
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    inner: int = 512
    rotary_base: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Norm(nn.Module):
    """Root-mean-square norm with a learnt scale."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.width))
        self.epsilon = shape.epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Normalise the last dimension.

        Parameters: states of any leading shape. Returns states of the same shape.
        """
        return functional.rms_norm(states, (states.shape[-1],), self.weight, self.epsilon)


def rotate(states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn queries or keys by their positions (half-split rotary embedding).

    Parameters: `[batch, heads, positions, head width]`, and tables of `[positions, head width / 2]`. Returns the same
    shape.
    """
    left, right = states.chunk(2, -1)
    return torch.cat((left * cosines - right * sines, right * cosines + left * sines), -1)


class Attention(nn.Module):
    """Causal attention in which several query heads share one key and value head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, kv_width, bias=False)
        self.value = nn.Linear(shape.width, kv_width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)

    def _heads(self, states: Tensor, heads: int) -> Tensor:
        batch, positions, _ = states.shape
        return states.view(batch, positions, heads, self.shape.head_width).transpose(1, 2)

    def forward(self, states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Attend to the positions before.

        Parameters: `[batch, positions, width]` and the rotary tables. Returns the same shape.
        """
        shared = self.shape.heads // self.shape.kv_heads
        query = rotate(self._heads(self.query(states), self.shape.heads), cosines, sines)
        key = rotate(self._heads(self.key(states), self.shape.kv_heads), cosines, sines)
        value = self._heads(self.value(states), self.shape.kv_heads)
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        merged: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return merged


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward network, both on normalised states."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm, self.feed_norm = Norm(shape), Norm(shape)
        self.attention = Attention(shape)
        self.gate = nn.Linear(shape.width, shape.inner, bias=False)
        self.up = nn.Linear(shape.width, shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Compute one layer.

        Parameters: `[batch, positions, width]` and the rotary tables. Returns the same shape.
        """
        states = states + self.attention(self.attention_norm(states), cosines, sines)
        normed = self.feed_norm(states)
        result: Tensor = states + self.down(functional.silu(self.gate(normed)) * self.up(normed))
        return result


class Network(nn.Module):
    """The language model; the token embedding is also the output matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape)
        self._initialise()

    def _initialise(self) -> None:
        deviation = self.shape.width**-0.5
        nn.init.normal_(self.embedding.weight, std=0.02)
        for name, parameter in self.blocks.named_parameters():
            if parameter.ndim == 2:
                into_residual = name.endswith(("output.weight", "down.weight"))
                depth = (2 * self.shape.layers) ** 0.5 if into_residual else 1.0
                nn.init.normal_(parameter, std=deviation / depth)

    def _rotary(self, positions: int, like: Tensor) -> tuple[Tensor, Tensor]:
        steps = torch.arange(0, self.shape.head_width, 2).float() / self.shape.head_width
        angles = torch.outer(torch.arange(positions).float(), 1.0 / self.shape.rotary_base**steps)
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute the final states.

        Parameters: token ids, `[batch, positions]`. Returns states, `[batch, positions, width]`.
        """
        states: Tensor = self.embedding(tokens)
        cosines, sines = self._rotary(tokens.shape[1], states)
        for block in self.blocks:
            states = block(states, cosines, sines)
        result: Tensor = self.norm(states)
        return result

    def logits(self, states: Tensor) -> Tensor:
        """Score all tokens.

        Parameters: states of any leading shape. Returns one score per token of the vocabulary.
        """
        return states @ self.embedding.weight.T
