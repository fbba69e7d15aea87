"""A small client of OpenAI's chat API, for people's commands: clear errors, bounded waiting, streams event by event."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import msgspec

from jackfield.client.printable import printable_line
from jackfield.errors import JackfieldError
from jackfield.sse import SseError, SseEvent, SseParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from types import TracebackType

KEY_VARIABLE: Final = "JACKFIELD_API_KEY"
"""Environment variable with the API key."""

CONNECT_S: Final = 10.0
"""How long a connection may take to be made."""

SILENCE_S: Final = 300.0
"""How long a server may send nothing: long prompts on a small machine take minutes to be read."""

ANSWER_MAX: Final = 64 * 1024 * 1024
"""Most bytes of an answer that is not a stream."""

_DONE: Final = "[DONE]"
_SHOWN: Final = 300
"""Characters of an answer that is no JSON error, in messages."""


class ApiError(JackfieldError):
    """The server refused or broke the request, or could not be reached.

    Parameters:
        message: For people, with what to do.
        status: HTTP status; None where no answer came, or the error came inside a stream.
        code: The server's ``error.code``.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ChatTurn(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = True


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of ``POST /v1/chat/completions``; what is None is not sent."""

    model: str
    messages: tuple[ChatTurn, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class PromptDetails(msgspec.Struct, frozen=True):
    """Of a prompt's tokens."""

    cached_tokens: int | None = None
    """Those that were not computed, because they had been before."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None
    """None where the server says nothing of them."""

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that were not computed, as far as the server says so."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0


class AnswerText(msgspec.Struct, frozen=True):
    """The next part of the answer; never empty."""

    text: str


class AnswerEnd(msgspec.Struct, frozen=True):
    """The last event of an answer."""

    finish_reason: str | None
    usage: Usage | None
    """None where the server sends none."""


AnswerEvent: TypeAlias = AnswerText | AnswerEnd


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: str | int | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    usage: Usage | None = None
    error: _Error | str | None = None


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error | str


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def base_url(text: str) -> str:
    """The address under which ``/v1`` stands, from what a user typed: with or without scheme, ``/v1`` or final slash.

    Raises:
        ApiError: It is no HTTP address.
    """
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ApiError(f"{printable_line(text)} is no server address; give one such as http://127.0.0.1:8080")
    return url.split("#")[0].split("?")[0].rstrip("/").removesuffix("/v1")


class ApiClient:
    """A connection pool to one server; an async context manager. One event loop.

    Parameters:
        url: Address; see ``base_url``.
        key: Sent as a Bearer token; None sends none.
        ca: PEM file with the authorities that may have signed the server's certificate; None goes by the system's.

    Raises:
        ApiError: There is no authority in the file.
    """

    def __init__(self, url: str, key: str | None = None, ca: Path | None = None) -> None:
        self._url = base_url(url)
        self._trusted = _trusted(ca) if ca is not None else True
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._trusted),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def models(self) -> list[str]:
        """Names of the server's models.

        Raises:
            ApiError: No server answers, or it does not speak this dialect.
        """
        try:
            async with self._opened().get(f"{self._url}/v1/models") as response:
                data = await _whole(response)
                if response.status != 200:  # noqa: PLR2004
                    raise self._refused(response.status, data)
                return [model.id for model in msgspec.json.decode(data, type=_Models).data]
        except msgspec.MsgspecError as error:
            raise ApiError(f"{self._url} does not speak OpenAI's dialect: /v1/models is no list of models") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def chat(self, request: ChatRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Stream the answer to *request*: texts, then one ``AnswerEnd``. Closing the generator hangs up.

        Raises:
            ApiError: The server refused the request, broke the stream, or could not be reached.
        """
        try:
            body = msgspec.json.encode(msgspec.structs.replace(request, stream=True, stream_options=_StreamOptions()))
        except UnicodeEncodeError as error:
            raise ApiError("the message is not UTF-8 text") from error
        headers = {"Content-Type": "application/json"}
        try:
            async with self._opened().post(f"{self._url}/v1/chat/completions", data=body, headers=headers) as response:
                if response.status != 200:  # noqa: PLR2004
                    raise self._refused(response.status, await _whole(response))
                async for event in _events(response):
                    yield event
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session

    def _refused(self, status: int, data: bytes) -> ApiError:
        if status == 401 and not self._headers:  # noqa: PLR2004
            return ApiError(
                f"{self._url} needs an API key: --key-file FILE, or the variable {KEY_VARIABLE}", status=401
            )
        return _refused(status, data)

    def _unreachable(self, error: Exception) -> ApiError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return ApiError(
                f"{self._url} shows a certificate that cannot be trusted ({_why(error.certificate_error)}); give the"
                " authority that has signed it, or the certificate itself, with: --ca FILE"
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return ApiError(f"{self._url} does not speak TLS as it should ({_why(error.os_error)}); is it http://?")
        if isinstance(error, aiohttp.ClientConnectorError):
            return ApiError(
                f"no server answers at {self._url} ({error.os_error.strerror or 'cannot connect'}); start one with:"
                " jackfield serve"
            )
        if isinstance(error, TimeoutError):
            return ApiError(f"{self._url} did not answer in time")
        if isinstance(error, aiohttp.ServerDisconnectedError) and self._url.startswith("http://"):
            return ApiError(f"{self._url} hung up without an answer; is it https://?")
        return ApiError(f"the connection to {self._url} broke ({type(error).__name__})")


def _trusted(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise ApiError(f"{ca} has no certificate of an authority (PEM)") from error


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "it cannot be verified"
    return (getattr(error, "reason", None) or type(error).__name__).replace("_", " ").lower()


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[AnswerEvent, None]:
    parser, reason, usage = SseParser(strict=False), None, None
    try:
        async for data in response.content.iter_any():
            for item in parser.feed(data):
                if not isinstance(item, SseEvent):
                    continue
                if item.data == _DONE:
                    yield AnswerEnd(reason, usage)
                    return
                chunk = _CHUNK.decode(item.data)
                if chunk.error is not None:
                    raise _failed(chunk.error)
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    text = choice.delta.content or choice.delta.reasoning_content
                    if text:
                        yield AnswerText(text)
    except (SseError, msgspec.MsgspecError) as error:
        raise ApiError(f"the server's stream cannot be read: {printable_line(str(error))}") from error
    raise ApiError("the stream broke off before its end")


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for part in response.content.iter_any():
        data += part
        if len(data) > ANSWER_MAX:
            raise ApiError(f"the server's answer is larger than {ANSWER_MAX} bytes")
    return bytes(data)


def _refused(status: int, data: bytes) -> ApiError:
    try:
        error = msgspec.json.decode(data, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ApiError(f"the server answered {status}: {printable_line(data.decode(errors='replace'))[:_SHOWN]}")
    failure = _failed(error)
    failure.status = status
    return failure


def _failed(error: _Error | str) -> ApiError:
    if isinstance(error, str):
        return ApiError(printable_line(error))
    code = None if error.code is None else printable_line(str(error.code))
    return ApiError(printable_line(error.message) or "the server gave no reason", code=code)
