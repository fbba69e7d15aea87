"""What handlers of all dialects do with a request and its answer, besides decoding and encoding."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from jackfield.errors import MalformedBody
from jackfield.frontends.rules import IGNORED_SHOWN
from jackfield.ports.frontend import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IGNORED_HEADER: Final = "x-jackfield-ignored"
"""Lists the fields of a request that were left out."""

IGNORED: Final = Parameter(
    name=IGNORED_HEADER, where="header", description="Fields of the request that were left out, with commas between"
)
"""It, for the server's description."""

_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


async def read_body(request: web.Request) -> bytes:
    """The body, which must be UTF-8, whatever its ``Content-Type``.

    Raises:
        MalformedBody: It says that it is in another encoding.
    """
    charset = request.charset
    if charset is not None and charset.lower() not in _CHARSETS:
        raise MalformedBody("the body must be UTF-8, as JSON is")
    return await request.read()


def ignored_header(paths: Sequence[str]) -> Mapping[str, str]:
    """The header that lists *paths*, which a ``Screening`` left out; none where there are none."""
    if not paths:
        return {}
    # names are the client's own: quoting keeps line breaks and other scripts out of the header
    names = [quote(path, safe="[].") for path in paths[:IGNORED_SHOWN]]
    if len(paths) > IGNORED_SHOWN:
        names.append("...")
    return {IGNORED_HEADER: ",".join(names)}


def json_answer(body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    """*body*, which is JSON, as a whole answer."""
    return web.Response(body=body, content_type="application/json", headers=headers)


async def sliced_answer(
    request: web.Request, slices: Iterator[bytes], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send JSON that is encoded slice by slice, so that neither memory nor the streams of others feel how long it is.

    Parameters:
        request: What it answers.
        slices: At least one; each is made when the one before has gone out.
        headers: Besides the content type.
    """
    first, second = next(slices), next(slices, None)
    if second is None:
        return json_answer(first, headers)
    response = web.StreamResponse(headers={**headers, "Content-Type": "application/json"})
    await response.prepare(request)
    for piece in chain((first, second), slices):
        await response.write(piece)
        await asyncio.sleep(0)
    await response.write_eof()
    return response
