"""Where the keys of an instance are kept: in its file, or in the enabled policy store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from jackfield.errors import ManifestError
from jackfield_keys.config import KeysConfig

if TYPE_CHECKING:
    from jackfield import PluginInstance
    from jackfield.ports.check import Check
    from jackfield.ports.policy_store import PolicyStoreFactory
    from jackfield_keys.edit import KeyEditor
    from jackfield_keys.issuer import KeysIssuer


def issuer(instance: PluginInstance) -> KeysIssuer:
    """The authenticator of a gateway.

    Raises:
        ManifestError: The keys cannot be read.
    """
    from jackfield_keys.file_storage import FileStorage
    from jackfield_keys.issuer import FiledKeysIssuer, StoredKeysIssuer

    config = instance.config(KeysConfig)
    path = instance.path(config.file)
    if _store(instance) is None:
        return FiledKeysIssuer(instance.name, FileStorage(instance.name, path, config.file))
    if path.exists():
        structlog.get_logger("jackfield.keys").warning(
            "keys are kept in the policy store; those in the file are not good",
            authenticator=instance.name,
            file=config.file,
            fix=f"jackfield {instance.name} import {config.file}",
        )
    return StoredKeysIssuer(instance.name)


def editor(instance: PluginInstance) -> KeyEditor:
    """The same keys, for a command."""
    from jackfield_keys.edit import KeyFile
    from jackfield_keys.stored import StoredKeys

    store = _store(instance)
    if store is not None:
        return StoredKeys(store)
    file = instance.config(KeysConfig).file
    return KeyFile(instance.path(file), file)


def check(instance: PluginInstance) -> Check:
    """What ``jackfield doctor`` finds out about them."""
    from jackfield_keys.checks import KeysCheck

    shown = "the policy store" if _store(instance) is not None else instance.config(KeysConfig).file
    return KeysCheck(editor(instance), shown, instance.name)


def _store(instance: PluginInstance) -> PolicyStoreFactory | None:
    """Makes the policy store, where the keys are kept in one.

    Raises:
        ManifestError: They are to be kept in one, and none is enabled.
    """
    storage = instance.config(KeysConfig).storage
    store = None if storage == "file" else instance.policy_store()
    if storage == "store" and store is None:
        raise ManifestError(
            f"config.{instance.name}.storage is store, and no enabled plugin is a policy store; enable one, such as"
            " store",
            param=f"config.{instance.name}.storage",
        )
    return store
