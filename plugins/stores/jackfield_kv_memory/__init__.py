"""``kv-memory``: computed prefixes in host memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_kv_memory.config import KvMemoryConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.kv_store import KVStore, KVStoreFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return KvMemoryConfig


@hookimpl
def jackfield_kv_stores(instance: PluginInstance) -> Mapping[str, KVStoreFactory]:
    """One store a model, under the instance's name."""
    limit = instance.config(KvMemoryConfig).limit

    def make(_model: str) -> KVStore:
        from jackfield_kv_memory.limit import auto_limit
        from jackfield_kv_memory.store import MemoryStore

        return MemoryStore(auto_limit() if limit == "auto" else limit)

    return {instance.name: make}
