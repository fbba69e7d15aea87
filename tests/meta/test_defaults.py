"""``plugins.toml`` at the root shows the packaged defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import tomli

from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.manifest_layers import load_manifest
from jackfield.transport import TLSConfig

if TYPE_CHECKING:
    import pytest

FILE: Final = Path(__file__).parents[2] / "plugins.toml"


def values(manifest: Manifest) -> dict[str, object]:
    """What a manifest says, without where it came from."""
    return {
        "enabled": manifest.enabled,
        "kernel": manifest.kernel,
        "config": manifest.config,
        "models": manifest.models,
    }


def test_the_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it or without it, the server is the same."""
    monkeypatch.chdir(tmp_path)
    assert values(load_manifest(FILE, environ={})) == values(load_manifest(None, environ={}))


def test_the_file_shows_every_key() -> None:
    """So that it can be read as a reference."""
    tables = tomli.loads(FILE.read_text())
    assert set(tables["kernel"]) == set(KernelConfig.__struct_fields__) - {"tls"}
    assert {f"# {name}" for name in TLSConfig.__struct_fields__} <= {
        line.partition(" =")[0] for line in FILE.read_text().splitlines()
    }
    assert set(tables["models"]["demo"]) == set(ModelConfig.__struct_fields__) - {"options"}


def test_every_line_with_a_value_has_a_comment_nearby() -> None:
    """A default file without explanations is a riddle."""
    lines = FILE.read_text().splitlines()
    bare = [
        line for line in lines if "=" in line and not line.startswith(("#", "enabled", "backend")) and "#" not in line
    ]
    assert bare == []


def test_defaults_are_encodable() -> None:
    """They travel to the children."""
    manifest = load_manifest(FILE, environ={})
    assert Manifest.restore(manifest.dump()) == manifest
    assert msgspec.json.encode(manifest)
