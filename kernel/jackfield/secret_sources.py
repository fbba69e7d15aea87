"""The secret sources of one process, by the scheme that options use for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import JackfieldError, ManifestError, PluginError
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.ports.secret_source import SecretSource, SecretSourceFactory
    from jackfield.secret import SecretReference


class SecretSources:
    """Reads secrets by reference. Main thread of any process that builds a kernel.

    Parameters:
        factories: Gives the factories by scheme; asked when the first secret is wanted.
    """

    def __init__(self, factories: Callable[[], Mapping[str, SecretSourceFactory]]) -> None:
        self._factories = factories
        self._made: dict[str, SecretSource] = {}

    def read(self, reference: SecretReference) -> Secret:
        """See ``PluginInstance.secret``."""
        scheme, _, name = reference.partition(":")
        source = self._made.get(scheme)
        if source is None:
            source = self._made[scheme] = self._source(scheme)
        try:
            secret = source.read(name)
        except JackfieldError:
            raise
        except Exception as error:  # noqa: BLE001 -- its message may have the secret in it
            raise PluginError(f"secret source {scheme}: read() raised {type(error).__name__}") from None
        if not isinstance(secret, Secret):
            raise PluginError(f"secret source {scheme}: read() returned {type(secret).__name__}, not a Secret")
        return secret

    def _source(self, scheme: str) -> SecretSource:
        factories = self._factories()
        factory = factories.get(scheme)
        if factory is None:
            known = ", ".join(f"{each}:" for each in factories) or "none; enable the plugin secrets"
            raise ManifestError(f"no plugin gives secrets of the scheme {scheme}: (there are {known})")
        try:
            return factory()
        except JackfieldError:
            raise
        except Exception as error:
            raise PluginError(f"secret source {scheme}: its factory raised {type(error).__name__}") from error
