"""The bodies of all requests together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jackfield.manifest import KernelConfig
from jackfield.types import Started

if TYPE_CHECKING:
    from tests.kernel.gateway.conftest import Serve, Served

LIMIT = 100_000
CONFIG = KernelConfig(body_limit_bytes=LIMIT, body_budget_bytes=LIMIT)


def held(served: Served) -> int:
    """Bytes of bodies that the gateway counts now."""
    return served.server._edge._bodies.held


def head(size: int) -> bytes:
    """Headers that announce a body of *size* bytes."""
    return b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size


@pytest.mark.parametrize("chunked", [False, True])
def test_no_room_beside_others(serve: Serve, *, chunked: bool) -> None:
    """503 with a delay, whether the size is announced or not; when the other body has gone there is room again."""
    served = serve(kernel=CONFIG)
    other = served.raw(head(LIMIT) + b"x" * 60_000)
    served.until(lambda: held(served) == 60_000)
    body = b"y" * 50_000
    connection = served.connection()
    connection.request("POST", "/length", iter([body]) if chunked else body, encode_chunked=chunked)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (503, "bodies_in_flight")
    assert response.getheader("Retry-After") == "1"
    assert response.getheader("x-should-retry") is None
    other.close()
    served.until(lambda: held(served) == 0)
    assert served.request("POST", "/length", body).read() == b"50000"


def test_what_is_only_announced_takes_nothing(serve: Serve) -> None:
    """Else a few silent clients could keep everybody out."""
    served = serve(kernel=CONFIG)
    for _ in range(5):
        served.raw(head(LIMIT))
    assert served.request("POST", "/length", b"x" * LIMIT).read() == str(LIMIT).encode()


def test_held_until_the_request_ends(serve: Serve) -> None:
    """A body is in memory as long as its handler may read it."""
    served = serve(kernel=CONFIG)
    worker = served.worker()
    body = json.dumps({"prompt": "x" * 50_000}).encode()
    connection = served.connection()
    connection.request("POST", "/generate", body)
    submit = worker.submitted()
    assert held(served) == len(body)
    worker.send(submit.id, Started(3, 16))
    worker.finish(submit.id, "hi")
    assert connection.getresponse().read() == b"hi"
    served.until(lambda: held(served) == 0)


@pytest.mark.parametrize("size", [LIMIT + 1, 3 * LIMIT])
def test_refused_bodies_are_not_counted_for_ever(serve: Serve, size: int) -> None:
    """One that turns out to be too large gives back what it took."""
    served = serve(kernel=CONFIG)
    connection = served.connection()
    connection.request("POST", "/length", iter([b"x" * size]), encode_chunked=True)
    assert connection.getresponse().status == 413
    served.until(lambda: held(served) == 0)


def test_budget_has_room_for_one_body() -> None:
    """A smaller one would refuse bodies that the limit allows."""
    with pytest.raises(ValueError, match="body_budget_bytes must be at least 2048"):
        KernelConfig(body_limit_bytes=2048, body_budget_bytes=2047)
