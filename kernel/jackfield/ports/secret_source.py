"""Secret sources: where keys, tokens and passphrases come from.

``jackfield_secrets`` hands over factories of ``SecretSource``, named by the scheme that options use for them: with
a source ``file``, the option ``key = "file:/etc/jackfield/audit.key"`` names a secret of that source. Options that
take one have the type ``SecretReference``; ``PluginInstance.secret`` fetches it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from jackfield.secret import Secret

SECRET_MAX: Final = 65_536
"""Longest secret, in bytes."""


class SecretSource(Protocol):
    """Gives secrets by name."""

    def read(self, name: str) -> Secret:
        """The secret, as it is now; asked at start-up, again on SIGHUP, and where something is sealed anew.

        Raises:
            ManifestError: There is none, others may read it, or it cannot be one. The message says what to do, and
                never repeats any of it.

        Process and thread: gateway, worker or command line; main thread at start-up, any thread later, where calls may
        overlap. Deadline: 1 s. Failure policy: closed; the process refuses to start, or keeps the secret that it
        has and says so.
        """
        ...


SecretSourceFactory: TypeAlias = Callable[[], SecretSource]
"""What ``jackfield_secrets`` hands over."""
