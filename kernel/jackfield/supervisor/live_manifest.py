"""What may change of the manifest while the server runs: the log level, and options that workers take over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from jackfield.channel.messages import Reconfigure

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import Reconfigured
    from jackfield.manifest import Manifest
    from jackfield.ports.operating import LogLevel


class LiveManifest:
    """The manifest that children are started with. Supervisor's only thread.

    Parameters:
        manifest: As the server was started with.
        reread: Gives it as it is now; may raise ``JackfieldError``.
    """

    def __init__(self, manifest: Manifest, reread: Callable[[], Manifest]) -> None:
        self._manifest = manifest
        self._reread = reread
        self._offered = manifest
        self._ticket = 0
        self.dump = manifest.dump()
        """For a child that is started."""

    @property
    def log_level(self) -> Literal["debug", "info", "warning", "error"]:
        """That children log at."""
        return self._manifest.kernel.log_level

    def set_log_level(self, level: LogLevel) -> None:
        """Children log at *level*, those too that are started later."""
        self._adopt(replace(self._manifest, kernel=replace(self._manifest.kernel, log_level=level)))

    def reread(self) -> Reconfigure:
        """Read it again and take its log level; return what running workers are told of the rest.

        Raises:
            JackfieldError: It cannot be read; nothing has changed.
        """
        self._offered = self._reread()
        self._ticket += 1
        kernel = replace(self._manifest.kernel, log_level=self._offered.kernel.log_level)
        self._adopt(replace(self._manifest, kernel=kernel))
        return Reconfigure(ticket=self._ticket, manifest=self._offered.dump())

    def took_over(self, message: Reconfigured) -> None:
        """A worker runs with the new options of one plugin; a worker that is started later will, too."""
        if message.ticket != self._ticket or message.error:
            return
        key = f"config.{message.plugin}"
        config = {name: table for name, table in self._manifest.config.items() if name != message.plugin}
        if message.plugin in self._offered.config:
            config[message.plugin] = self._offered.config[message.plugin]
        old = {path: place for path, place in self._manifest.origins.items() if not _is_in(path, key)}
        new = {path: place for path, place in self._offered.origins.items() if _is_in(path, key)}
        self._adopt(replace(self._manifest, config=config, origins={**old, **new}))

    def _adopt(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.dump = manifest.dump()


def _is_in(path: str, key: str) -> bool:
    return path == key or path.startswith(f"{key}.")
