"""One HTTP server that a command asks: clear errors, bounded waiting, bounded answers."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from jackfield.client.printable import printable_line
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

KEY_VARIABLE: Final = "JACKFIELD_API_KEY"
"""Environment variable with the API key."""

CONNECT_S: Final = 10.0
"""How long a connection may take to be made."""

SILENCE_S: Final = 300.0
"""How long a server may send nothing: long prompts on a small machine take minutes to be read."""

ANSWER_MAX: Final = 64 * 1024 * 1024
"""Most bytes of an answer that is not a stream."""

_SHOWN: Final = 300
"""Characters of an answer that is no JSON error, in messages."""

_UNAUTHORIZED: Final = 401
_JSON: Final = {"Content-Type": "application/json"}

_ALERT: Final = " alert "
"""In what OpenSSL says where the server has refused us."""


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


class Protection(NamedTuple):
    """TLS, as a command speaks it."""

    context: ssl.SSLContext
    certificate: Path | None
    """What is shown to servers that ask for it."""


class ApiFault(msgspec.Struct, frozen=True):
    """``error`` of an answer, or of an event of a stream."""

    message: str = ""
    code: str | int | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: ApiFault | str


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
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}".split("#")[0].split("?")[0].rstrip("/").removesuffix("/v1")


class Connection:
    """A connection pool to one server; an async context manager. One event loop.

    Parameters:
        url: Address; see ``base_url``.
        key: Sent as a Bearer token; None sends none.
        tls: What is trusted, and what is shown; None goes by the system's authorities, and shows nothing.
    """

    def __init__(self, url: str, key: str | None = None, tls: Protection | None = None) -> None:
        self.url: Final = base_url(url)
        self._tls = tls
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls.context if self._tls is not None else True),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer of status 200, while it is read.

        Parameters:
            method: Of HTTP.
            path: Begins with a slash.
            query: Parameters behind it.
            body: JSON.

        Raises:
            ApiError: The server refused the request, broke off, or could not be reached.
        """
        if self._session is None:
            raise RuntimeError("the client is not open")
        answered = False
        headers = _JSON if body is not None else None
        url = f"{self.url}{path}"
        try:
            async with self._session.request(method, url, params=query, data=body, headers=headers) as response:
                if response.status != 200:  # noqa: PLR2004
                    raise self._refused(response.status, await whole(response))
                answered = True
                yield response
        except TimeoutError as error:
            raise ApiError(f"{self.url} did not answer in time") from error
        except aiohttp.ClientError as error:
            raise (self._broken(error) if answered else self._unreachable(error)) from error

    def _refused(self, status: int, data: bytes) -> ApiError:
        if status == _UNAUTHORIZED and not self._headers:
            wanted = f"--key-file FILE, or the variable {KEY_VARIABLE}"
            return ApiError(f"{self.url} needs an API key: {wanted}", status=status)
        return _refused(status, data)

    def _broken(self, error: aiohttp.ClientError) -> ApiError:
        return ApiError(f"the connection to {self.url} broke ({type(error).__name__})")

    def _unreachable(self, error: aiohttp.ClientError) -> ApiError:
        unprotected = self._unprotected(error) if self.url.startswith("https:") else None
        if unprotected is not None:
            return unprotected
        if isinstance(error, aiohttp.ClientConnectorError):
            return ApiError(
                f"no server answers at {self.url} ({error.os_error.strerror or 'cannot connect'}); start one with:"
                " jackfield serve"
            )
        if isinstance(error, aiohttp.ServerDisconnectedError):
            return ApiError(f"{self.url} hung up without an answer; is it https://?")
        return self._broken(error)

    def _unprotected(self, error: aiohttp.ClientError) -> ApiError | None:
        """What TLS has come to, where that is why no answer came."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return ApiError(
                f"{self.url} shows a certificate that cannot be trusted ({_why(error.certificate_error)}); give the"
                " authority that has signed it, or the certificate itself, with: --ca FILE"
            )
        alert = _alert(error)
        if alert:
            return ApiError(f"{self.url} refuses the connection ({alert}); {self._shown()}")
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return ApiError(f"{self.url} does not speak TLS as it should ({_why(error.os_error)}); is it http://?")
        return ApiError(f"{self.url} hung up without an answer; {self._shown()}") if _hung_up(error) else None

    def _shown(self) -> str:
        """What may be wrong with what the server was shown of us: many hang up without a word."""
        if self._tls is None or self._tls.certificate is None:
            return "if it asks for a client's certificate, show one with: --cert FILE"
        return f"it may not accept the certificate in {self._tls.certificate}: has it ended, or who has signed it?"


def _alert(error: BaseException) -> str:
    """What the server's TLS has said that it refuses us for; empty where it has not."""
    cause = _cause(error)
    return _why(cause).partition(_ALERT)[2] if isinstance(cause, ssl.SSLError) else ""


def _hung_up(error: aiohttp.ClientError) -> bool:
    """Whether the server has, before or while it was asked."""
    kinds = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)
    return isinstance(error, kinds) or isinstance(_cause(error), kinds)


def _cause(error: BaseException) -> BaseException | None:
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error.__cause__


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "it cannot be verified"
    return (getattr(error, "reason", None) or type(error).__name__).replace("_", " ").lower()


async def whole(response: aiohttp.ClientResponse) -> bytes:
    """All of an answer.

    Raises:
        ApiError: It is too large.
    """
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
    failure = failed(error)
    failure.status = status
    return failure


def failed(error: ApiFault | str) -> ApiError:
    """What a server says has gone wrong."""
    if isinstance(error, str):
        return ApiError(printable_line(error))
    code = None if error.code is None else printable_line(str(error.code))
    return ApiError(printable_line(error.message) or "the server gave no reason", code=code)
