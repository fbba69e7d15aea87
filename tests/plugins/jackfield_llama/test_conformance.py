"""The backend passes the kit, and so does the scripted one, which shows that the kit asks for no llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jackfield
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.testing import scripted
from jackfield.testing.kits.backend import BackendKit

if TYPE_CHECKING:
    from jackfield.ports.backend import Backend

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"


def _backend(name: str, plugin: str) -> Backend:
    kernel = build_kernel(Manifest(enabled=(InstanceRef(name, plugin),), kernel=KernelConfig()))
    return kernel.backends()[name]()


def _asked(question: str) -> str:
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


class TestLlama(BackendKit):
    """llama.cpp with the demo model, asked what it knows well."""

    prompts = (_asked("Hello"), _asked("What is the capital of France?"), _asked("What is 2 + 3?"))

    def backend(self) -> Backend:
        return _backend("llama-cpu", "llama-cpu")

    def spec(self) -> ModelSpec:
        return ModelSpec(name="demo", path=str(DEMO), options={"threads": 1})


class TestLlamaDeterministic(TestLlama):
    """The same, with the promise that the kit then holds it to."""

    pool = "auto"

    def spec(self) -> ModelSpec:
        return ModelSpec(name="demo", path=str(DEMO), options={"threads": 1, "deterministic": True})


class TestScripted(BackendKit):
    """A backend of a few lines, without a model."""

    def backend(self) -> Backend:
        return _backend("scripted", scripted.__file__)

    def spec(self) -> ModelSpec:
        return ModelSpec(name="demo", path=str(DEMO))
