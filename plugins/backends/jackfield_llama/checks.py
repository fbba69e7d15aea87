"""What ``jackfield doctor`` finds out about llama.cpp."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Final

from jackfield.ports.check import CheckResult

FEATURES: Final = ("AVX", "AVX2", "AVX512", "AMX_INT8", "NEON", "SVE")
"""Instruction sets that decide about speed, in the library's words."""


class LibraryCheck:
    """See ``jackfield.ports.check.Check``: does the library load, and for which processor was it built?"""

    def run(self) -> CheckResult:
        """Load it."""
        try:
            version = importlib.metadata.version("llama-cpp-python")
        except importlib.metadata.PackageNotFoundError:
            return CheckResult(
                level="error", message="llama-cpp-python is not installed", fix="pip install 'jackfield[llama]'"
            )
        try:
            from jackfield_llama.library import has_tiles, system_info
        except (ImportError, OSError, RuntimeError) as error:
            return CheckResult(
                level="error",
                message=f"llama-cpp-python {version} does not load: {error}",
                fix="install it anew: pip install --force-reinstall --no-cache-dir 'jackfield[llama]'",
            )
        built = features(system_info())
        text = f"llama-cpp-python {version} for {', '.join(built) or 'any processor'}"
        if not {"AVX2", "AVX512", "NEON", "SVE"}.intersection(built):
            return CheckResult(
                level="warn",
                message=text,
                fix="build it on this machine: pip install --no-binary llama-cpp-python 'jackfield[llama]'",
            )
        if has_tiles():
            return CheckResult(
                level="warn",
                message=f"{text}, whose AMX cannot be used: weights are not repacked, and prompts are slower",
                fix="build it without: CFLAGS=-mno-amx-int8 CXXFLAGS=-mno-amx-int8 pip install --force-reinstall "
                "--no-cache-dir --no-binary llama-cpp-python 'jackfield[llama]'",
            )
        return CheckResult(level="ok", message=text)


def features(info: str) -> list[str]:
    """Names in ``llama_print_system_info`` that are on: ``AVX2 = 1``."""
    on = set(re.findall(r"(\w+) = 1\b", info))
    return [name for name in FEATURES if name in on]
