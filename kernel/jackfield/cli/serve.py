"""``jackfield serve``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from jackfield.cli.options import json_option, manifest_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.manifest import Manifest
    from jackfield.ports.backend import OptionValue
    from jackfield.supervisor.report import Report


def _complete_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell does it: MODEL is usually a path."""
    return [CompletionItem(incomplete, type="file")]


@click.command("serve")
@click.argument("model", required=False, shell_complete=_complete_files)
@manifest_options
@click.option("--context", type=click.IntRange(min=8), metavar="TOKENS", help="Longest request, prompt and answer.")
@click.option("--listen", metavar="HOST:PORT", help="Address of the API. Port 0 takes a free one.")
@click.option("--health", metavar="HOST:PORT", help="Address of /livez, /readyz and /metrics.")
@json_option
def command(
    model: str | None,
    file: Path | None,
    sets: tuple[str, ...],
    context: int | None,
    listen: str | None,
    health: str | None,
    *,
    as_json: bool,
) -> int:
    """Serve models over HTTP: MODEL, or those of the manifest, or a small demo model.

    MODEL is the path of a model file; it replaces the models of the manifest.

    \b
    Examples:
      jackfield serve
      jackfield serve ./model.gguf --context 8192
      jackfield serve --config plugins.toml --listen 127.0.0.1:0 --json

    SIGTERM and Ctrl-C let running requests finish (kernel.drain_s); a second one ends at once. SIGHUP reads
    kernel.log_level, the scheduler's options, secrets and the certificate again, and nothing else.
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.manifest_layers import load_manifest
    from jackfield.supervisor.supervisor import Supervisor

    addresses = [
        f"kernel.{key}={json.dumps(value)}"
        for key, value in (("listen", listen), ("health", health))
        if value is not None
    ]
    manifest = _manifest(file, [*sets, *addresses], model, context)

    def reread() -> Manifest:
        # the same file, wherever it was found; without it the packaged defaults would take its place
        return load_manifest(Path(manifest.file) if manifest.file else None, sets=[*sets, *addresses])

    return Supervisor(manifest, _report(manifest, as_json=as_json), reread=reread).run()


def _manifest(file: Path | None, sets: Sequence[str], model: str | None, context: int | None) -> Manifest:
    from jackfield.manifest_layers import load_manifest

    if model is not None:
        return load_manifest(file, sets=sets, models=one_model(model, context))
    manifest = load_manifest(file, sets=sets)
    if context is None:
        return manifest
    if len(manifest.models) > 1:
        raise click.UsageError(f"--context needs a MODEL where several are configured: {', '.join(manifest.models)}")
    (name,) = manifest.models
    return load_manifest(file, sets=[*sets, f'models."{name}".context={context}'])


def one_model(model: str, context: int | None) -> Mapping[str, Mapping[str, OptionValue]]:
    """The ``[models]`` table for a model named on the command line."""
    if not model:
        raise click.UsageError("MODEL must not be empty; leave it out for the models of the manifest")
    scheme = re.match(r"[a-z]+:", model)
    if not scheme and not Path(model).expanduser().exists():
        raise click.UsageError(f"there is no model file {model}")
    source = model if scheme else str(Path(model).expanduser().absolute())
    stem = model.rpartition(":")[2] if scheme else Path(model).stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:128] or "model"
    table: dict[str, OptionValue] = {"source": source}
    if name != "default":
        table["aliases"] = ["default"]
    if context is not None:
        table["context"] = context
    return {name: table}


def _report(manifest: Manifest, *, as_json: bool) -> Report:
    from jackfield.cli.console import JsonReport, LineReport
    from jackfield.platforms import Surroundings

    here = Surroundings.here()
    return JsonReport(manifest, here=here) if as_json else LineReport(manifest, terminal=sys.stdout.isatty(), here=here)
