"""How tokens are drawn: the sampling fields of both bodies.

Names, meanings and neutral values are llama-server's (``tools/server/README.md``), but for OpenAI's own and
``repetition_penalty``, which is vLLM's.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import INT32_MAX, Token, exceeds, typed
from jackfield.frontends.rules import Names, NamesDecoder, shown
from jackfield.sampling import BIAS_LENGTH_MAX, BIAS_MAX, BIASES_MAX, SEED_MAX, LogitBias, SamplingParams

Seed: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""OpenAI documents a signed 64-bit seed."""

Bias: TypeAlias = Annotated[float, Meta(ge=-BIAS_MAX, le=BIAS_MAX)]

OFF: Final = -1
"""What some servers' clients write for "off" where this server says 0: vLLM's ``top_k``, llama-server's
``top_n_sigma``."""

RANDOM: Final = frozenset({-1, SEED_MAX})
"""What llama-server's clients write for a seed that the server draws."""

_OBJECT: Final = ord("{")
_ARRAY: Final = ord("[")
_ID: Final = re.compile(r"[+-]?[0-9]+")


def between(least: float, most: float) -> Meta:
    """What clients are told of the range of a number that is checked elsewhere, in words that name its field."""
    return Meta(extra_json_schema={"minimum": least, "maximum": most})


class SamplingBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that become ``SamplingParams``; null counts as absent. Ranges are checked there."""

    temperature: Annotated[float, between(0, 2)] | None = None
    top_p: Annotated[float, between(0, 1)] | None = None
    top_k: Annotated[int, Meta(ge=OFF, le=INT32_MAX)] | None = None
    min_p: Annotated[float, between(0, 1)] | None = None
    typical_p: Annotated[float, between(0, 1)] | None = None
    top_n_sigma: Annotated[float, between(-1, 100)] | None = None
    xtc_probability: Annotated[float, between(0, 1)] | None = None
    xtc_threshold: Annotated[float, between(0, 1)] | None = None
    dynatemp_range: Annotated[float, between(0, 2)] | None = None
    dynatemp_exponent: Annotated[float, between(0, 100)] | None = None
    mirostat: Literal[0, 1, 2] | None = None
    mirostat_tau: Annotated[float, between(0, 100)] | None = None
    mirostat_eta: Annotated[float, between(0, 1)] | None = None
    repeat_penalty: Annotated[float, between(0.01, 100)] | None = None
    repetition_penalty: Annotated[float, Meta(ge=0.01, le=100)] | None = None
    repeat_last_n: Annotated[int, between(-1, INT32_MAX)] | None = None
    presence_penalty: Annotated[float, between(-2, 2)] | None = None
    frequency_penalty: Annotated[float, between(-2, 2)] | None = None
    dry_multiplier: Annotated[float, between(0, 100)] | None = None
    dry_base: Annotated[float, between(1, 100)] | None = None
    dry_allowed_length: Annotated[int, between(0, INT32_MAX)] | None = None
    dry_penalty_last_n: Annotated[int, between(-1, INT32_MAX)] | None = None
    dry_sequence_breakers: tuple[str, ...] | None = None
    seed: Seed | None = None


_SAME: Final = tuple(name for name in SamplingParams.__struct_fields__ if name in SamplingBody.__struct_fields__)
"""What has one name in bodies and in requests."""


def read_sampling(body: SamplingBody) -> SamplingParams:
    """The parameters that *body* asks for.

    Raises:
        InvalidRequest: A value is out of range, or two fields contradict each other.
    """
    given = {name: value for name in _SAME if (value := getattr(body, name)) is not None}
    if not given and body.repetition_penalty is None:
        return _DEFAULT
    for name in ("top_k", "top_n_sigma"):
        if given.get(name) == OFF:
            del given[name]
    if body.seed in RANDOM:
        del given["seed"]
    elif body.seed is not None:
        # folding keeps OpenAI's promise for its whole range: the same seed gives the same draw
        given["seed"] = body.seed % SEED_MAX
    if body.repetition_penalty is not None:
        given["repeat_penalty"] = _one_penalty(body.repetition_penalty, body.repeat_penalty)
        if body.repetition_penalty != 1:
            # vLLM's looks at the whole prompt and answer
            given.setdefault("repeat_last_n", -1)
    return SamplingParams(**given)


_DEFAULT: Final = SamplingParams()


def _one_penalty(repetition: float, repeat: float | None) -> float:
    if repeat is not None and repeat != repetition:
        raise InvalidRequest(
            "repeat_penalty and repetition_penalty differ; give one of them", param="repetition_penalty"
        )
    return repetition


_NAMES: Final = NamesDecoder(Names)
_BIAS: Final[msgspec.json.Decoder[float | bool]] = msgspec.json.Decoder(Bias | bool)
_PAIRS: Final[msgspec.json.Decoder[list[tuple[int | str, float | bool]]]] = msgspec.json.Decoder(
    list[tuple[Token | str, Bias | bool]]
)


def read_bias(raw: msgspec.Raw | None) -> tuple[LogitBias, ...]:
    """``logit_bias``: an object of token ids or texts, or an array of pairs; ``false`` bans.

    In an object a key of digits is an id. In an array ids are numbers, so that a text may have digits only.

    Parameters:
        raw: The value as it was sent; None where it is absent or null.

    Raises:
        InvalidRequest: ``param`` is ``logit_bias``, with the key or the index at fault where there is one.
        MalformedBody: Not UTF-8.
    """
    if raw is None:
        return ()
    first = memoryview(raw)[0]
    if first == _OBJECT:
        biases = _from_object(raw)
    elif first == _ARRAY:
        biases = _from_pairs(raw)
    else:
        raise InvalidRequest("logit_bias must be an object or an array of pairs", param="logit_bias")
    if len({each.token for each in biases}) < len(biases):
        raise InvalidRequest("logit_bias: a token is given twice", param="logit_bias")
    return biases


def _from_object(raw: msgspec.Raw) -> tuple[LogitBias, ...]:
    names = _NAMES.decode(raw, "logit_bias")
    if len(names) > BIASES_MAX:
        raise _too_many()
    return tuple(_entry(str(name), value) for name, value in names.items())


def _entry(name: str, raw: msgspec.Raw) -> LogitBias:
    path = f"logit_bias.{shown(name)}"
    if not 0 < len(name) <= BIAS_LENGTH_MAX:
        raise InvalidRequest(f"{path}: each key must have 1 to {BIAS_LENGTH_MAX} characters", param=path)
    token: int | str = name
    if _ID.fullmatch(name):
        token = int(name)
        if not 0 <= token <= INT32_MAX:
            raise InvalidRequest(f"{path} is no token id", param=path)
    return LogitBias(token, _value(typed(_BIAS, raw, path), path), path)


def _from_pairs(raw: msgspec.Raw) -> tuple[LogitBias, ...]:
    if exceeds(raw, 2 * BIASES_MAX + 1):
        raise _too_many()
    pairs = typed(_PAIRS, raw, "logit_bias")
    if len(pairs) > BIASES_MAX:
        raise _too_many()
    return tuple(_pair(token, bias, f"logit_bias[{index}]") for index, (token, bias) in enumerate(pairs))


def _pair(token: int | str, bias: float | bool, path: str) -> LogitBias:  # noqa: FBT001 -- a bias may be false
    if isinstance(token, str) and not 0 < len(token) <= BIAS_LENGTH_MAX:
        raise InvalidRequest(f"{path}: a text must have 1 to {BIAS_LENGTH_MAX} characters", param=f"{path}[0]")
    return LogitBias(token, _value(bias, f"{path}[1]"), f"{path}[0]")


def _value(bias: float | bool, path: str) -> float:  # noqa: FBT001 -- a bias may be false
    if bias is True:
        raise InvalidRequest(f"{path} must be a number, or false to ban the token", param=path)
    return -math.inf if bias is False else bias


def _too_many() -> InvalidRequest:
    return InvalidRequest(f"logit_bias may have at most {BIASES_MAX} entries", param="logit_bias")
