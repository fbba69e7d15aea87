"""The plugin's module: cheap to import in every process, and clear when its library is missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jackfield.errors import PluginError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel

_IMPORT = """
import os, sys
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
kernel.backends(), kernel.commands(), kernel.startup("gateway")
assert "GGML_NO_BACKTRACE" not in os.environ
kernel.startup("worker")
assert os.environ["GGML_NO_BACKTRACE"] == "1"
kernel.shutdown("worker", lambda error: sys.exit(str(error)))
loaded = {"llama_cpp", "numpy"} & set(sys.modules)
assert not loaded, loaded
"""


def test_hooks_load_neither_llama_cpp_nor_numpy() -> None:
    """A gateway enables the plugin too, and must not pay for it."""
    environment = {name: value for name, value in os.environ.items() if name != "GGML_NO_BACKTRACE"}
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr


def test_without_llama_cpp_python_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra is told its name."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    monkeypatch.setitem(sys.modules, "jackfield_llama.backend", None)
    with pytest.raises(PluginError, match=r"pip install 'jackfield\[llama\]'"):
        kernel.backends()["llama-cpu"]()


def test_two_instances_are_two_backends() -> None:
    """``edge=llama-cpu`` has a name and a table of its own."""
    refs = (InstanceRef("llama-cpu", "llama-cpu"), InstanceRef("edge", "llama-cpu"))
    manifest = Manifest(enabled=refs, kernel=KernelConfig(), config={"edge": {"threads": 2}})
    assert set(build_kernel(manifest).backends()) == {"llama-cpu", "edge"}
