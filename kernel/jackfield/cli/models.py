"""``jackfield models``: list, show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from jackfield.cli.complete import complete_models
from jackfield.cli.options import json_option, manifest_options
from jackfield.cli.servers import running_state, server_option
from jackfield.cli.tables import print_facts, print_table, size
from jackfield.errors import ManifestError, ModelNotFound
from jackfield.lifecycle import WorkerState
from jackfield.manifest import ModelConfig
from jackfield.ports.backend import ModelInfo, RunnerLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.manifest import Manifest
    from jackfield.ports.operating import ChildState

HEADER: Final = ("NAME", "STATE", "BACKEND", "SOURCE", "ALIASES", "DESCRIPTION")

NOT_RUNNING: Final = "not running"
"""State of a model that no server of this user has."""


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model."""

    name: str
    aliases: Sequence[str]
    backend: str
    source: str
    """As the manifest has it; empty for a model that only the running server has."""
    state: str
    """A ``WorkerState``, or ``not running``."""
    reason: str = ""
    info: ModelInfo | None = None
    limits: RunnerLimits | None = None


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model in full."""

    model: ModelRow
    config: ModelConfig | None
    memory_bytes: int | None = None
    """What serving it takes; None where the backend cannot tell."""
    free_bytes: int | None = None
    """Memory that can be had now."""
    fits: bool | None = None
    """Whether it would fit now; None where nobody knows, or it is loaded already."""


@click.group("models")
def command() -> None:
    """See which models there are, and what they are.

    \b
    Examples:
      jackfield models list
      jackfield models show my-model
      jackfield models show ./model.gguf
    """  # noqa: D301  \b is click's mark against wrapping


@command.command("list")
@manifest_options
@server_option
@json_option
def list_(file: Path | None, sets: tuple[str, ...], server: str | None, *, as_json: bool) -> None:
    """List the models of plugins.toml and those of a running server, with their state.

    \b
    Examples:
      jackfield models list
      jackfield models list --config staging.toml --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.manifest_layers import load_manifest

    rows = _rows(load_manifest(file, sets=sets), _running(server))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    print_table(HEADER, [_cells(row) for row in rows])


@command.command()
@click.argument("model", shell_complete=complete_models)
@manifest_options
@server_option
@json_option
def show(model: str, file: Path | None, sets: tuple[str, ...], server: str | None, *, as_json: bool) -> None:
    """Show what MODEL is, what memory it takes and whether that fits now.

    MODEL is a name or an alias of plugins.toml or of the running server, or the path of a model file. Where no server
    has it loaded, its backend is asked, without loading the weights.

    \b
    Examples:
      jackfield models show my-model
      jackfield models show ./model.gguf --json
    """  # noqa: D301  \b is click's mark against wrapping
    manifest = _manifest(model, file, sets)
    report = _report(manifest, _find(model, _rows(manifest, _running(server))))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
        return
    print_facts(_facts(report))


def _running(server: str | None) -> Mapping[str, ChildState]:
    """Workers of the running server by model."""
    state = running_state(server)
    return {each.model: each for each in state.children if each.model} if state is not None else {}


def _rows(manifest: Manifest, running: Mapping[str, ChildState]) -> list[ModelRow]:
    own = manifest.models
    if running and "models" not in {key.partition(".")[0] for key in manifest.origins}:
        own = {
            name: config for name, config in own.items() if name in running
        }  # the demo model, which nobody asked for
    rows = [_row(name, config, running.get(name)) for name, config in own.items()]
    return rows + [_row(name, None, worker) for name, worker in running.items() if name not in own]


def _row(name: str, config: ModelConfig | None, worker: ChildState | None) -> ModelRow:
    aliases = worker.aliases if worker is not None else config.aliases if config is not None else ()
    return ModelRow(
        name=name,
        aliases=aliases,
        backend=config.backend if config is not None else "",
        source=config.source if config is not None else "",
        state=worker.state if worker is not None else NOT_RUNNING,
        reason=worker.reason if worker is not None else "",
        info=worker.info if worker is not None else None,
        limits=worker.limits if worker is not None else None,
    )


def _cells(row: ModelRow) -> tuple[str, ...]:
    description = row.info.description if row.info is not None else ""
    # last, as a reason may be a long sentence
    return row.name, row.state, row.backend, row.source, ", ".join(row.aliases), row.reason or description


def _manifest(model: str, file: Path | None, sets: tuple[str, ...]) -> Manifest:
    """The manifest; where *model* is the path of a file, one with that model alone."""
    from jackfield.cli.serve import one_model
    from jackfield.manifest_layers import load_manifest

    manifest = load_manifest(file, sets=sets)
    known = {name for own, config in manifest.models.items() for name in (own, *config.aliases)}
    if model in known or not Path(model).expanduser().is_file():
        return manifest
    return load_manifest(file, sets=sets, models=one_model(model, None))


def _find(model: str, rows: Sequence[ModelRow]) -> ModelRow:
    found = next((row for row in rows if model in (row.name, *row.aliases)), None)
    if found is None and Path(model).expanduser().is_file():
        return rows[0]
    if found is None:
        from jackfield.manifest import suggestion

        names = tuple(row.name for row in rows)
        raise ManifestError(f"there is no model {model!r}{suggestion(model, names)}")
    return found


def _report(manifest: Manifest, row: ModelRow) -> ModelReport:
    from jackfield.machine import Machine

    config = manifest.models.get(row.name)
    loaded = row.state == WorkerState.READY
    if row.info is None:
        if config is None:
            raise ModelNotFound(f"the server has not loaded {row.name} yet: {row.reason or row.state}")
        row = msgspec.structs.replace(row, info=_inspect(manifest, row.name))
    memory = row.info.memory.total if row.info is not None and row.info.memory is not None else None
    free = Machine().available_memory()
    fits = None if loaded or memory is None or free is None else memory <= free
    return ModelReport(model=row, config=config, memory_bytes=memory, free_bytes=free, fits=fits)


def _inspect(manifest: Manifest, name: str) -> ModelInfo:
    from jackfield.errors import PluginError
    from jackfield.trial.messages import Inspect, Inspected
    from jackfield.trial.run import only_word

    word = only_word(Inspect(manifest.dump(), name), f"the inspection of {name}")
    if not isinstance(word, Inspected):
        raise PluginError(f"the inspection of {name} gave {type(word).__name__}")
    return word.info


def _facts(report: ModelReport) -> list[tuple[str, str]]:
    row, config, info, limits = report.model, report.config, report.model.info, report.model.limits
    facts = [
        ("name", row.name),
        ("aliases", ", ".join(row.aliases)),
        ("state", f"{row.state}: {row.reason}" if row.reason else row.state),
        ("backend", row.backend),
        ("source", row.source),
    ]
    if info is not None:
        facts += _said(info)
    if limits is not None:
        facts.append(("serves", f"requests of {limits.context:,} tokens, {limits.max_sequences} at once"))
        facts.append(("KV pool", f"{limits.kv_tokens:,} tokens" if limits.kv_tokens else ""))
    elif config is not None:
        facts.append(("configured", f"context {config.context}, {config.max_sequences} requests at once"))
    return [*facts, *_memory(report)]


def _said(info: ModelInfo) -> list[tuple[str, str]]:
    """What the file says."""
    experts = f"{info.n_experts}, {info.n_experts_used} of them for each token" if info.n_experts else ""
    return [
        ("title", info.title),
        ("architecture", info.architecture),
        ("parameters", f"{info.parameters:,}"),
        ("quantisation", info.quantisation),
        ("weights", size(info.size_bytes)),
        ("experts", experts),
        ("modalities", ", ".join(info.modalities)),
        ("tasks", ", ".join(info.tasks)),
        ("labels", ", ".join(info.labels)),
        ("trained for", f"{info.context_train:,} tokens" if info.context_train else ""),
        ("vocabulary", f"{info.vocabulary:,} tokens"),
        ("embedding", f"{info.embedding_size:,} wide" if info.embedding_size else ""),
        ("chat template", "yes" if info.has_chat_template else "no"),
    ]


def _memory(report: ModelReport) -> list[tuple[str, str]]:
    info = report.model.info
    if info is None or info.memory is None:
        return []
    parts = info.memory
    text = f"{size(parts.total)} = {size(parts.weights)} weights + {size(parts.kv)} KV + {size(parts.compute)} compute"
    facts = [("memory", text)]
    if report.fits is not None:
        facts.append(("fits now", f"{'yes' if report.fits else 'no'}, {size(report.free_bytes)} are free"))
    return facts
