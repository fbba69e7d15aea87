"""Bodies of ``/completion`` and ``/infill`` to requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import INT32_MAX
from jackfield.frontends.sampling import read_bias, read_sampling
from jackfield.sampling import SEED_MAX
from jackfield.types import GenerateRequest, InfillPrompt, TextPrompt
from jackfield_llamacpp import fields
from jackfield_llamacpp.bodies import SAMPLING_DEFAULTS, CompletionBody, InfillBody, SharedBody
from jackfield_llamacpp.prompts import Mixed, read_mixed
from jackfield_llamacpp.reading import Fields, decoded, read_constraint, screened

if TYPE_CHECKING:
    from jackfield.frontends.rules import Mode

_COMPLETION: Final = msgspec.json.Decoder(CompletionBody)
_INFILL: Final = msgspec.json.Decoder(InfillBody)

FILES_MAX: Final = 1024
"""Most files of ``input_extra``."""


class Asked(NamedTuple):
    """A decoded body."""

    request: GenerateRequest
    """With every prompt of the call but its own, and without a model."""
    prompts: tuple[Mixed, ...]
    """What is to be continued; empty where ``request`` has its prompt."""
    several: bool
    """Whether the answer is an array."""
    body: SharedBody
    ignored: Sequence[str]


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
    prompts, several = read_mixed(read.given["prompt"], "prompt")
    request = _request(body, read)
    return Asked(request, prompts, several or request.n > 1, body, read.screening.ignored)


def decode_infill(data: bytes, mode: Mode) -> Asked:
    """Decode a body of ``/infill``; as ``decode_completion``."""
    read = screened(data, mode, fields.INFILL_HONOURED, fields.INFILL)
    body = decoded(_INFILL, read)
    if body.prompt:
        raise UnsupportedField("prompt: an answer can only begin where the gap does; leave it out", param="prompt")
    files = body.input_extra or []
    if len(files) > FILES_MAX:
        raise InvalidRequest(f"input_extra may have at most {FILES_MAX} files", param="input_extra")
    gap = InfillPrompt(body.input_prefix, body.input_suffix, tuple((each.filename, each.text) for each in files))
    request = msgspec.structs.replace(_request(body, read), prompt=gap)
    return Asked(request, (), request.n > 1, body, read.screening.ignored)


def _request(body: SharedBody, read: Fields) -> GenerateRequest:
    limit = _limit(body)
    return GenerateRequest(
        model="",
        prompt=TextPrompt(""),
        sampling=read_sampling(_with_defaults(body)),
        # a prompt that is only to be read is one whose echo nobody looks at
        max_tokens=limit,
        echo=not limit,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        ignore_eos=bool(body.ignore_eos),
        logit_bias=read_bias(read.given.get("logit_bias")),
        n=body.n_cmpl or 1,
        logprobs=_alternatives(body),
        constraint=read_constraint(read.given),
        cache_prompt=body.cache_prompt is not False,
    )


def _limit(body: SharedBody) -> int:
    if body.n_predict is not None and body.max_tokens is not None and body.n_predict != body.max_tokens:
        raise InvalidRequest("n_predict and max_tokens differ; give one of them", param="max_tokens")
    asked = body.max_tokens if body.n_predict is None else body.n_predict
    # the engine caps it by the room that is left
    return INT32_MAX if asked is None or asked < 0 else asked


def _alternatives(body: SharedBody) -> int | None:
    """Tokens come with their probabilities: whoever wants the one gets the other computed."""
    if body.n_probs or body.return_tokens or body.stream:
        return body.n_probs or 0
    return None


def _with_defaults(body: SharedBody) -> SharedBody:
    given = {name: value for name, value in SAMPLING_DEFAULTS.items() if getattr(body, name) is None}
    changed = msgspec.structs.replace(body, **given)
    if body.seed in {-1, SEED_MAX}:  # llama-server's words for a seed of its own choice
        return msgspec.structs.replace(changed, seed=None)
    return changed
