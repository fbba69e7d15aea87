"""``sqlite``: stored responses, files and batches in an SQLite database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_sqlite.config import SqliteConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.records import RecordStore, RecordStoreFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return SqliteConfig


@hookimpl
def jackfield_record_stores(instance: PluginInstance) -> Mapping[str, RecordStoreFactory]:
    """One store, under the instance's name."""
    config = instance.config(SqliteConfig)

    def make() -> RecordStore:
        from jackfield_sqlite.store import SqliteStore  # only a gateway needs it

        path = instance.path(config.file) if config.file else None
        return SqliteStore(path, config, option=f"config.{instance.name}.file")

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the file can be used."""
    config = instance.config(SqliteConfig)

    def make() -> Check:
        from jackfield_sqlite.checks import FileCheck

        path = instance.path(config.file) if config.file else None
        return FileCheck(path, config, option=f"config.{instance.name}.file")

    return {f"{instance.name} file": make}
