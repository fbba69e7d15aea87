"""``store``: policies, roles, limits and keys in an encrypted SQLite database that changes while servers run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_store.config import StoreConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click
    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.policy_store import PolicyStore, PolicyStoreFactory
    from jackfield.secret import Secret, SecretReference
    from jackfield_store.store import SqlitePolicyStore

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return StoreConfig


@hookimpl
def jackfield_policy_stores(instance: PluginInstance) -> Mapping[str, PolicyStoreFactory]:
    """One store, under the instance's name."""

    def make() -> PolicyStore:
        return _store(instance, None)

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the file and the secret can be used."""

    def make() -> Check:
        from jackfield_store.checks import StoreCheck

        config = instance.config(StoreConfig)
        return StoreCheck(instance.path(config.file), _secrets(instance, None), option=f"config.{instance.name}.file")

    return {f"{instance.name} file": make}


@hookimpl
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """``jackfield store``; a further instance's command has the instance's name."""
    from jackfield.sealing.commands import StoreAccess, store_command

    return [store_command(instance.name, StoreAccess(lambda old: _store(instance, old), instance.secret))]


def _store(instance: PluginInstance, old: SecretReference | None) -> SqlitePolicyStore:
    from jackfield_store.store import SqlitePolicyStore  # only a gateway and the commands need it

    path = instance.path(instance.config(StoreConfig).file)
    return SqlitePolicyStore(path, _secrets(instance, old), option=f"config.{instance.name}.file")


def _secrets(instance: PluginInstance, old: SecretReference | None) -> Callable[[], Mapping[str, Secret]]:
    from jackfield.sealing.secrets import secrets_of

    config = instance.config(StoreConfig)
    return secrets_of(instance, key=config.key, old_key=config.old_key, further=old)
