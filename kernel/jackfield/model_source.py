"""Where a model comes from: ``source`` in ``[models.NAME]`` → a path on this machine."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError
from jackfield.ports.backend import ModelSpec

if TYPE_CHECKING:
    from jackfield.manifest import Manifest

PACKAGED: Final = "jackfield:"
"""Prefix of models that ship inside this distribution, as in ``jackfield:demo``."""


def resolve_source(source: str, base: Path) -> Path:
    """The absolute path that *source* names; whether a file is there is the backend's to say.

    Parameters:
        source: ``jackfield:NAME`` for a packaged model, or a path; ``~`` is expanded.
        base: Folder that relative paths start at: that of ``plugins.toml``.

    Raises:
        ManifestError: A packaged model that does not exist, or a kind of source that no enabled plugin resolves.
    """
    if source.startswith(PACKAGED):
        return _packaged(source.removeprefix(PACKAGED))
    if source.startswith("hf:"):
        raise ManifestError(f"source {source!r}: Hugging Face models need a plugin that resolves them", param="source")
    return (base / Path(source).expanduser()).absolute()


def model_spec(manifest: Manifest, model: str) -> ModelSpec:
    """What ``[models.NAME]`` asks a backend for; raises ``ManifestError`` for a source that nobody resolves.

    Parameters:
        manifest: Has the model.
        model: Its own name.
    """
    config = manifest.models[model]
    base = Path(manifest.file).parent if manifest.file else Path.cwd()
    return ModelSpec(
        name=model,
        path=str(resolve_source(config.source, base)),
        context=config.context,
        max_sequences=config.max_sequences,
        kv_tokens=config.kv_tokens,
        options=config.options,
    )


def slot_folder(manifest: Manifest, model: str) -> Path | None:
    """The absolute path of ``[models.NAME] slot_folder``; None where it is empty."""
    folder = manifest.models[model].slot_folder
    base = Path(manifest.file).parent if manifest.file else Path.cwd()
    return (base / Path(folder).expanduser()).absolute() if folder else None


def packaged_models() -> tuple[str, ...]:
    """Names of the models that ship with this distribution, sorted."""
    folder = Path(str(resources.files("jackfield") / "models"))
    return tuple(sorted(file.stem for file in folder.glob("*.gguf")))


def _packaged(name: str) -> Path:
    names = packaged_models()
    if name not in names:
        raise ManifestError(f"there is no packaged model {name!r}; packaged: {', '.join(names)}", param="source")
    return Path(str(resources.files("jackfield") / "models" / f"{name}.gguf"))
