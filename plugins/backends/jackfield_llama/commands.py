"""``jackfield gguf``: what is in a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from jackfield.errors import JackfieldError, ModelLoadError

if TYPE_CHECKING:
    from jackfield.ports.backend import ModelInfo


@click.group()
def gguf() -> None:
    """Look into GGUF model files.

    \b
    Example:
      jackfield gguf show ./model.gguf
    """  # noqa: D301  \b is click's mark against wrapping


@gguf.command()
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: str, *, as_json: bool) -> None:
    """Show what model FILE holds, without loading its weights.

    \b
    Examples:
      jackfield gguf show ./model.gguf
      jackfield gguf show ./model.gguf --json
    """  # noqa: D301  \b is click's mark against wrapping
    try:
        info = _inspect(str(Path(file).absolute()))
    except JackfieldError as error:
        click.echo(f"Error: {error.message}", err=True)
        raise SystemExit(1) from error
    if as_json:
        click.echo(json.dumps({"file": Path(file).name, **msgspec.to_builtins(info)}, indent=2))
        return
    rows = {
        "file": f"{Path(file).name}, {info.size_bytes / 2**20:,.1f} MiB of weights",
        "name": info.title,
        "architecture": info.architecture,
        "tasks": ", ".join(info.tasks),
        "quantisation": info.quantisation,
        "parameters": f"{info.parameters:,}",
        "context": f"{info.context_train:,} tokens",
        "vocabulary": f"{info.vocabulary:,} tokens",
        "chat template": "yes" if info.has_chat_template else "no",
    }
    if info.labels:
        rows["labels"] = ", ".join(info.labels)
    if "embed" in info.tasks:
        rows["vectors"] = f"{info.embedding_size:,} components"
    if info.n_experts:
        rows["experts"] = f"{info.n_experts}, {info.n_experts_used} for each token"
    width = max(map(len, rows))
    for label, value in rows.items():
        click.echo(f"{label:<{width}}  {value}")


def _inspect(path: str) -> ModelInfo:
    try:
        from jackfield_llama.planning import inspect_file
    except ImportError as error:
        raise ModelLoadError(f"llama-cpp-python is not installed ({error}): pip install 'jackfield[llama]'") from error
    return inspect_file(path)
