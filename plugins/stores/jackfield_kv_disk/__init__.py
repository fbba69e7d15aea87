"""``kv-disk``: computed prefixes on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_kv_disk.config import KvDiskConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.kv_store import KVStore, KVStoreFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return KvDiskConfig


@hookimpl
def jackfield_kv_stores(instance: PluginInstance) -> Mapping[str, KVStoreFactory]:
    """One store a model, under the instance's name."""
    config = instance.config(KvDiskConfig)

    def make(model: str) -> KVStore:
        from jackfield_kv_disk.folder import default_folder
        from jackfield_kv_disk.store import DiskStore

        folder = instance.path(config.path) if config.path else default_folder()
        return DiskStore(folder, model, config.limit, option=f"config.{instance.name}.path")

    return {instance.name: make}
