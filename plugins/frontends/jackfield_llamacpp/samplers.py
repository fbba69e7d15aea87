"""``samplers``: which filters a token goes through, and in which order.

The engine's order is llama.cpp's default, and filters that are off stand nowhere. So any list is honoured whose filters
that do something stand in that order: those that it does not name are switched off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.frontends.arrays import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.frontends.rules import Screening
    from jackfield.sampling import SamplingParams

SAMPLERS: Final = ("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature")
"""Those that are used where nothing is said."""

ORDER: Final = (*SAMPLERS[:-1], "infill", SAMPLERS[-1])
"""All, in the engine's order."""

_CHARACTERS: Final[Mapping[str, str]] = dict(zip("edskypmxit", ORDER, strict=True))
"""How a list is written as a text."""

_OTHER_NAMES: Final[Mapping[str, str]] = {
    "top-k": "top_k",
    "top-p": "top_p",
    "nucleus": "top_p",
    "top-n-sigma": "top_n_sigma",
    "typical-p": "typ_p",
    "typical_p": "typ_p",
    "typical": "typ_p",
    "typ-p": "typ_p",
    "typ": "typ_p",
    "min-p": "min_p",
    "temp": "temperature",
}
"""Those that llama-server takes too."""

_OFF: Final[Mapping[str, Mapping[str, float]]] = {
    "penalties": {"repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
    "dry": {"dry_multiplier": 0.0},
    "top_n_sigma": {"top_n_sigma": 0.0},
    "top_k": {"top_k": 0},
    "typ_p": {"typical_p": 1.0},
    "top_p": {"top_p": 1.0},
    "min_p": {"min_p": 0.0},
    "xtc": {"xtc_probability": 0.0},
    "temperature": {"temperature": 1.0, "dynatemp_range": 0.0},
}
"""What each is when it does nothing."""

NAMES_MAX: Final = 64
"""Most names of a list."""

_DECODER: Final[msgspec.json.Decoder[str | list[str]]] = msgspec.json.Decoder(str | list[str])


def read_samplers(raw: msgspec.Raw | None, screening: Screening) -> tuple[str, ...]:
    """The names in *raw*, as the engine calls them; all where nothing is said.

    Parameters:
        raw: The value as it was sent.
        screening: Refuses those that there are not, or leaves them out.

    Raises:
        InvalidRequest: ``param`` is the entry at fault.
    """
    if raw is None:
        return SAMPLERS
    value = typed(_DECODER, raw, "samplers")
    known = _CHARACTERS if isinstance(value, str) else _OTHER_NAMES
    found: list[str] = []
    for index, given in enumerate(value[: NAMES_MAX + 1]):
        name = known.get(given, given)
        if name not in ORDER or name in found or index == NAMES_MAX:
            screening.unsupported(f"samplers[{index}]", tunes=True)
        else:
            found.append(name)
    return tuple(found)


def through(params: SamplingParams, samplers: tuple[str, ...], screening: Screening) -> SamplingParams:
    """*params* with nothing but *samplers*.

    Parameters:
        params: How to draw. Mirostat goes through none of them, there as here.
        samplers: As ``read_samplers`` gave them.
        screening: Refuses an order that the engine does not have, or leaves it out.

    Raises:
        UnsupportedField: Two filters that do something stand in another order.
    """
    if params.mirostat or samplers == SAMPLERS:
        return params
    off = {field: value for name in SAMPLERS if name not in samplers for field, value in _OFF[name].items()}
    left = msgspec.structs.replace(params, **off)
    order = [ORDER.index(name) for name in samplers if name == "infill" or _does_something(left, name)]
    if order != sorted(order):
        screening.unsupported("samplers", tunes=True)
    return msgspec.structs.replace(left, infill="infill" in samplers)


def _does_something(params: SamplingParams, name: str) -> bool:
    return any(getattr(params, field) != value for field, value in _OFF[name].items())
