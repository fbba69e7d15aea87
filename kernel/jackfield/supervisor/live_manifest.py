"""What may change of the manifest while the server runs: the log level, and options that workers take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from jackfield.channel.messages import Reconfigure
from jackfield.live_options import LIVE, LOG_LEVEL, is_in, with_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jackfield.channel.messages import Reconfigured
    from jackfield.channel.operator import NewValue
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
    def log_level(self) -> LogLevel:
        """That children log at."""
        return self._manifest.kernel.log_level

    def set_log_level(self, level: LogLevel) -> None:
        """Children log at *level*, those too that are started later."""
        self._take_log_level(level, LIVE)

    def change(self, values: Sequence[NewValue]) -> Reconfigure:
        """Other options of plugins; return what running workers are told.

        Raises:
            ManifestError: They are no options; nothing has changed.
        """
        self._offered = with_options(self._manifest, values)
        return self._offer()

    def reread(self) -> Reconfigure:
        """Read it again and take its log level; return what running workers are told of the rest.

        Raises:
            JackfieldError: It cannot be read; nothing has changed.
        """
        self._offered = self._reread()
        self._take_log_level(self._offered.kernel.log_level, self._offered.origins.get(LOG_LEVEL))
        return self._offer()

    def settle(self, plugins: Iterable[str]) -> None:
        """Whoever is started has the options that were offered last, of these *plugins*."""
        for plugin in plugins:
            self._follow(plugin)

    def took_over(self, message: Reconfigured) -> None:
        """A worker runs with the new options of one plugin; a worker that is started later will, too."""
        if message.ticket == self._ticket and not message.error:
            self._follow(message.plugin)

    def unfollowed(self) -> Sequence[str]:
        """Key paths for which the manifest, as it was last read, has other values than what runs."""
        mine, theirs = self._manifest, self._offered
        fields = mine.kernel.__struct_fields__
        kernel = [f"kernel.{name}" for name in fields if getattr(mine.kernel, name) != getattr(theirs.kernel, name)]
        config = [f"config.{name}" for name in _differing(mine.config, theirs.config)]
        models = [f"models.{name}" for name in _differing(mine.models, theirs.models)]
        return [*(["enabled"] if mine.enabled != theirs.enabled else []), *kernel, *config, *models]

    def _offer(self) -> Reconfigure:
        self._ticket += 1
        return Reconfigure(ticket=self._ticket, manifest=self._offered.dump())

    def _take_log_level(self, level: LogLevel, origin: str | None) -> None:
        origins = {path: place for path, place in self._manifest.origins.items() if path != LOG_LEVEL}
        if origin is not None:
            origins[LOG_LEVEL] = origin
        self._adopt(replace(self._manifest, kernel=replace(self._manifest.kernel, log_level=level), origins=origins))

    def _follow(self, plugin: str) -> None:
        key = f"config.{plugin}"
        config = {name: table for name, table in self._manifest.config.items() if name != plugin}
        if plugin in self._offered.config:
            config[plugin] = self._offered.config[plugin]
        old = {path: place for path, place in self._manifest.origins.items() if not is_in(path, key)}
        new = {path: place for path, place in self._offered.origins.items() if is_in(path, key)}
        self._adopt(replace(self._manifest, config=config, origins={**old, **new}))

    def _adopt(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.dump = manifest.dump()


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> Sequence[str]:
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]
