"""The filters of ``SamplingParams``, each with the meaning it has in llama.cpp (``src/llama-sampler.cpp``).

A filter gets candidates and gives those that may still be drawn, at least one. Where llama.cpp ends a set at one of
several tokens that are exactly as likely, by whatever order its sort left them in, all of them stay here; except for
``top_k``, which keeps those of the lowest ids.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from jackfield_llama.candidates import DIRECT_MAX, Candidates, largest

if TYPE_CHECKING:
    import random

    import numpy.typing as npt

    from jackfield.sampling import SamplingParams

_BISECTIONS: Final = 8
"""Halvings of the band in which the nucleus ends: leaves a few percent of a flat distribution to sort."""

Filter: TypeAlias = Callable[[Candidates], Candidates]


def filters(params: SamplingParams, generator: random.Random, buffer: npt.NDArray[np.float32]) -> list[Filter]:
    """The filters that *params* switch on, in llama.cpp's order (``common_params_sampling::samplers``).

    Parameters:
        params: How to draw.
        generator: Where ``xtc`` gets its chances from.
        buffer: Scratch of the vocabulary's size, used within a call only.
    """
    chosen: list[Filter] = []
    if params.top_n_sigma > 0:
        chosen.append(partial(top_n_sigma, sigmas=params.top_n_sigma, buffer=buffer))
    if params.top_k > 0:
        chosen.append(partial(top_k, count=params.top_k))
    if params.typical_p < 1:
        chosen.append(partial(typical_p, mass=params.typical_p, buffer=buffer))
    if params.top_p < 1:
        chosen.append(partial(top_p, mass=params.top_p, buffer=buffer))
    if params.min_p > 0:
        chosen.append(partial(min_p, fraction=params.min_p))
    if params.xtc_probability > 0 and params.xtc_threshold <= 0.5:  # noqa: PLR2004 - llama_sampler_init_xtc
        chosen.append(
            partial(
                xtc,
                probability=params.xtc_probability,
                threshold=params.xtc_threshold,
                generator=generator,
                buffer=buffer,
            )
        )
    return chosen


def top_n_sigma(candidates: Candidates, *, sigmas: float, buffer: npt.NDArray[np.float32]) -> Candidates:
    """Logits within *sigmas* standard deviations of the highest (``llama_sampler_top_n_sigma_apply``)."""
    if candidates.size <= 1:
        return candidates
    logits = candidates.possible().logits
    deviations = np.subtract(logits, logits.mean(), out=buffer[: len(logits)])
    sigma = math.sqrt(deviations.dot(deviations) / len(logits))
    kept = np.flatnonzero(candidates.logits >= candidates.highest - sigmas * sigma)
    return candidates.keep(kept, size=candidates.size)


def top_k(candidates: Candidates, *, count: int) -> Candidates:
    """The *count* most likely."""
    size = min(count, candidates.size)
    if count >= len(candidates.logits):
        return candidates._replace(size=size)
    return candidates.keep(largest(candidates.logits, count), size=size)


def typical_p(candidates: Candidates, *, mass: float, buffer: npt.NDArray[np.float32]) -> Candidates:
    """Those whose surprise is nearest the expected one, until their probabilities exceed *mass*.

    Meister et al., "Locally Typical Sampling" (2022); ``llama_sampler_typical_apply``.
    """
    candidates = candidates.possible()
    weights = candidates.weights(buffer)
    total = float(weights.sum())
    shifted = candidates.logits - candidates.highest
    # surprise = log(total) - shifted and entropy = log(total) - mean of shifted: log(total) cancels out
    distances = np.abs(shifted - float(weights.dot(shifted)) / total)
    return candidates.keep(np.flatnonzero(distances <= _typical_edge(distances, weights, mass * total)))


def _typical_edge(distances: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], goal: float) -> float:
    """The distance at which a run from the nearest outwards exceeds *goal*; found as ``_nucleus_edge`` finds its own.

    The run reaches the goal at ``far`` and not at ``near``, up to where it has ``within``.
    """
    near, far, within = -1.0, float(distances.max()), 0.0
    for _ in range(_BISECTIONS if len(weights) > DIRECT_MAX else 0):
        middle = (near + far) / 2
        mass = float(weights.dot(distances <= middle))
        if mass > goal:
            far = middle
        else:
            near, within = middle, mass
    band = np.flatnonzero((distances > near) & (distances <= far))
    rising = band[np.argsort(distances[band])]
    last = int(weights[rising].cumsum(dtype=np.float64).searchsorted(goal - within, side="right"))
    return float(distances[rising[last]]) if last < len(rising) else far


def top_p(candidates: Candidates, *, mass: float, buffer: npt.NDArray[np.float32]) -> Candidates:
    """The nucleus: the shortest run from the most likely downwards that has *mass* (``llama_sampler_top_p_apply``).

    With W the sum of all n weights, every token below (1 - mass) W / n is left out first. Those left out weigh less
    than (1 - mass) W together, so the rest reaches mass W, and the nucleus lies in it.
    """
    weights = candidates.weights(buffer)
    total = float(weights.sum())
    floor = (1 - mass) * total / len(weights)
    rest = np.flatnonzero(weights >= floor)
    among = weights[rest]
    return candidates.keep(rest[among >= _nucleus_edge(among, mass * total, floor)])


def _nucleus_edge(weights: npt.NDArray[np.float32], goal: float, floor: float) -> float:
    """The weight at which a run from the largest of *weights* downwards reaches *goal*.

    Sorting is what costs when a distribution is flat, so the band that holds the edge is narrowed by bisection first:
    weights from ``low`` upwards reach the goal, those from ``high`` upwards (together ``above``) do not.
    """
    low, high, above = floor, math.inf, 0.0
    for _ in range(_BISECTIONS if len(weights) > DIRECT_MAX else 0):
        middle = math.sqrt(low * min(high, 1.0))  # the largest weight is exp(0)
        mass = float(weights.dot(weights >= middle))
        if mass >= goal:
            low = middle
        else:
            high, above = middle, mass
    falling = np.sort(weights[(weights >= low) & (weights < high)])[::-1]
    last = int(falling.cumsum(dtype=np.float64).searchsorted(goal - above))
    return float(falling[last]) if last < len(falling) else low


def min_p(candidates: Candidates, *, fraction: float) -> Candidates:
    """Those at least *fraction* as likely as the most likely one (``llama_sampler_min_p_apply``)."""
    return candidates.keep(np.flatnonzero(candidates.logits >= candidates.highest + math.log(fraction)))


def xtc(
    candidates: Candidates,
    *,
    probability: float,
    threshold: float,
    generator: random.Random,
    buffer: npt.NDArray[np.float32],
) -> Candidates:
    """With *probability*, leaves out all but the least likely of those that have *threshold*.

    ``llama_sample_xtc_apply``.
    """
    if candidates.size <= 1 or generator.random() > probability:
        return candidates
    candidates = candidates.possible()
    weights = candidates.weights(buffer)
    above = np.flatnonzero(weights >= threshold * float(weights.sum()))
    if len(above) <= 1:
        return candidates
    kept = np.ones(len(weights), np.bool_)
    kept[above] = False
    kept[above[weights[above].argmin()]] = True
    return candidates.keep(np.flatnonzero(kept), size=candidates.size - len(above) + 1)
