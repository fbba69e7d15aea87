"""The limit on open files."""

from __future__ import annotations

import resource

import pytest

from jackfield.open_files import MOST, open_files_limit, raise_open_files_limit

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 4096, (4096, 4096)),
        (4096, 4096, None),
        (1024, INFINITE, (MOST, INFINITE)),
        (1024, 10 * MOST, (MOST, 10 * MOST)),
        (2 * MOST, 10 * MOST, None),
        (INFINITE, INFINITE, None),
    ],
)
def test_soft_limit_goes_up_to_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: tuple[int, int] | None
) -> None:
    """As far as systems allow, and never down."""
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: done.append(limits))
    raise_open_files_limit()
    assert done == ([raised] if raised else [])


@pytest.mark.parametrize("error", [OSError("no"), ValueError("no")])
def test_a_system_that_does_not_allow_it(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """What there is must do: the number of connections is bounded by it."""

    def refuse(_which: int, _limits: tuple[int, int]) -> None:
        raise error

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_open_files_limit()
    assert open_files_limit() == 256


def test_no_limit_counts_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number to compute with."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (INFINITE, INFINITE))
    assert open_files_limit() == MOST
