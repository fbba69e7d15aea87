"""How vectors are scaled."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_llamacpp.asking import asked

from jackfield.testing.kits.scripted_gateway import ScriptedGateway
from jackfield_llamacpp.pooled import EUCLIDEAN, scaled


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (-1, [3.0, -4.0]),
        (0, [0.75 * 32760, -32760.0]),
        (1, [3 / 7, -4 / 7]),
        (2, [3.0, -4.0]),
        (3, [3 / 91 ** (1 / 3), -4 / 91 ** (1 / 3)]),
    ],
)
def test_norms(norm: int, expected: list[float]) -> None:
    """Those of ``common_embd_normalize``; the worker has done the Euclidean one."""
    assert scaled([3.0, -4.0], norm) == pytest.approx(expected)
    assert scaled([0.0, 0.0], norm) == [0.0, 0.0]


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8),
    st.integers(-1, 2**31 - 1),
)
def test_no_norm_overflows(vector: list[float], norm: int) -> None:
    """However large the numbers are, and the power."""
    assert all(map(math.isfinite, scaled(vector, norm)))


def test_what_the_worker_does() -> None:
    """The Euclidean norm, and no other."""
    gateway = ScriptedGateway()
    for norm in (None, EUCLIDEAN, 1, 0, -1):
        asked(gateway, "/embedding", {"content": "a", "embd_normalize": norm})
    assert [request.normalize for request in gateway.pool_requests] == [True, True, False, False, False]
