"""``jackfield gguf show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import jackfield
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield_llama.commands import gguf

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"
FIXTURES = Path(__file__).parents[2] / "fixtures"


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


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("base", {"tasks": "generate"}),
        ("embedding", {"tasks": "embed", "vectors": "32 components"}),
        ("rerank", {"tasks": "rerank"}),
        ("classify", {"tasks": "classify", "labels": "negative, neutral, positive"}),
        ("mixture", {"tasks": "generate", "experts": "4, 2 for each token"}),
    ],
)
def test_show_says_what_a_model_is_good_for(name: str, wanted: dict[str, str]) -> None:
    """Told from the file alone, without options."""
    result = CliRunner().invoke(gguf, ["show", str(FIXTURES / f"{name}.gguf")])
    rows = dict(line.split("  ", 1) for line in result.output.splitlines())
    facts = {
        label: value.strip() for label, value in rows.items() if label in ("tasks", "vectors", "labels", "experts")
    }
    assert facts == wanted


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
