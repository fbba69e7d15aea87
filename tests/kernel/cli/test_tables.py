"""Quantities as people read them."""

from __future__ import annotations

import os

import pytest

from jackfield.cli.tables import duration, print_facts, print_table, size
from jackfield.supervisor.usage import Usage, usage


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (5 * 2**20, "5 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**50, "1,048,576.0 GiB"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    """In the largest unit that is not zero."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.9, "0s"),
        (59, "59s"),
        (61, "1m 1s"),
        (3600, "1h 0m"),
        (90061, "1d 1h"),
        (8640000, "100d 0h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """The two largest units."""
    assert duration(seconds) == text


def test_tables_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as what is in them; what is empty is left out."""
    print_table(("A", "LONG"), [("wide", ""), ("b", "c")])
    print_facts([("name", "x"), ("nothing", ""), ("longer", "y")])
    print_facts([])
    assert capsys.readouterr().out == "A     LONG\nwide\nb     c\nname    x\nlonger  y\n"


def test_usage_of_a_process() -> None:
    """This one has memory and a thread; one that has ended has nothing."""
    mine = usage(os.getpid())
    assert (mine.memory_bytes or 0) > 1_000_000
    assert (mine.threads or 0) >= 1
    assert usage(2**22 + 1) == Usage()
