"""Lists of samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.errors import UnsupportedField
from jackfield.frontends.rules import Screening
from jackfield.sampling import SamplingParams
from jackfield_llamacpp.samplers import NAMES_MAX, SAMPLERS, read_samplers, through

if TYPE_CHECKING:
    from jackfield.frontends.rules import Mode

USUAL = SamplingParams(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05)
"""What requests get that say nothing."""


def read(value: object, mode: Mode = "strict") -> tuple[tuple[str, ...], list[str]]:
    """The samplers, and what was left out."""
    screening = Screening(mode)
    return read_samplers(msgspec.Raw(msgspec.json.encode(value)), screening), screening.ignored


def test_names_and_characters() -> None:
    """As llama-server takes them."""
    assert read_samplers(None, Screening("strict")) == SAMPLERS
    assert read("edskypmxt")[0] == SAMPLERS
    assert read(["nucleus", "temp", "typical_p"])[0] == ("top_p", "temperature", "typ_p")
    assert read([])[0] == ()


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (["top_k", "infill2"], "samplers[1]"),
        ("kz", "samplers[1]"),
        (["tfs_z"], "samplers[0]"),
        (["top_k", "top-k"], "samplers[1]"),
        (["adaptive_p"], "samplers[0]"),
    ],
)
def test_what_there_is_not(value: object, param: str) -> None:
    """Refused by its place, or left out and listed."""
    with pytest.raises(UnsupportedField) as refused:
        read(value)
    assert refused.value.param == param
    left, ignored = read(value, "warn")
    assert ignored == [param]
    assert set(left) <= {"top_k"}


def test_no_end_of_names() -> None:
    """A long list is refused before it is read."""
    _, ignored = read(["?"] * 10_000, "warn")
    assert len(ignored) == NAMES_MAX + 1


@pytest.mark.parametrize(
    ("samplers", "left"),
    [
        (SAMPLERS, USUAL),
        (("top_k", "temperature"), SamplingParams(temperature=0.8, top_k=40)),
        (("top_k", "top_p", "min_p"), SamplingParams(temperature=1.0, top_k=40, top_p=0.95, min_p=0.05)),
        (("top_k", "top_p", "infill"), SamplingParams(top_k=40, top_p=0.95, infill=True)),
        (("infill", "temperature"), SamplingParams(temperature=0.8, infill=True)),
        ((), SamplingParams()),
        # what is off may stand anywhere
        (("penalties", "dry", "top_k", "xtc", "typ_p", "top_p", "min_p", "temperature"), USUAL),
    ],
)
def test_what_a_list_leaves(samplers: tuple[str, ...], left: SamplingParams) -> None:
    """Samplers that it does not name are off."""
    assert through(USUAL, samplers, Screening("strict")) == left


@pytest.mark.parametrize(
    "samplers", [("temperature", "top_k"), ("top_p", "top_k", "temperature"), ("min_p", "top_p"), ("infill", "top_k")]
)
def test_orders_that_there_are_not(samplers: tuple[str, ...]) -> None:
    """Refused, or the engine's own and listed."""
    with pytest.raises(UnsupportedField):
        through(USUAL, samplers, Screening("strict"))
    screening = Screening("warn")
    through(USUAL, samplers, screening)
    assert screening.ignored == ["samplers"]


def test_penalties_that_are_not_named() -> None:
    """All three."""
    params = SamplingParams(repeat_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.5, dry_multiplier=0.8)
    assert through(params, ("top_k",), Screening("strict")) == SamplingParams()


def test_mirostat_goes_through_none() -> None:
    """There as here."""
    params = SamplingParams(mirostat=2, temperature=0.8, top_k=40)
    assert through(params, ("temperature", "top_k"), Screening("strict")) == params
