"""``store-redis``: policies, roles, limits and keys in Redis, sealed, shared by gateways on several hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_store_redis.config import RedisStoreConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click
    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.policy_store import PolicyStore, PolicyStoreFactory
    from jackfield.secret import SecretReference
    from jackfield_store_redis.store import RedisPolicyStore

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return RedisStoreConfig


@hookimpl
def jackfield_policy_stores(instance: PluginInstance) -> Mapping[str, PolicyStoreFactory]:
    """One store, under the instance's name."""

    def make() -> PolicyStore:
        return _store(instance, None)

    return {instance.name: make}


@hookimpl
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """``jackfield store-redis``; a further instance's command has the instance's name."""
    from jackfield.sealing.commands import StoreAccess, store_command

    return [store_command(instance.name, StoreAccess(lambda old: _store(instance, old), instance.secret))]


def _store(instance: PluginInstance, old: SecretReference | None) -> RedisPolicyStore:
    from jackfield.sealing.secrets import secrets_of  # only a gateway and the commands need it
    from jackfield_store_redis.connection import Connection
    from jackfield_store_redis.store import RedisPolicyStore

    config = instance.config(RedisStoreConfig)
    secrets = secrets_of(instance, key=config.key, old_key=config.old_key, further=old)
    reference = config.password
    password = (lambda: instance.secret(reference)) if reference is not None else None
    authority = instance.path(config.ca_file) if config.ca_file else None
    return RedisPolicyStore(Connection(config, password, authority, option=f"config.{instance.name}"), secrets)
