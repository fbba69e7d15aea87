"""``kv-disk``: computed prefixes on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_kv_disk.config import KvDiskConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.kv_store import KVStore, KVStoreFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return KvDiskConfig


@hookimpl
def jackfield_kv_stores(instance: PluginInstance) -> Mapping[str, KVStoreFactory]:
    """One store a model, under the instance's name."""
    limit = instance.config(KvDiskConfig).limit

    def make(model: str) -> KVStore:
        from jackfield_kv_disk.store import DiskStore

        return DiskStore(_folder(instance), model, limit, option=f"config.{instance.name}.path")

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the folder can be used."""
    limit = instance.config(KvDiskConfig).limit

    def make() -> Check:
        from jackfield_kv_disk.checks import FolderCheck

        return FolderCheck(_folder(instance), limit, option=f"config.{instance.name}.path")

    return {f"{instance.name} folder": make}


def _folder(instance: PluginInstance) -> Path:
    from jackfield_kv_disk.folder import default_folder

    path = instance.config(KvDiskConfig).path
    return instance.path(path) if path else default_folder()
