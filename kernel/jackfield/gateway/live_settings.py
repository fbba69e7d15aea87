"""What is in force of the manifest, and whether it may be changed while the server runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from jackfield.channel.operator import NewValue
from jackfield.errors import InvalidRequest, ManifestError, UnsupportedField
from jackfield.live_options import LIVE, LOG_LEVEL, is_in, with_options
from jackfield.manifest import TOP_LEVEL, KernelConfig, ModelConfig, decode_table, suggestion
from jackfield.manifest_layers import check_value, key_path
from jackfield.ports.operating import LogLevel, Setting, SettingChange, SettingValue
from jackfield.secret import HIDDEN, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jackfield.manifest import Manifest
    from jackfield.plugins import Kernel
    from jackfield.toml_lines import KeyPath

KEY_SHOWN: Final = 200
"""Characters of a key that an error repeats."""

_PLACE: Final = "the change"
"""Where a wrong value stands, for messages."""


class Planned(NamedTuple):
    """A change that can be made."""

    log_level: LogLevel | None
    options: Sequence[NewValue]
    """Which workers may yet refuse."""
    changes: Sequence[SettingChange]


class LiveSettings:
    """The manifest as it is in force.

    Parameters:
        kernel: With the manifest that the gateway was started with, and the plugins.

    Attributes:
        manifest: What is in force; replaced as a whole.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.manifest = kernel.manifest
        self._structs = kernel.config_structs()
        scheduler = next(iter(kernel.scheduler_owners().values())).name
        self._live = ("config", scheduler)
        self._tables: dict[KeyPath, type[msgspec.Struct] | None] = {("enabled",): None, ("kernel",): KernelConfig}
        self._tables |= {("config", each.name): self._structs.get(each.name) for each in kernel.instances}
        self._tables |= {("models", name): ModelConfig for name in kernel.manifest.models}

    def settings(self, manifest: Manifest | None = None) -> Mapping[str, Setting]:
        """Every value, by key path; by default those that are in force."""
        manifest = manifest or self.manifest
        return {
            f"{table}.{key}": Setting(
                value=cast("SettingValue", value),
                origin=_origin(manifest, f"{table}.{key}"),
                live=f"{table}.{key}" == LOG_LEVEL or table == ".".join(self._live),
            )
            for table, rows in self._rows(manifest)
            for key, value in rows.items()
        }

    def differences(self, before: Manifest, after: Manifest) -> Sequence[SettingChange]:
        """What differs between two manifests of this server."""
        old, new = self.settings(before), self.settings(after)
        return [
            SettingChange(key=key, before=old[key].value, after=new[key].value)
            for key in new
            if old[key].value != new[key].value
        ]

    def plan(self, values: Mapping[str, SettingValue]) -> Planned:
        """Judge a change to *values*, by key path.

        Raises:
            UnsupportedField: A setting cannot change while the server runs; ``param`` is its key.
            InvalidRequest: A key is unknown, or a value cannot be used; ``param`` is the key.
        """
        try:
            wanted = [self._wanted(key, value) for key, value in values.items()]
            levels = [each.value for each in wanted if ".".join(each.path) == LOG_LEVEL]
            options = [each for each in wanted if each.path[0] == "config"]
            changed = with_options(self.manifest, options)
            if levels:
                kernel = {**msgspec.to_builtins(changed.kernel), "log_level": levels[-1]}
                changed = replace(changed, kernel=decode_table(kernel, KernelConfig, "kernel", _PLACE))
            struct = self._tables[self._live]
            if struct is not None:
                _, instance = self._live
                decode_table(changed.config.get(instance, {}), struct, ".".join(self._live), _PLACE)
        except ManifestError as error:
            raise InvalidRequest(error.message, param=error.param) from error
        return Planned(changed.kernel.log_level if levels else None, options, self.differences(self.manifest, changed))

    def _wanted(self, key: str, value: SettingValue) -> NewValue:
        path, shown = key_path(key), key[:KEY_SHOWN]
        if path is None:
            raise InvalidRequest(f"{shown!r} is no key such as {LOG_LEVEL}", param=shown)
        self._judge(path, ".".join(path))
        if value is None:
            raise InvalidRequest(f"{shown}: null is no value of a setting", param=shown)
        check_value(value, ".".join(path), lambda _: _PLACE)
        return NewValue(path, value)

    def _judge(self, path: KeyPath, key: str) -> None:
        """Refuse a key that there is not, and one that cannot change."""
        depth = 2 if path[0] in {"config", "models"} else 1
        table = path[:depth]
        if table not in self._tables:
            among = tuple(each[-1] for each in self._tables if len(each) == len(table) and each[0] == path[0])
            raise _unknown(key, path[len(table) - 1], among or TOP_LEVEL)
        struct = self._tables[table]
        if struct is not None and len(path) > depth and path[depth] not in struct.__struct_encode_fields__:
            raise _unknown(key, path[depth], struct.__struct_encode_fields__)
        if key == LOG_LEVEL or (table == self._live and len(path) > depth and struct is not None):
            return
        raise UnsupportedField(
            f"{key[:KEY_SHOWN]} cannot change while the server runs: change it in plugins.toml and restart the server;"
            f" what can is {LOG_LEVEL}, and each option of {'.'.join(self._live)}",
            param=key[:KEY_SHOWN],
        )

    def _rows(self, manifest: Manifest) -> Iterator[tuple[str, Mapping[str, object]]]:
        """All values by table, defaults included."""
        yield "kernel", msgspec.to_builtins(manifest.kernel)
        for name, struct in self._structs.items():
            config = decode_table(manifest.config.get(name, {}), struct, f"config.{name}", manifest.origin)
            yield f"config.{name}", msgspec.to_builtins(config, enc_hook=show)
        for name, model in manifest.models.items():
            # which of them are secrets only the backend's plugin knows
            options = dict.fromkeys(model.options, HIDDEN)
            yield f"models.{name}", {**msgspec.to_builtins(model, enc_hook=show), "options": options}


def _unknown(key: str, name: str, known: tuple[str, ...]) -> InvalidRequest:
    shown = key[:KEY_SHOWN]
    return InvalidRequest(f"unknown key {shown}{suggestion(name[:KEY_SHOWN], known)}", param=shown)


def _origin(manifest: Manifest, key: str) -> str:
    """Where a value comes from; of a table, where something in it was changed live, or else its first entry."""
    if key in manifest.origins:
        return manifest.origins[key]
    inner = [place for path, place in manifest.origins.items() if is_in(path, key)]
    return LIVE if LIVE in inner else next(iter(inner), "default")
