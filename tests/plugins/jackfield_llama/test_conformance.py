"""The backend passes the kit, and so does the scripted one, which shows that the kit asks for no llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import tomli

import jackfield_llama
from jackfield.testing import scripted
from jackfield.testing.kits.backend import BackendKit
from jackfield.testing.kits.backend_reuse import ReusePromises
from jackfield.testing.kits.config import ConfigKit

if TYPE_CHECKING:
    from jackfield.manifest import Table

TOLD: Table = tomli.loads(Path(jackfield_llama.__file__).with_name("verify.toml").read_text())["llama-cpu"]["backend"]
"""What ``jackfield verify llama-cpu`` tells the kit too: the demo model, asked what it knows well."""


class TestLlama(BackendKit):
    """llama.cpp with the demo model."""

    manifest = 'enabled = ["llama-cpu"]'
    needs: ClassVar[Table] = TOLD


class TestLlamaDeterministic(BackendKit):
    """The same, with the promise that the kit then holds it to."""

    manifest = 'enabled = ["llama-cpu"]'
    needs: ClassVar[Table] = {**TOLD, "options": {"threads": 1, "deterministic": True}, "kv_tokens": "auto"}


class TestScripted(BackendKit):
    """A backend of a few lines, without a model."""

    manifest = f'enabled = ["scripted={scripted.__file__}"]'
    needs: ClassVar[Table] = {"source": "jackfield:demo"}


class TestScriptedWhole(ReusePromises):
    """The same, each sequence with cells of its own."""

    manifest = f'enabled = ["scripted={scripted.__file__}"]\n[config.scripted]\nreuse = "whole"'
    needs: ClassVar[Table] = {"source": "jackfield:demo"}


class TestScriptedCheckpoints(ReusePromises):
    """The same, back only to where a checkpoint was taken."""

    manifest = f'enabled = ["scripted={scripted.__file__}"]\n[config.scripted]\nreuse = "checkpoints"'
    needs: ClassVar[Table] = {"source": "jackfield:demo"}


class TestOptions(ConfigKit):
    """``[config.llama-cpu]``."""

    manifest = 'enabled = ["llama-cpu"]'
    name = "llama-cpu"
