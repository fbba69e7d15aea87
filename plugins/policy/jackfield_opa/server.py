"""An OPA that runs elsewhere, asked over its REST data API.

``POST /v1/data/PACKAGE/RULE`` with ``{"input": …}`` is answered with ``{"result": …}``; an answer without ``result``
means that the rule is undefined (https://www.openpolicyagent.org/docs/latest/rest-api/#get-a-document-with-input).
"""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog

from jackfield.errors import ManifestError, PolicyUnavailable
from jackfield.ports.policy import Explanation
from jackfield_opa.answers import InvalidAnswer, decision_of, denied
from jackfield_opa.cache import DecisionCache
from jackfield_opa.questions import NOT_ASKED, Unaskable, encode, timeless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.ports.policy import Decision, PolicyInput, PolicyTest
    from jackfield.secret import Secret
    from jackfield_opa.config import OpaConfig
    from jackfield_opa.failure import FailurePolicy

ANSWER_MAX: Final = 1 << 20
"""Longest answer of OPA, in bytes: explanations are long."""

NOTES_MAX: Final = 100
"""Most lines of an explanation."""


class _Answer(msgspec.Struct):
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    decision_id: str = ""
    explanation: tuple[str, ...] = ()


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ERROR: Final = msgspec.json.Decoder(_Error)


class NoAnswer(Exception):
    """OPA cannot be asked; the message says why."""


class ServerEngine:
    """A ``PolicyEngine`` and ``PolicyWorkbench`` with a ``Condition``, and ``Reloading``. Event loop thread.

    Parameters:
        name: Of the engine.
        config: Where OPA is.
        ca: File with the certificates that may have signed that of OPA; None for the system's.
        token: Reads the token for OPA; None: there is none.
        failure: What becomes of what nobody decides.

    Raises:
        ManifestError: The file with certificates cannot be used.
    """

    def __init__(
        self, name: str, config: OpaConfig, ca: Path | None, token: Callable[[], Secret] | None, failure: FailurePolicy
    ) -> None:
        self._name = name
        self._config = config
        self._read_token = token
        self._token = token() if token is not None else None
        self._failure = failure
        self._tls = _tls(ca, config.ca) if config.url.startswith("https:") else None
        self._url = _url(config)
        self._cache = DecisionCache(config.cache_ttl_ms / 1000, config.cache_entries)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._fault = ""

    @property
    def troubles(self) -> Sequence[str]:
        """That OPA has not answered the last question, and that it fails open."""
        fault = [f"OPA cannot be asked: {self._fault}"] if self._fault else []
        return [*self._failure.troubles, *fault]

    async def reload(self) -> None:
        """See ``Reloading``: the token may be another one."""
        if self._read_token is not None:
            self._token = await asyncio.to_thread(self._read_token)

    async def decide(self, question: PolicyInput) -> Decision:
        try:
            document = encode(question)
        except Unaskable:
            return NOT_ASKED
        key = timeless(document)
        decision = None if self._closed else self._cache.get(key)
        if decision is not None:
            return decision
        try:
            decision = decision_of(_value(await self._asked(document)))
        except InvalidAnswer as error:
            return denied(self._name, error)
        except NoAnswer as error:
            if self._closed:
                raise PolicyUnavailable(str(error)) from error
            return self._failure.undecided(question, str(error))
        self._cache.put(key, decision)
        return decision

    async def explain(self, question: PolicyInput) -> Explanation:
        try:
            answer = await self._asked(encode(question), {"explain": "notes", "pretty": "true"})
            decision = decision_of(_value(answer))
        except (InvalidAnswer, NoAnswer, Unaskable) as error:
            raise PolicyUnavailable(f"OPA gives no decision: {error}") from error
        logged = [f"OPA's decision id: {answer.decision_id}"] if answer.decision_id else []
        notes = [*logged, *answer.explanation[:NOTES_MAX]]
        return Explanation(decision=decision, policies=[self._config.decision], notes=notes)

    async def test(self) -> Sequence[PolicyTest]:
        raise ManifestError("an OPA server does not run tests: run `opa test` where its policies are kept")

    async def close(self) -> None:
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _asked(self, document: bytes, options: dict[str, str] | None = None) -> _Answer:
        if self._closed:
            raise NoAnswer("the engine is closed")
        try:
            async with asyncio.timeout(self._config.deadline_ms / 1000):
                answer = await self._post(b'{"input":' + document + b"}", options)
        except TimeoutError:
            raise self._failed(f"no answer within {self._config.deadline_ms} ms") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._failed(_reason(error)) from error
        if self._fault:
            self._fault = ""
            structlog.get_logger("jackfield.opa").info("OPA answers again", engine=self._name)
        return answer

    async def _post(self, body: bytes, options: dict[str, str] | None) -> _Answer:
        if self._session is None:
            self._session = self._made_session()
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        request = self._session.post(self._url, data=body, headers=headers, params=options, allow_redirects=False)
        async with request as response:
            content = await _bounded(response)
            if response.status != HTTPStatus.OK:
                raise self._failed(f"it answers {response.status}{_code(content)}")
        try:
            return _ANSWER.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._failed("its answer is not that of OPA") from None

    def _made_session(self) -> aiohttp.ClientSession:
        path = urlsplit(self._config.url).path if self._config.url.startswith("unix:") else ""
        limit = self._config.connections
        connector: aiohttp.BaseConnector
        if path:
            connector = aiohttp.UnixConnector(path, limit=limit)
        else:
            connector = aiohttp.TCPConnector(limit=limit, ssl=self._tls if self._tls is not None else True)
        # our own deadline is around it; cookies, proxies and .netrc of the environment have no business here
        return aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar()
        )

    def _failed(self, reason: str) -> NoAnswer:
        if not self._fault:
            structlog.get_logger("jackfield.opa").error("OPA cannot be asked", engine=self._name, reason=reason)
        self._fault = reason
        return NoAnswer(reason)


def _reason(error: Exception) -> str:
    """What is the matter, without addresses: callers may be told it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not one that we trust"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "no connection to it"
    return "it does not speak HTTP as OPA does"


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = b""
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > ANSWER_MAX:
            raise ValueError("too long")
    return content


def _value(answer: _Answer) -> msgspec.Raw | None:
    return None if isinstance(answer.result, msgspec.UnsetType) else answer.result


def _code(content: bytes) -> str:
    """OPA's code for an error, ``invalid_parameter`` or the like; its message may have parts of the input in it."""
    try:
        code = _ERROR.decode(content).code
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return f" {code}" if code.isidentifier() else ""


def _url(config: OpaConfig) -> str:
    base = "http://opa" if config.url.startswith("unix:") else config.url.rstrip("/")
    return f"{base}/v1/data/{config.decision.replace('.', '/')}"


def _tls(ca: Path | None, shown: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ManifestError(f"the certificates in {shown} cannot be used: {error.strerror or error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
