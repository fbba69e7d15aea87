"""Bodies of ``/completion`` and ``/infill`` to requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import INT32_MAX, exceeds
from jackfield.frontends.rules import Screening
from jackfield.frontends.sampling import read_bias, read_sampling
from jackfield.types import GenerateRequest, InfillPrompt, LineLimits, TextPrompt
from jackfield_llamacpp import fields
from jackfield_llamacpp.bodies import SAMPLING_DEFAULTS, CompletionBody, InfillBody, SharedBody
from jackfield_llamacpp.prompts import Mixed, read_mixed
from jackfield_llamacpp.reading import Fields, decoded, read_constraint, screened
from jackfield_llamacpp.samplers import read_samplers, through

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.frontends.rules import Mode
    from jackfield.sampling import SamplingParams

_COMPLETION: Final = msgspec.json.Decoder(CompletionBody)
_INFILL: Final = msgspec.json.Decoder(InfillBody)

FILES_MAX: Final = 1024
"""Most files of ``input_extra``."""

PATH_MAX: Final = 128
"""Longest entry of ``response_fields``, in characters: no path of an answer is half as long."""


class Asked(NamedTuple):
    """A decoded body."""

    request: GenerateRequest
    """With every prompt of the call but its own, and without a model."""
    prompts: tuple[Mixed, ...]
    """What is to be continued; empty where ``request`` has its prompt."""
    body: SharedBody
    samplers: tuple[str, ...]
    """Which filters a token goes through, and in which order."""
    screening: Screening
    """Has what was left out."""

    @property
    def ignored(self) -> Sequence[str]:
        """Paths of the fields that were left out."""
        return self.screening.ignored


def decode_completion(data: bytes, mode: Mode) -> Asked:
    """Decode a body of ``/completion``.

    Raises:
        MalformedBody: Not a JSON object.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    read = screened(data, mode, fields.COMPLETION_HONOURED, fields.COMPLETION)
    if "prompt" not in read.given:
        raise InvalidRequest("prompt is required", param="prompt")
    body = decoded(_COMPLETION, read)
    prompts = read_mixed(read.given["prompt"], "prompt")
    request = _request(body, read)
    return Asked(request, prompts, body, _samplers(read), read.screening)


def decode_infill(data: bytes, mode: Mode) -> Asked:
    """Decode a body of ``/infill``; as ``decode_completion``."""
    read = screened(data, mode, fields.INFILL_HONOURED, fields.INFILL)
    # each file has up to four strings, with the names of its fields
    if "input_extra" in read.given and exceeds(read.given["input_extra"], 4 * FILES_MAX + 1):
        raise InvalidRequest(f"input_extra may have at most {FILES_MAX} files", param="input_extra")
    body = decoded(_INFILL, read)
    files = body.input_extra or []
    if len(files) > FILES_MAX:
        raise InvalidRequest(f"input_extra may have at most {FILES_MAX} files", param="input_extra")
    given = tuple((each.filename, each.text) for each in files)
    gap = InfillPrompt(body.input_prefix, body.input_suffix, given, body.prompt or "")
    request = msgspec.structs.replace(_request(body, read), prompt=gap)
    return Asked(request, (), body, _samplers(read), read.screening)


def drawn(asked: Asked, recommended: Mapping[str, float]) -> SamplingParams:
    """How tokens are drawn.

    Parameters:
        asked: What the request says.
        recommended: What the model's makers say, for what it does not say; llama-server's defaults come last.

    Raises:
        InvalidRequest: A value is out of range.
        UnsupportedField: The samplers stand in an order that the engine does not have.
    """
    params = read_sampling(_with_defaults(asked.body, {**SAMPLING_DEFAULTS, **recommended}))
    return through(params, asked.samplers, asked.screening)


def _samplers(read: Fields) -> tuple[str, ...]:
    return read_samplers(read.given.get("samplers"), read.screening)


def _request(body: SharedBody, read: Fields) -> GenerateRequest:
    limit = _limit(body)
    if any(len(path) > PATH_MAX for path in body.response_fields or ()):
        raise InvalidRequest(
            f"each of response_fields must have at most {PATH_MAX} characters", param="response_fields"
        )
    return GenerateRequest(
        model="",
        prompt=TextPrompt(""),
        # a prompt that is only to be read is one whose echo nobody looks at
        max_tokens=limit,
        echo=not limit,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        ignore_eos=bool(body.ignore_eos),
        logit_bias=read_bias(read.given.get("logit_bias")),
        n=_one_name(body, "n_cmpl", "n") or 1,
        logprobs=_one_name(body, "n_probs", "logprobs") or None,
        token_ids=bool(body.return_tokens or body.stream),
        progress=bool(body.stream and (body.return_progress or body.timings_per_token)),
        lines=_lines(body),
        slot=body.id_slot if body.id_slot is not None and body.id_slot >= 0 else None,
        constraint=read_constraint(read.given),
        cache_prompt=body.cache_prompt is not False,
    )


def _limit(body: SharedBody) -> int:
    asked = _one_name(body, "n_predict", "max_completion_tokens", "max_tokens")
    # the engine caps it by the room that is left
    return INT32_MAX if asked is None or asked < 0 else asked


def _one_name(body: SharedBody, *names: str) -> int | None:
    """The value of a field that has several names."""
    given = {name: value for name in names if (value := getattr(body, name)) is not None}
    if len({*given.values()}) > 1:
        raise InvalidRequest(f"{' and '.join(given)} differ; give one of them", param=[*given][-1])
    return next(iter(given.values()), None)


def _lines(body: SharedBody) -> LineLimits | None:
    after_ms = body.t_max_predict_ms if body.t_max_predict_ms is not None and body.t_max_predict_ms > 0 else None
    if after_ms is None and not body.n_indent:
        return None
    return LineLimits(after_s=None if after_ms is None else after_ms / 1000, indent=body.n_indent or 0)


def _with_defaults(body: SharedBody, defaults: Mapping[str, float]) -> SharedBody:
    given = {name: value for name, value in defaults.items() if getattr(body, name) is None}
    return msgspec.structs.replace(body, **given)
