"""JSON bodies to requests. No I/O; whatever comes in, the result is a request or a ``ClientError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import ChatPrompt, Thinking
from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.messages import read_messages
from jackfield.frontends.prompts import read_prompts
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Screening, present
from jackfield.frontends.sampling import read_bias, read_sampling
from jackfield.frontends.tools import read_tool_choice, read_tools
from jackfield.pooled import INPUTS_MAX, PoolRequest
from jackfield.sampling import BREAKERS_MAX
from jackfield.types import STOP_MAX, GenerateRequest, TextPrompt
from jackfield_openai import fields
from jackfield_openai.bodies import Call, ChatBody, CompletionBody, EmbeddingBody, EmbeddingCall, SharedBody
from jackfield_openai.constraints import read_constraint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from jackfield.frontends.rules import Rules
    from jackfield.types import Prompt

Given: TypeAlias = "Mapping[str, msgspec.Raw]"
"""The fields of a body that are not null, as they were sent."""

_NAMES: Final = NamesDecoder(Names)
_CHAT: Final = msgspec.json.Decoder(ChatBody)
_COMPLETION: Final = msgspec.json.Decoder(CompletionBody)
_EMBEDDING: Final = msgspec.json.Decoder(EmbeddingBody)

_TEXTS_MAX: Final[Mapping[str, int]] = {"stop": STOP_MAX, "dry_sequence_breakers": BREAKERS_MAX}
"""Most strings of the arrays that are read with the body: more are refused before they are built."""


def decode_chat(data: bytes, mode: Mode) -> Call:
    """Decode a body of ``/v1/chat/completions``.

    Parameters:
        data: The body as it came.
        mode: What becomes of fields that cannot be honoured.

    Raises:
        MalformedBody: Not a JSON object.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    given, screening = _screened(data, mode, fields.CHAT_HONOURED, fields.CHAT)
    body = typed(_CHAT, data)
    prompt = ChatPrompt(
        read_messages(_required(given, "messages"), screening),
        tools=read_tools(given.get("tools")),
        tool_choice=read_tool_choice(given.get("tool_choice")),
        parallel_tool_calls=body.parallel_tool_calls is not False,
        thinking=_thinking(body),
        template_kwargs=body.chat_template_kwargs or {},
        continue_final=bool(body.continue_final_message),
    )
    _stream_options(body, given, screening)
    request = _request(
        body,
        prompt,
        given,
        screening,
        max_tokens=_limit(body.max_tokens, body.max_completion_tokens),
        logprobs=_alternatives(asked=bool(body.logprobs), top=body.top_logprobs),
    )
    return _call(body, (request,), screening, names_tier=body.service_tier is not None)


def decode_completion(data: bytes, mode: Mode) -> Call:
    """Decode a body of ``/v1/completions``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.COMPLETION_HONOURED, fields.COMPLETION)
    body = typed(_COMPLETION, data)
    prompts = read_prompts(_required(given, "prompt"), "prompt")
    _best_of(body, screening)
    _stream_options(body, given, screening)
    first = _request(
        body,
        prompts[0],
        given,
        screening,
        max_tokens=body.max_tokens,
        logprobs=body.logprobs,
        echo=bool(body.echo),
    )
    if len(prompts) * first.n > INPUTS_MAX:
        raise InvalidRequest(f"prompt: one request may have at most {INPUTS_MAX} answers in all", param="prompt")
    others = (msgspec.structs.replace(first, prompt=prompt) for prompt in prompts[1:])
    return _call(body, (first, *others), screening)


def decode_embedding(data: bytes, mode: Mode) -> EmbeddingCall:
    """Decode a body of ``/v1/embeddings``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.EMBEDDING_HONOURED, fields.EMBEDDING)
    body = typed(_EMBEDDING, data)
    inputs = read_prompts(_required(given, "input"), "input")
    for index, each in enumerate(inputs):
        if isinstance(each, TextPrompt) and not each.text:
            path = f"input[{index}]" if len(inputs) > 1 else "input"
            raise InvalidRequest(f"{path} must not be empty", param=path)
    request = PoolRequest(model=_model(body.model), task="embed", inputs=inputs, dimensions=body.dimensions)
    return EmbeddingCall(request=request, base64=body.encoding_format == "base64", ignored=tuple(screening.ignored))


def _screened(data: bytes, mode: Mode, honoured: frozenset[str], rules: Rules) -> tuple[Given, Screening]:
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, honoured, rules)
    given = present(names)
    for name, most in _TEXTS_MAX.items():
        # an array is one of those that are counted
        if name in given and exceeds(given[name], most + 1):
            raise InvalidRequest(f"{name} may have at most {most} strings", param=name)
    return given, screening


def _required(given: Given, wanted: str) -> msgspec.Raw:
    raw = given.get(wanted)
    if raw is None:
        raise InvalidRequest(f"{wanted} is required", param=wanted)
    return raw


def _model(name: str | None) -> str:
    if not name:
        raise InvalidRequest("model is required", param="model")
    return name


def _request(
    body: SharedBody,
    prompt: Prompt,
    given: Given,
    screening: Screening,
    *,
    max_tokens: int | None,
    logprobs: int | None,
    echo: bool = False,
) -> GenerateRequest:
    return GenerateRequest(
        model=_model(body.model),
        prompt=prompt,
        sampling=read_sampling(body),
        max_tokens=max_tokens,
        stop=_stop(body.stop),
        stop_token_ids=tuple(body.stop_token_ids or ()),
        ignore_eos=bool(body.ignore_eos),
        min_tokens=body.min_tokens or 0,
        logit_bias=read_bias(given.get("logit_bias")),
        n=body.n or 1,
        logprobs=logprobs,
        echo=echo,
        constraint=read_constraint(given, screening),
        priority=body.priority,
        cache_prompt=body.cache_prompt is not False,
        cache_salt=body.cache_salt or "",
    )


def _call(
    body: SharedBody, requests: Sequence[GenerateRequest], screening: Screening, *, names_tier: bool = False
) -> Call:
    return Call(
        requests=tuple(requests),
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
        names_tier=names_tier,
        ignored=tuple(screening.ignored),
    )


def _stream_options(body: SharedBody, given: Given, screening: Screening) -> None:
    raw = given.get("stream_options")
    if raw is not None and body.stream_options is not None:
        inner = _NAMES.decode(raw, "stream_options")
        screening.screen(inner, fields.STREAM_OPTIONS_HONOURED, fields.STREAM_OPTIONS, "stream_options.")


def _thinking(body: ChatBody) -> Thinking:
    effort = body.reasoning_effort
    budget = body.reasoning_budget_tokens
    if budget is not None and budget >= 0:
        return Thinking(
            enabled=None if budget else False, effort=effort, budget=budget, param="reasoning_budget_tokens"
        )
    if effort is None:
        return Thinking()
    return Thinking(enabled=effort != "none", effort=None if effort == "none" else effort)


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _limit(old: int | None, new: int | None) -> int | None:
    if old is not None and new is not None and old != new:
        raise InvalidRequest(
            "max_tokens and max_completion_tokens differ; give one of them", param="max_completion_tokens"
        )
    return old if new is None else new


def _alternatives(*, asked: bool, top: int | None) -> int | None:
    if asked:
        return top or 0
    if top:
        raise InvalidRequest("top_logprobs needs logprobs to be true", param="top_logprobs")
    return None


def _best_of(body: CompletionBody, screening: Screening) -> None:
    n = body.n or 1
    if body.best_of is None or body.best_of == n:
        return
    if body.best_of < n:
        raise InvalidRequest("best_of must not be less than n", param="best_of")
    screening.unsupported("best_of", tunes=True)
