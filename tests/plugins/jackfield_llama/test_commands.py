"""``jackfield gguf show``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

import jackfield
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield_llama.commands import gguf

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"


def test_show_says_what_is_in_the_file() -> None:
    """For people: one line per fact."""
    result = CliRunner().invoke(gguf, ["show", str(DEMO)])
    assert result.exit_code == 0
    facts = dict(line.split("  ", 1) for line in result.output.splitlines())
    assert facts["architecture"].strip() == "llama"
    assert facts["quantisation"].strip() == "Q8_0"
    assert facts["context"].strip() == "2,048 tokens"
    assert facts["chat template"].strip() == "yes"


def test_show_json_is_for_programs() -> None:
    """The same facts with stable keys."""
    result = CliRunner().invoke(gguf, ["show", "--json", str(DEMO)])
    facts = json.loads(result.output)
    assert facts["file"] == "demo.gguf"
    assert facts["vocabulary"] == 2048
    assert facts["parameters"] > 10**6
    assert 10**6 < facts["size_bytes"] < DEMO.stat().st_size
    assert facts["has_chat_template"] is True


def test_a_file_that_is_no_model_ends_with_1(tmp_path: Path) -> None:
    """The reason goes to stderr."""
    path = tmp_path / "page.gguf"
    path.write_text("<html>")
    result = CliRunner().invoke(gguf, ["show", str(path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: page.gguf is not a GGUF file")
    assert result.stdout == ""


def test_the_plugin_hands_the_command_over() -> None:
    """``jackfield`` finds it through the hook."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    assert "gguf" in [command.name for _, command in kernel.commands()]
