"""``PluginInstance``: one enabled plugin, as every hook gets it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, Manifest, Table, Where, decode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from jackfield.ports.policy_store import PolicyStoreFactory
    from jackfield.secret import Secret, SecretReference

T = TypeVar("T", bound=msgspec.Struct)

SecretReader: TypeAlias = "Callable[[SecretReference], Secret]"

StoreFinder: TypeAlias = "Callable[[], Mapping[str, PolicyStoreFactory]]"


class HookSet:
    """A module's functions under an identity of their own, so that pluggy can register one plugin several times."""

    def __init__(self, module: ModuleType) -> None:
        vars(self).update(inspect.getmembers(module, inspect.isfunction))


class PluginInstance:
    """One enabled plugin, with its name and configuration. Every hook gets it.

    Attributes:
        name: Name of the instance; usual name of what it hands over.
        plugin: Entry-point name it was loaded from (``llama-cpu``), or a path.
        distribution: ``"jackfield 0.1.0"``, or the file it came from.
        hook_set: Its hook functions, as pluggy knows them.
        table: Its ``[config.NAME]`` table, as it was written; ``config`` reads it.
        defaulted: Whether nobody asked for it: the packaged default filled a socket that must not stay empty.
    """

    __slots__ = (
        *("_folder", "_secrets", "_stores", "_where"),
        *("defaulted", "distribution", "hook_set", "name", "plugin", "table"),
    )

    def __init__(self, ref: InstanceRef, distribution: str, hooks: HookSet, manifest: Manifest) -> None:
        self.name = ref.name
        self.plugin = ref.plugin
        self.defaulted = ref.defaulted
        self.distribution = distribution
        self.hook_set = hooks
        self.table: Table = manifest.config.get(ref.name, {})
        self._where: Where = manifest.origin
        self._secrets: SecretReader | None = None
        self._stores: StoreFinder | None = None
        self._folder = Path(manifest.file).parent if manifest.file else Path.cwd()

    def path(self, text: str) -> Path:
        """The absolute path that an option names; relative ones start at the folder of ``plugins.toml``."""
        return (self._folder / Path(text).expanduser()).absolute()

    def config(self, struct: type[T], overrides: Table | None = None, *, key: str | None = None) -> T:
        """This instance's ``[config.NAME]`` table.

        Parameters:
            struct: The Struct that ``jackfield_config`` declares.
            overrides: Keys that replace those of the table, such as ``[models.NAME.options]``.
            key: Key path of *overrides*, for messages.

        Raises:
            ManifestError: A key is unknown, or a value does not fit.
        """
        own = f"config.{self.name}"
        config = decode_table(self.table, struct, own, self._where)
        if not overrides:
            return config
        return decode_table({**self.table, **overrides}, struct, key or own, self._where)

    def reads_secrets_with(self, reader: SecretReader) -> None:
        """All plugins are connected: *reader* knows their secret sources."""
        self._secrets = reader

    def secret(self, reference: SecretReference) -> Secret:
        """The secret that an option of the type ``SecretReference`` names, as it is now.

        Called at start-up, and again when the server is told to look anew (SIGHUP).

        Raises:
            ManifestError: Nobody gives secrets of that scheme, or this one cannot be had; the message has none of it.
        """
        if self._secrets is None:
            raise ManifestError("secrets can be read once the plugins are connected: in a factory, not in a hook")
        return self._secrets(reference)

    def finds_stores_with(self, finder: StoreFinder) -> None:
        """All plugins are connected: *finder* knows their policy stores."""
        self._stores = finder

    def policy_store(self) -> PolicyStoreFactory | None:
        """Makes the policy store that gateways use; None where none is enabled.

        For a factory that must know whether its object will be ``Governed``, and for a command that changes documents
        while no gateway need run.

        Raises:
            PluginError: A plugin that hands one over has failed.
        """
        if self._stores is None:
            raise ManifestError("policy stores are known once the plugins are connected: in a factory, not in a hook")
        return next(iter(self._stores().values()), None)

    def __repr__(self) -> str:
        return f"<plugin {self.name} from {self.distribution}>"
