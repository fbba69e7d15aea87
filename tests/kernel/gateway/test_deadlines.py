"""``x-request-timeout-ms``."""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from jackfield.errors import InvalidRequest
from jackfield.gateway.deadlines import HEADER, LONGEST_MS, deadline
from jackfield.manifest import KernelConfig

if TYPE_CHECKING:
    from tests.kernel.gateway.conftest import Serve, Served


def of(*values: str, default_s: float = 0.0) -> float | None:
    """The deadline of a request that arrived at 100."""
    return deadline(CIMultiDictProxy(CIMultiDict([(HEADER, value) for value in values])), 100.0, default_s)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1", 0.001), ("250", 0.25), ("0.5", 0.0005), ("1500.25", 1.50025), (str(LONGEST_MS), 86_400.0), ("007", 0.007)],
)
def test_it_counts_from_the_arrival(value: str, seconds: float) -> None:
    """In seconds; the configured default gives way."""
    assert of(value, default_s=5) == pytest.approx(100 + seconds)


@pytest.mark.parametrize(("default_s", "expected"), [(0.0, None), (2.5, 102.5)])
def test_without_the_header(default_s: float, expected: float | None) -> None:
    """The configured default holds; 0 is none."""
    assert of(default_s=default_s) == expected


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ["0"],
        ["0.0"],
        ["-1"],
        ["+1"],
        ["1e3"],
        ["nan"],
        ["inf"],
        ["1s"],
        ["1,5"],
        [" 1"],
        [".5"],
        ["5."],
        ["1_000"],
        ["\u0661"],
        [str(LONGEST_MS + 1)],
        ["9" * 5000],
        ["1", "1"],
    ],
)
def test_what_is_no_time_is_refused(values: list[str]) -> None:
    """By name."""
    with pytest.raises(InvalidRequest, match="the header x-request-timeout-ms must be one positive number") as caught:
        of(*values)
    assert caught.value.param == HEADER


def test_refused_before_the_body_is_read(served: Served) -> None:
    """400 that names the header, in the dialect."""
    client = served.raw(
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nX-Request-Timeout-Ms: soon\r\nContent-Length: 10\r\n\r\nabc"
    )
    response = http.client.HTTPResponse(client)
    response.begin()
    error = json.loads(response.read())
    assert (response.status, error["code"], error["param"]) == (400, "invalid_value", HEADER)


def test_the_body_counts(served: Served) -> None:
    """A body that is not there at the deadline is 408 at once, however patient the server is."""
    started = time.monotonic()
    client = served.raw(
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nX-Request-Timeout-Ms: 50\r\nContent-Length: 10\r\n\r\nabc"
    )
    response = http.client.HTTPResponse(client)
    response.begin()
    assert (response.status, json.loads(response.read())["code"]) == (408, "deadline_exceeded")
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize("by_header", [True, False])
def test_it_reaches_the_worker(serve: Serve, *, by_header: bool) -> None:
    """As what is left of it; also where it is only configured."""
    served = serve(kernel=KernelConfig(request_timeout_s=0 if by_header else 60))
    worker = served.worker()
    headers = {"X-REQUEST-TIMEOUT-MS": "60000"} if by_header else {}
    connection = served.connection()
    connection.request("POST", "/generate", b'{"prompt": "hi"}', headers)
    submit = worker.submitted()
    assert submit.timeout_s is not None
    assert 0 < submit.timeout_s <= 60
