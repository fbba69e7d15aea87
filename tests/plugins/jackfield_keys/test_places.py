"""Where keys are kept: in a file, or in the policy store where one is enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.plugins.jackfield_keys.kept import MemoryStore

from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.policy_store import Governed
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.places import check, editor, issuer
from jackfield_keys.stored import StoredKeys

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield import PluginInstance


def instance(folder: Path, storage: str, store: MemoryStore | None) -> PluginInstance:
    """The plugin, with that option, and with that store beside it."""
    manifest = Manifest(
        enabled=(InstanceRef("keys", "keys"),),
        kernel=KernelConfig(),
        config={"keys": {"storage": storage}},
        file=str(folder / "plugins.toml"),
    )
    [found] = [each for each in build_kernel(manifest).instances if each.name == "keys"]
    found.finds_stores_with(lambda: {} if store is None else {"memory": store.open})
    return found


@pytest.mark.parametrize(
    ("storage", "enabled", "stored"),
    [("auto", False, False), ("auto", True, True), ("file", True, False), ("store", True, True)],
)
def test_where_keys_are(tmp_path: Path, storage: str, *, enabled: bool, stored: bool) -> None:
    """For gateways and for commands alike."""
    KeyFile(tmp_path / "keys.toml", "keys.toml").create(Grant("ci", "", ("embed",), None, None))
    found = instance(tmp_path, storage, MemoryStore() if enabled else None)
    with capture_logs() as lines:
        assert isinstance(issuer(found), Governed) == stored
    assert any("are not good" in line["event"] for line in lines) == stored, "a file that is not read is mentioned"
    assert isinstance(editor(found), StoredKeys) == stored
    assert check(found).run().level == ("warn" if stored else "ok")


def test_a_store_needs_no_file(tmp_path: Path) -> None:
    """And says nothing of it."""
    with capture_logs() as lines:
        issuer(instance(tmp_path, "auto", MemoryStore()))
    assert lines == []


def test_a_store_that_is_not_enabled(tmp_path: Path) -> None:
    """Where keys are to be in one: the start is refused, and the option named."""
    found = instance(tmp_path, "store", None)
    for make in (issuer, editor, check):
        with pytest.raises(ManifestError, match=r"config\.keys\.storage"):
            make(found)


def test_an_option_that_is_none(tmp_path: Path) -> None:
    """A start-up error."""
    with pytest.raises(ManifestError, match="storage"):
        instance(tmp_path, "cloud", None)
