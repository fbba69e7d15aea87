"""``options`` and ``keep_alive``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import INT32_MAX, exceeds, typed
from jackfield.frontends.rules import Names, NamesDecoder, present
from jackfield.sampling import SEED_MAX, SamplingParams
from jackfield.types import STOP_MAX
from jackfield_ollama import fields
from jackfield_ollama.bodies import Options

if TYPE_CHECKING:
    from jackfield.frontends.rules import Screening
    from jackfield_ollama.bodies import KeepAlive

DEFAULTS: Final = SamplingParams(temperature=0.8, top_k=40, top_p=0.9, repeat_last_n=64, repeat_penalty=1.1)
"""Ollama's own (``api.DefaultOptions``)."""

_DURATION: Final = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+|-?\d+")
"""What Go's ``time.ParseDuration`` takes, and whole seconds."""
_ZERO: Final = re.compile(r"[-0.a-zµ]*")

_NAMES: Final = NamesDecoder(Names)
_OPTIONS: Final = msgspec.json.Decoder(Options)


class Drawing(NamedTuple):
    """What the options say of an answer."""

    sampling: SamplingParams
    max_tokens: int | None
    stop: tuple[str, ...]


def read_options(raw: msgspec.Raw | None, screening: Screening, context: int | None) -> Drawing:
    """How an answer is drawn.

    Parameters:
        raw: The object as it was sent; None where it is absent or null.
        screening: Judges the options that are not honoured.
        context: Longest request of the model in tokens; None where it is not known yet.

    Raises:
        InvalidRequest: ``param`` is a path such as ``options.top_k``.
    """
    options = Options()
    if raw is not None:
        names = _NAMES.decode(raw, "options")
        screening.screen(names, fields.OPTIONS_HONOURED, fields.OPTIONS, "options.")
        stop = present(names).get("stop")
        if stop is not None and exceeds(stop, STOP_MAX + 1):
            raise InvalidRequest(f"options.stop may have at most {STOP_MAX} strings", param="options.stop")
        options = typed(_OPTIONS, raw, "options")
    if options.num_ctx and context is not None and options.num_ctx > context:
        screening.unsupported("options.num_ctx", tunes=True)
    return Drawing(_sampling(options), _length(options.num_predict), _stop(options.stop))


def _sampling(options: Options) -> SamplingParams:
    names = SamplingParams.__struct_fields__
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    if options.top_k == -1:
        given["top_k"] = 0
    if options.seed is not None:
        if options.seed == -1:
            del given["seed"]
        else:
            given["seed"] = options.seed % SEED_MAX
    try:
        return msgspec.structs.replace(DEFAULTS, **given)
    except InvalidRequest as error:
        raise InvalidRequest(f"options.{error.message}", param=f"options.{error.param}") from error


def _length(num_predict: int | None) -> int | None:
    """-1 and -2 go on to the end of the context; 0 is the server's default, as an answer of no tokens is none."""
    if num_predict is None or num_predict == 0:
        return None
    return INT32_MAX if num_predict < 0 else num_predict


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def unloads(keep_alive: KeepAlive | None) -> bool:
    """Whether ``keep_alive`` asks that the model be unloaded after the answer.

    Raises:
        InvalidRequest: Neither a number of seconds nor a duration such as ``5m``.
    """
    if keep_alive is None:
        return False
    if isinstance(keep_alive, str):
        if not _DURATION.fullmatch(keep_alive):
            raise InvalidRequest("keep_alive must be a number of seconds or a duration such as 5m", param="keep_alive")
        return _ZERO.fullmatch(keep_alive) is not None
    if not math.isfinite(keep_alive):
        raise InvalidRequest("keep_alive must be a finite number of seconds", param="keep_alive")
    return keep_alive == 0
