"""What ``jackfield config show`` may show of options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.cli.settings import shown_tables
from jackfield.manifest_layers import load_manifest

if TYPE_CHECKING:
    from pathlib import Path

HUNTER = "hunter-2-heliotrope"

PLUGIN = """
import msgspec
from jackfield import hookimpl
from jackfield.secret import Secret

class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Secret | None = None
    by_host: dict[str, Secret] = {}
    url: str = "https://default.example"
    retries: int = 3

@hookimpl
def jackfield_config(instance):
    return Config

@hookimpl
def jackfield_backends(instance):
    return {instance.name: lambda: None}
"""


def manifest(folder: Path, *, enabled: str, options: str = "", model: str = "") -> Path:
    """A plugin with secrets, and a model that it serves."""
    (folder / "vault.py").write_text(PLUGIN)
    file = folder / "plugins.toml"
    file.write_text(
        f'enabled = [{enabled}]\n[config.vault]\n{options}\n[models.m]\nbackend = "vault"\nsource = "x"\n'
        f"[models.m.options]\n{model}\n"
    )
    return file


def test_secrets_are_hidden_and_the_rest_is_not(tmp_path: Path) -> None:
    """In the plugin's table, and where a model overrides it; unset ones are unset."""
    file = manifest(
        tmp_path,
        enabled='"./vault.py"',
        options=f'token = "{HUNTER}"\nby_host = {{ a = "{HUNTER}" }}',
        model=f'token = "{HUNTER}"\nurl = "https://other.example"',
    )
    tables = shown_tables(load_manifest(file, environ={}))
    assert tables["config.vault"] == {
        "token": "***",
        "by_host": {"a": "***"},
        "url": "https://default.example",
        "retries": 3,
    }
    assert tables["models.m"]["options"] == {"token": "***", "url": "https://other.example"}
    assert HUNTER not in repr(tables)


def test_an_unset_secret_is_unset(tmp_path: Path) -> None:
    """Stars would say that there is one."""
    tables = shown_tables(load_manifest(manifest(tmp_path, enabled='"./vault.py"'), environ={}))
    assert tables["config.vault"]["token"] is None


@pytest.mark.parametrize(
    "enabled", ['"./vault.py", "no-such-plugin"', '"./vault.py", "keys=fcfs", "keys2=nothing"'], ids=["one", "several"]
)
def test_where_plugins_do_not_load_all_texts_are_hidden(tmp_path: Path, enabled: str) -> None:
    """Nobody knows then which of them are secrets."""
    file = manifest(
        tmp_path,
        enabled=enabled,
        options=f'token = "{HUNTER}"\nretries = 5\nby_host = {{ a = "{HUNTER}" }}',
        model=f'tokens = ["{HUNTER}"]',
    )
    tables = shown_tables(load_manifest(file, environ={}))
    assert tables["config.vault"] == {"token": "***", "retries": 5, "by_host": {"a": "***"}}
    assert tables["models.m"]["options"] == {"tokens": ["***"]}


@pytest.mark.parametrize("model", [f'unknown = "{HUNTER}"', f'retries = "{HUNTER}"', "token = 5"])
def test_options_that_do_not_fit_are_hidden(tmp_path: Path, model: str) -> None:
    """``config check`` says what is wrong with them."""
    tables = shown_tables(load_manifest(manifest(tmp_path, enabled='"./vault.py"', model=model), environ={}))
    assert HUNTER not in repr(tables)
    assert tables["models.m"]["options"]
