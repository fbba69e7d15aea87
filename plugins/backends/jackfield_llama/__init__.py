"""llama.cpp on the CPU: any GGUF model, many sequences in one unified KV pool."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from jackfield import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click
    import msgspec

    from jackfield import PluginInstance
    from jackfield.hookspecs import ProcessKind
    from jackfield.ports.backend import Backend, BackendFactory
    from jackfield.ports.check import Check, CheckFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Options of the backend."""
    from jackfield_llama.config import LlamaConfig

    return LlamaConfig


@hookimpl
def jackfield_backends(instance: PluginInstance) -> Mapping[str, BackendFactory]:
    """One backend, under the instance's name."""

    def make() -> Backend:
        from jackfield.errors import PluginError

        try:
            from jackfield_llama.backend import LlamaBackend
        except ImportError as error:
            raise PluginError(
                f"plugin {instance.name} needs llama-cpp-python ({error}): pip install 'jackfield[llama]'"
            ) from error
        return LlamaBackend(instance)

    return {instance.name: make}


@hookimpl
def jackfield_startup(process: ProcessKind) -> None:
    """Set what ggml reads from the environment; the library itself is loaded by the worker that needs it."""
    if process == "worker":
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")


@hookimpl
def jackfield_shutdown() -> None:
    """Free the library, if this process loaded it."""
    if "jackfield_llama.runtime" in sys.modules:
        from jackfield_llama.runtime import RUNTIME

        RUNTIME.stop()


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the library loads, and what it can use of this machine."""

    def make() -> Check:
        from jackfield_llama.checks import LibraryCheck

        return LibraryCheck()

    return {f"{instance.name} library": make}


@hookimpl
def jackfield_commands() -> Sequence[click.Command]:
    """``jackfield gguf``."""
    from jackfield_llama.commands import gguf

    return [gguf]
