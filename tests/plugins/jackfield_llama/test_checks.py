"""What ``jackfield doctor`` finds out about llama.cpp (``jackfield_checks``)."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

from jackfield.testing.kits.check import CheckKit
from jackfield_llama.checks import LibraryCheck, features


class TestConformance(CheckKit):
    """The kit."""

    manifest = 'enabled = ["llama-cpu"]'


def test_the_library_is_named_with_its_version() -> None:
    """Here it is installed."""
    pytest.importorskip("llama_cpp")
    result = LibraryCheck().run()
    assert importlib.metadata.version("llama-cpp-python") in result.message


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where the extra was left out."""
    monkeypatch.delitem(sys.modules, "jackfield_llama.library", raising=False)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setitem(sys.modules, "llama_cpp.llama_cpp", None)
    result = LibraryCheck().run()
    assert result.level == "error"
    assert "jackfield[llama]" in result.fix


def test_a_library_with_tiles_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would crash if it used them; as it does not, it is slower than it could be."""
    pytest.importorskip("llama_cpp")
    monkeypatch.setattr("jackfield_llama.library.system_info", lambda: "CPU : AVX2 = 1 | AMX_INT8 = 1 | ")
    result = LibraryCheck().run()
    assert result.level == "warn"
    assert "AMX" in result.message
    assert "-mno-amx-int8" in result.fix


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ("CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | AVX512 = 0 | ", ["AVX", "AVX2"]),
        ("CPU : NEON = 1 | ARM_FMA = 1 | SVE = 1 | ", ["NEON", "SVE"]),
        ("CPU : AVX = 12", []),
        ("", []),
    ],
)
def test_features_are_read_off_the_library(info: str, found: list[str]) -> None:
    """Only what is on."""
    assert features(info) == found
