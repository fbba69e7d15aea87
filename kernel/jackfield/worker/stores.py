"""A worker's KV stores: made by plugins, opened before the model serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import JackfieldError, PluginError
from jackfield.ports.kv_store import KVStore, StateKey
from jackfield.worker.engine.prefix.scope import Sharing

if TYPE_CHECKING:
    from jackfield.ports.kv_store import KVStoreFactory


class Caching(NamedTuple):
    """What an engine's prefix cache is given besides the model."""

    stores: Mapping[str, KVStore] = MappingProxyType({})
    """Opened stores, by the names of their instances; the engine closes them."""
    kept: Sequence[tuple[int, StateKey]] = ()
    """What each store, by its place, has from an earlier life; the least recently used first."""
    sharing: Sharing = "off"
    """Whose prefixes are used again for whom."""


NO_STORES: Final = Caching()

_METHODS: Final = ("open", "put", "get", "drop", "clear", "refresh", "usage", "close")


def open_stores(factories: Mapping[str, KVStoreFactory], model: str, layout: str, sharing: Sharing) -> Caching:
    """Make and open the stores of *model*, whose states have this *layout* and are shared like that.

    Raises:
        ManifestError: An option is at fault.
        PluginError: A store cannot be made or opened, or is none; it is named.
    """
    stores: dict[str, KVStore] = {}
    kept: list[tuple[int, StateKey]] = []
    try:
        for name, factory in factories.items():
            store, keys = _open(name, factory, model, layout)
            kept += [(len(stores), key) for key in keys]
            stores[name] = store
    except JackfieldError:
        for store in stores.values():
            store.close()
        raise
    return Caching(stores, kept, sharing)


def _open(name: str, factory: KVStoreFactory, model: str, layout: str) -> tuple[KVStore, list[StateKey]]:
    try:
        store = factory(model)
        missing = [method for method in _METHODS if not callable(getattr(store, method, None))]
        if missing:
            raise PluginError(f"KV store {name}: its factory made {type(store).__name__}, which has no {missing[0]}()")
        return store, list(store.open(layout))
    except JackfieldError:
        raise
    except Exception as error:
        raise PluginError(f"KV store {name}: it cannot be opened: {type(error).__name__}: {error}") from error
