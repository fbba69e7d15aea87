"""JSON bodies to requests. No I/O; whatever comes in, the result is a request or a ``ClientError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import ChatPrompt
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.frontends.messages import asks_to_go_on, read_messages
from jackfield.frontends.prompts import read_prompts
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Screening, present
from jackfield.frontends.sampling import read_bias, read_sampling
from jackfield.frontends.tools import names_function
from jackfield.frontends.users import cache_scope
from jackfield.pooled import INPUTS_MAX, PoolRequest
from jackfield.sampling import BREAKERS_MAX
from jackfield.types import STOP_MAX, GenerateRequest, InfillPrompt, LineLimits, TextPrompt
from jackfield_openai import fields
from jackfield_openai.bodies import Call, ChatBody, CompletionBody, EmbeddingBody, EmbeddingCall, SharedBody, Stored
from jackfield_openai.config import KEEPALIVE_MAX_S
from jackfield_openai.constraints import read_constraint
from jackfield_openai.documents import VARIABLE
from jackfield_openai.functions import read_callable
from jackfield_openai.reasoning import read_thinking, reasoning_shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from jackfield.chat import JsonValue, Message
    from jackfield.frontends.prompts import RawPrompt
    from jackfield.frontends.rules import Rules
    from jackfield.types import Prompt

Given: TypeAlias = "Mapping[str, msgspec.Raw]"
"""The fields of a body that are not null, as they were sent."""

UNLIMITED: Final = -1

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
    _stream_options(body, given, screening)
    conversation = _conversation(body, given, screening)
    request = _request(
        body,
        conversation,
        given,
        screening,
        max_tokens=_limit(
            max_tokens=_limited(body.max_tokens),
            max_completion_tokens=body.max_completion_tokens,
            n_predict=_limited(body.n_predict),
        ),
        logprobs=_alternatives(asked=bool(body.logprobs), top=body.top_logprobs),
    )
    if body.service_tier in {"flex", "priority"} and body.priority is not None:
        raise InvalidRequest("service_tier and priority contradict; give one of them", param="service_tier")
    return msgspec.structs.replace(
        _call(body, (_scoped(request, body.prompt_cache_key),), screening),
        tier=body.service_tier,
        functions="functions" in given,
        reasoning_shown=reasoning_shown(body),
        begun=_begun(body, conversation),
        documents=bool(body.documents),
        metadata=body.metadata,
        stored=Stored(given["messages"], body.metadata or {}) if body.store else None,
        user=body.safety_identifier or body.user or "",
    )


def decode_completion(data: bytes, mode: Mode) -> Call:
    """Decode a body of ``/v1/completions``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.COMPLETION_HONOURED, fields.COMPLETION)
    body = typed(_COMPLETION, data)
    prompts = _gaps(read_prompts(_required(given, "prompt"), "prompt"), body)
    _stream_options(body, given, screening)
    first = _request(
        body,
        prompts[0],
        given,
        screening,
        max_tokens=_limit(max_tokens=_limited(body.max_tokens), n_predict=_limited(body.n_predict)),
        logprobs=body.logprobs,
        echo=bool(body.echo),
    )
    if len(prompts) * max(first.n, body.best_of or 1) > INPUTS_MAX:
        raise InvalidRequest(f"prompt: one request may have at most {INPUTS_MAX} answers in all", param="prompt")
    others = (msgspec.structs.replace(first, prompt=prompt) for prompt in prompts[1:])
    return _best_of(body, _call(body, (first, *others), screening))


def decode_embedding(data: bytes, mode: Mode) -> EmbeddingCall:
    """Decode a body of ``/v1/embeddings``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.EMBEDDING_HONOURED, fields.EMBEDDING)
    body = typed(_EMBEDDING, data)
    inputs = read_prompts(_required(given, "input"), "input")
    for index, each in enumerate(inputs):
        if isinstance(each, TextPrompt) and not each.text:
            path = f"input[{index}]" if len(inputs) > 1 else "input"
            raise InvalidRequest(f"{path} must not be empty", param=path)
    request = PoolRequest(
        model=_model(body.model),
        task="embed",
        inputs=inputs,
        dimensions=body.dimensions,
        normalize=body.normalize is not False,
    )
    return EmbeddingCall(
        request=request,
        base64=body.encoding_format == "base64",
        user=body.user or "",
        ignored=tuple(screening.ignored),
    )


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
        progress=bool(body.return_progress and body.stream),
        lines=_lines(body),
        slot=None if body.id_slot == -1 else body.id_slot,
        priority=body.priority,
        cache_prompt=body.cache_prompt is not False,
        cache_salt=body.cache_salt or "",
    )


def _call(body: SharedBody, requests: Sequence[GenerateRequest], screening: Screening) -> Call:
    options = body.stream_options
    return Call(
        requests=tuple(requests),
        stream=bool(body.stream),
        include_usage=options is not None and bool(options.include_usage),
        continuous_usage=options is not None and bool(options.continuous_usage_stats),
        timings=bool(body.timings_per_token),
        obfuscated=options is not None and bool(options.include_obfuscation),
        stops_shown=bool(body.include_stop_str_in_output),
        keepalive_s=_keepalive(body.sse_ping_interval),
        user=body.user or "",
        ignored=tuple(screening.ignored),
    )


def _stream_options(body: SharedBody, given: Given, screening: Screening) -> None:
    raw = given.get("stream_options")
    if raw is not None and body.stream_options is not None:
        inner = _NAMES.decode(raw, "stream_options")
        screening.screen(inner, fields.STREAM_OPTIONS_HONOURED, fields.STREAM_OPTIONS, "stream_options.")


def _conversation(body: ChatBody, given: Given, screening: Screening) -> ChatPrompt:
    tools, choice = read_callable(given)
    messages = read_messages(_required(given, "messages"), screening)
    return ChatPrompt(
        messages,
        tools=tools,
        tool_choice=choice,
        # function_call has room for one
        parallel_tool_calls=body.parallel_tool_calls is not False
        and not ("functions" in given and tools)
        and not names_function(given.get("tool_choice")),
        thinking=read_thinking(body),
        template_kwargs=_variables(body),
        continue_final=_continues(body, messages, given["messages"]),
    )


def _variables(body: ChatBody) -> dict[str, JsonValue]:
    """What the model's template gets besides the conversation."""
    variables = body.chat_template_kwargs or {}
    if not body.documents:
        return variables
    if VARIABLE in variables:
        raise InvalidRequest("documents: chat_template_kwargs has them too; give one of them", param="documents")
    return {**variables, VARIABLE: body.documents}


def _begun(body: ChatBody, conversation: ChatPrompt) -> str:
    """vLLM's ``echo``: the assistant's message that the answer follows."""
    last = conversation.messages[-1]
    return last.content if body.echo and last.role == "assistant" else ""


def _continues(body: ChatBody, messages: Sequence[Message], raw: msgspec.Raw) -> bool:
    """Whether the answer goes on with the last message: as asked; else, as in llama-server, with the assistant's."""
    begins = "add_generation_prompt" if body.add_generation_prompt else ""
    begins = "continue_final_message" if body.continue_final_message is False else begins
    if begins and messages and asks_to_go_on(raw):
        path = f"messages[{len(messages) - 1}].prefix"
        raise InvalidRequest(f"{begins} and {path} contradict; give one of them", param=begins)
    last = messages[-1] if messages else None
    if body.continue_final_message and body.add_generation_prompt:
        raise InvalidRequest(
            "continue_final_message and add_generation_prompt contradict; give one of them",
            param="continue_final_message",
        )
    asked = body.continue_final_message
    if asked is None:
        begun = last is not None and last.role == "assistant" and bool(last.content) and not last.tool_calls
        asked = begun and not body.add_generation_prompt
    if body.add_generation_prompt is False and not asked:
        raise UnsupportedField(
            "add_generation_prompt can only be false where the last message is continued", param="add_generation_prompt"
        )
    return asked


def _gaps(prompts: Sequence[RawPrompt], body: CompletionBody) -> Sequence[Prompt]:
    """*prompts*, or with a ``suffix`` what stands before the gap that is to be filled."""
    if not body.suffix:
        return prompts
    if body.echo:
        raise InvalidRequest("echo and suffix contradict; give one of them", param="echo")
    texts = [prompt.text for prompt in prompts if isinstance(prompt, TextPrompt)]
    if len(texts) < len(prompts):
        raise InvalidRequest("suffix needs a prompt of text", param="suffix")
    return [InfillPrompt(text, body.suffix) for text in texts]


def _scoped(request: GenerateRequest, key: str | None) -> GenerateRequest:
    if not key:
        return request
    return msgspec.structs.replace(request, cache_salt=cache_scope(request.cache_salt, key))


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _limit(**given: int | None) -> int | None:
    """The most tokens, by whichever name."""
    found = [(name, value) for name, value in given.items() if value is not None]
    for name, value in found[1:]:
        if value != found[0][1]:
            raise InvalidRequest(f"{found[0][0]} and {name} differ; give one of them", param=name)
    return found[0][1] if found else None


def _limited(most: int | None) -> int | None:
    """llama-server's and LM Studio's -1 is no limit."""
    return None if most == UNLIMITED else most


def _lines(body: SharedBody) -> LineLimits | None:
    after_ms = body.t_max_predict_ms or 0
    if after_ms <= 0 and not body.n_indent:
        return None
    return LineLimits(after_s=after_ms / 1000 if after_ms > 0 else None, indent=body.n_indent or 0)


def _keepalive(interval: int | None) -> float | None:
    """Seconds of silence before a comment: llama-server's -1 and 0 have none, as far as that goes."""
    if interval is None:
        return None
    return KEEPALIVE_MAX_S if interval <= 0 else min(interval, KEEPALIVE_MAX_S)


def _alternatives(*, asked: bool, top: int | None) -> int | None:
    if asked:
        return top or 0
    if top:
        raise InvalidRequest("top_logprobs needs logprobs to be true", param="top_logprobs")
    return None


def _best_of(body: CompletionBody, call: Call) -> Call:
    """*call*, computing more answers than are sent where ``best_of`` asks for that."""
    n, best_of = body.n or 1, body.best_of
    if best_of is None or best_of == n:
        return call
    if best_of < n:
        raise InvalidRequest("best_of must not be less than n", param="best_of")
    if call.stream:
        raise InvalidRequest("best_of cannot be streamed: which answers are best is known at the end", param="best_of")
    requests = tuple(
        msgspec.structs.replace(request, n=best_of, logprobs=request.logprobs or 0) for request in call.requests
    )
    return msgspec.structs.replace(call, requests=requests, keep=n, scores_kept=body.logprobs is not None)
