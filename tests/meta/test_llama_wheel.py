"""The cache key of the llama.cpp wheel: a wheel compiled for another processor must never be taken."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT: Final = Path(__file__).parents[2] / "tools" / "build_llama_wheel.py"


@pytest.fixture
def tool() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("build_llama_wheel", SCRIPT)
    if spec is None or spec.loader is None:
        raise AssertionError(SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_key_is_stable(tool: ModuleType) -> None:
    """And the second build finds the first one's wheel."""
    assert tool.cache_key() == tool.cache_key()


@pytest.mark.parametrize("cause", ["cpu_features", "compiler_version"])
def test_another_machine_has_another_key(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, cause: str) -> None:
    """GGML_NATIVE compiles for the instruction sets of this processor; elsewhere that is an illegal instruction."""
    key = tool.cache_key()
    monkeypatch.setattr(tool, cause, lambda: "something else")
    assert tool.cache_key() != key


def test_another_locked_version_has_another_key(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After ``make lock`` the old wheel is not taken."""
    key = tool.cache_key()
    lock = tmp_path / "llama.lock"
    lock.write_text(tool.LOCK.read_text().replace("==0.", "==99."))
    monkeypatch.setattr(tool, "LOCK", lock)
    assert tool.cache_key() != key


def test_the_processors_features_are_read(tool: ModuleType) -> None:
    """An empty list would make all machines look alike."""
    if sys.platform == "linux":
        assert len(tool.cpu_features().split()) > 3


@pytest.mark.parametrize(("macro", "flags"), [("__AMX_INT8__", "-O1 -mno-amx-int8"), ("__AVX2__", "-O1")])
def test_it_is_compiled_without_tiles(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, macro: str, flags: str
) -> None:
    """Where the compiler would use AMX, with which llama.cpp crashes; and flags of one's own stay."""
    compiler = tmp_path / "c++"
    compiler.write_text(f"#!/bin/sh\necho '#define {macro} 1'\n")
    compiler.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CFLAGS", "-O1")
    monkeypatch.setenv("CXXFLAGS", "-O1")
    environment = tool.build_environment(2)
    assert (environment["CFLAGS"], environment["CXXFLAGS"]) == (flags, flags)


def test_only_a_whole_wheel_is_taken(tool: ModuleType, tmp_path: Path) -> None:
    """What an interrupted build leaves behind is not a wheel."""
    assert tool.cached_wheel(tmp_path / "absent") is None
    (tmp_path / "llama_cpp_python-0.3.36.tar.gz").touch()
    assert tool.cached_wheel(tmp_path) is None
    wheel = tmp_path / "llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl"
    wheel.touch()
    assert tool.cached_wheel(tmp_path) == wheel
