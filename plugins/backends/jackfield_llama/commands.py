"""``jackfield gguf``: what is in a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jackfield.errors import JackfieldError, ModelLoadError

if TYPE_CHECKING:
    from jackfield_llama.inspection import FileReport


@click.group()
def gguf() -> None:
    """Look into GGUF model files."""


@gguf.command()
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: str, *, as_json: bool) -> None:
    """Show what model FILE holds, without loading its weights."""
    try:
        report = _inspect(str(Path(file).absolute()))
    except JackfieldError as error:
        click.echo(f"Error: {error.message}", err=True)
        raise SystemExit(1) from error
    if as_json:
        click.echo(json.dumps(report._asdict(), indent=2))
        return
    rows = {
        "file": f"{report.file}, {report.size_bytes / 2**20:,.1f} MiB",
        "name": report.title,
        "architecture": report.architecture,
        "quantisation": report.quantisation,
        "parameters": f"{report.parameters:,}",
        "context": f"{report.context_train:,} tokens",
        "vocabulary": f"{report.vocabulary:,} tokens",
        "chat template": "yes" if report.chat_template else "no",
    }
    width = max(map(len, rows))
    for label, value in rows.items():
        click.echo(f"{label:<{width}}  {value}")


def _inspect(path: str) -> FileReport:
    try:
        from jackfield_llama.inspection import inspect_file
    except ImportError as error:
        raise ModelLoadError(f"llama-cpp-python is not installed ({error}): pip install 'jackfield[llama]'") from error
    return inspect_file(path)
