"""What a plugin's instance offers: the policy store that is enabled, if one is."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugin_instance import HookSet, PluginInstance
from jackfield.plugins import build_kernel

if TYPE_CHECKING:
    from pathlib import Path

STORES = """
from jackfield import hookimpl

@hookimpl
def jackfield_policy_stores(instance):
    return {instance.name: object}
"""


def test_before_plugins_are_connected_nobody_knows() -> None:
    """A hook is too early."""
    manifest = Manifest(enabled=(), kernel=KernelConfig())
    instance = PluginInstance(InstanceRef("mine", "mine"), "tests", HookSet(ModuleType("mine")), manifest)
    with pytest.raises(ManifestError, match="in a factory"):
        instance.policy_store()


@pytest.mark.parametrize("enabled", [False, True])
def test_the_first_store_listed_is_the_one(tmp_path: Path, *, enabled: bool) -> None:
    """None, where none is enabled."""
    stores = [tmp_path / f"{name}.py" for name in ("one", "two")] if enabled else []
    for path in stores:
        path.write_text(STORES)
    refs = (
        InstanceRef("keys", "keys"),
        *(InstanceRef(name, str(path)) for name, path in zip("ab", stores, strict=False)),
    )
    kernel = build_kernel(Manifest(enabled=refs, kernel=KernelConfig(), file=str(tmp_path / "plugins.toml")))
    [keys] = [each for each in kernel.instances if each.name == "keys"]
    store = keys.policy_store()
    assert (store is not None) == enabled
    if store is not None:
        assert list(kernel.policy_stores()) == ["a", "b"]
        assert type(store()) is object
