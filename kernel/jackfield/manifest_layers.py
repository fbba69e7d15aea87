"""Where the manifest's values come from.

Layers, later wins: packaged defaults < ``plugins.toml`` < ``JACKFIELD__SECTION__KEY`` < ``--set section.key=value``.
Every value remembers the layer and place it came from, for messages and for ``jackfield config show --origin``. A value
of the environment is never repeated in a message: it may be a secret that stands under a misspelt name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec
import tomli

from jackfield.errors import ManifestError
from jackfield.manifest import (
    COMMAND_LINE,
    DEFAULT_ENABLED,
    INSTANCE_NAME,
    TOP_LEVEL,
    InstanceRef,
    KernelConfig,
    Manifest,
    ModelConfig,
    decode_table,
    nearest_origin,
    refuse_unknown_keys,
    suggestion,
)
from jackfield.model_names import NameTaken, named
from jackfield.ports.backend import OptionValue
from jackfield.toml_lines import KeyPath, key_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

FILE_NAME: Final = "plugins.toml"
"""Read from the current folder where no file is named."""

FILE_BYTES_MAX: Final = 1024 * 1024
"""A manifest is written by hand; a larger file is not one."""

DEPTH_MAX: Final = 32
"""Deepest nesting of tables and lists; more could not be sent to the other processes."""

DEMO_MODEL: Final[Mapping[str, OptionValue]] = {"source": "jackfield:demo", "aliases": ["default"]}
"""``[models.demo]``, where no model is configured."""

MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\Z")
"""What clients send as ``model``: also ``owner/name:tag``."""

_ENVIRONMENT: Final = "JACKFIELD__"
_PLUGIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
_INT_RANGE: Final = range(-(2**63), 2**64)
"""What msgpack can carry."""


class Override(NamedTuple):
    """One value of a layer above the file."""

    path: KeyPath
    value: OptionValue
    origin: str


def load_manifest(
    file: Path | None,
    *,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    models: Mapping[str, Mapping[str, OptionValue]] | None = None,
    enabled: Sequence[str] = (),
) -> Manifest:
    """Merge all layers and check the result, except for plugins' own tables.

    Parameters:
        file: The manifest file; None takes ``plugins.toml`` of the current folder if there is one.
        sets: ``section.key=value`` texts of the command line, in order.
        environ: The environment.
        models: Models that the command line names; they replace all others before *sets* apply.
        enabled: Plugins that the command line names, as entries of ``enabled``; they join those that are listed.

    Raises:
        ManifestError: The file cannot be read or is not TOML, or a key or value cannot be used. The message has the
            place and the key path.
    """
    layers = _Layers()
    found = file if file is not None else _present(Path(FILE_NAME))
    if found is not None:
        layers.read(found)
    if models is not None:
        layers.put(Override(("models",), {name: dict(table) for name, table in models.items()}, "command line"))
    layers.enable(enabled)
    environment = list(_from_environment(environ))
    arguments = [_from_argument(text) for text in sets]
    names = layers.names([*environment, *arguments])
    for override in [*(_spell(override, names) for override in environment), *arguments]:
        layers.put(override)
    return layers.manifest(found)


class _Layers:
    """The tables merged so far, with the origin of each key."""

    def __init__(self) -> None:
        self.tree: dict[str, OptionValue] = {}
        self.origins: dict[KeyPath, str] = {}

    def read(self, file: Path) -> None:
        """Take the manifest file in."""
        text = _read(file)
        try:
            self.tree = tomli.loads(text)
        except tomli.TOMLDecodeError as error:
            raise ManifestError(f"{file.name}:{error.lineno}: {error.msg} (column {error.colno})") from error
        except RecursionError as error:
            raise ManifestError(f"{file.name}: nested too deeply") from error
        self.origins = {path: f"{file.name}:{line}" for path, line in key_lines(text).items()}
        for path, value in _leaves(self.tree):
            self.origins.setdefault(path, file.name)
            check_value(value, ".".join(path), self.where)

    def put(self, override: Override) -> None:
        """Let *override* replace what lower layers said about its key."""
        table: dict[str, OptionValue] = self.tree
        for depth, key in enumerate(override.path[:-1], 1):
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                outer = ".".join(override.path[:depth])
                raise ManifestError(f"{override.origin}: {outer} is a value, not a table", param=outer)
            table = cast("dict[str, OptionValue]", inner)
        table[override.path[-1]] = override.value
        size = len(override.path)
        for path in [path for path in self.origins if path[:size] == override.path]:
            del self.origins[path]
        self.origins[override.path] = override.origin
        if isinstance(override.value, dict):
            for path, _ in _leaves(override.value, override.path):
                self.origins[path] = override.origin
        check_value(override.value, ".".join(override.path), self.where)

    def enable(self, entries: Iterable[str]) -> None:
        """Let *entries* be listed too, but for instances that are."""
        listed = self.tree.get("enabled", list(DEFAULT_ENABLED))
        if not isinstance(listed, list):
            return
        known = {_instance_name(str(entry)) for entry in listed}
        missing = [entry for entry in entries if _instance_name(entry) not in known]
        if missing:
            self.put(Override(("enabled",), [*listed, *missing], "command line"))

    def names(self, overrides: Iterable[Override]) -> Mapping[str, Sequence[str]]:
        """Names of instances and models, which environment variables cannot spell exactly."""
        enabled = [override.value for override in overrides if override.path == ("enabled",)]
        listed = (enabled or [self.tree.get("enabled", list(DEFAULT_ENABLED))])[-1]
        instances = [_instance_name(str(entry)) for entry in listed] if isinstance(listed, list) else []
        return {"config": [*instances, *_keys(self.tree, "config")], "models": _keys(self.tree, "models")}

    def where(self, key: str) -> str:
        """Place of the key path *key*, or of the nearest table around it."""
        return nearest_origin(self._flat(), key)

    def manifest(self, file: Path | None) -> Manifest:
        """Decode what was merged."""
        refuse_unknown_keys(self.tree, known=TOP_LEVEL, key="", where=self.where)
        base = file.resolve().parent if file is not None else Path.cwd()
        enabled = self._enabled(base)
        return Manifest(
            enabled=enabled,
            kernel=decode_table(self._table("kernel"), KernelConfig, "kernel", self.where),
            config=self._config(enabled),
            models=self._models(),
            origins=self._flat(),
            file=str(file.resolve()) if file is not None else None,
        )

    def _flat(self) -> dict[str, str]:
        return {".".join(path): origin for path, origin in self.origins.items()}

    def _table(self, key: str) -> dict[str, OptionValue]:
        value = self.tree.get(key, {})
        if not isinstance(value, dict):
            raise self._error(key, f"must be a table: [{key}]")
        return cast("dict[str, OptionValue]", value)

    def _tables(self, key: str) -> Iterator[tuple[str, dict[str, OptionValue]]]:
        for name, value in self._table(key).items():
            if not isinstance(value, dict):
                raise self._error(f"{key}.{name}", f"must be a table: [{key}.{name}]; keys stand below such a header")
            yield name, cast("dict[str, OptionValue]", value)

    def _error(self, key: str, text: str) -> ManifestError:
        return ManifestError(f"{self.where(key)}: {key} {text}", param=key)

    def _enabled(self, base: Path) -> tuple[InstanceRef, ...]:
        listed = self.tree.get("enabled", list(DEFAULT_ENABLED))
        if not isinstance(listed, list):
            raise self._error("enabled", 'must be a list of names: ["llama-cpu", "openai"]')
        refs: dict[str, InstanceRef] = {}
        for index, entry in enumerate(listed, 1):
            if not isinstance(entry, str):
                raise self._error("enabled", f"entry {index} must be a text")
            ref = _instance(entry, base, lambda text: self._error("enabled", text))
            if ref.name in refs:
                raise self._error("enabled", f"lists {ref.name} twice; a second instance is another_name={ref.plugin}")
            refs[ref.name] = ref
        return tuple(refs.values())

    def _config(self, enabled: Sequence[InstanceRef]) -> dict[str, dict[str, OptionValue]]:
        names = tuple(ref.name for ref in enabled)
        tables = dict(self._tables("config"))
        for name in tables:
            if name not in names:
                key = f"config.{name}"
                hint = suggestion(name, names) or "; nothing is enabled"
                raise self._error(key, f"is for a plugin instance that is not enabled{hint}")
        return tables

    def _models(self) -> dict[str, ModelConfig]:
        tables = dict(self._tables("models"))
        if not tables or (set(tables) == {"demo"} and "source" not in tables["demo"]):
            tables = {"demo": {**DEMO_MODEL, **tables.get("demo", {})}}
        models: dict[str, ModelConfig] = {}
        for name, table in tables.items():
            models[name] = decode_table(table, ModelConfig, f"models.{name}", self.where)
            for known in (name, *models[name].aliases):
                self._check_name(known, name)
        try:
            named(models)
        except NameTaken as error:
            raise self._error(error.key, error.message) from None
        return models

    def _check_name(self, known: str, model: str) -> None:
        if not MODEL_NAME.match(known):
            key = f"models.{model}" if known == model else f"models.{model}.aliases"
            raise self._error(key, f"{known[:128]!r} is not a model name: letters, digits and . _ : / - only")


def origin_of(manifest: Manifest, key: str) -> str:
    """Layer and place of *key*, for listings: ``default`` where nobody set it, whoever wrote the table around it."""
    return manifest.origins.get(key, "default")


def _present(file: Path) -> Path | None:
    return file if file.exists() else None


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ManifestError(f"{file}: there is no such file") from error
    except OSError as error:
        raise ManifestError(f"{file}: cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise ManifestError(f"{file}: larger than {FILE_BYTES_MAX} bytes; that is not a manifest")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{file.name}:{line}: not UTF-8") from error


def _keys(tree: Mapping[str, OptionValue], key: str) -> list[str]:
    value = tree.get(key)
    return [str(name) for name in value] if isinstance(value, dict) else []


def _leaves(table: Mapping[str, object], path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def check_value(value: object, key: str, where: Callable[[str], str], depth: int = 0) -> None:
    """Refuse what TOML or JSON can say and a manifest cannot carry.

    Parameters:
        value: Of the key.
        key: Key path.
        where: Knows the place of each, for messages.
        depth: How deep *value* stands in another one.

    Raises:
        ManifestError: ``param`` is the key path.
    """
    if depth > DEPTH_MAX:
        raise ManifestError(f"{where(key)}: {key} is nested deeper than {DEPTH_MAX} levels", param=key)
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            check_value(inner, key, where, depth + 1)
    elif isinstance(value, int) and value not in _INT_RANGE:
        raise ManifestError(f"{where(key)}: {key}: a number with more than 64 bits", param=key)
    elif not isinstance(value, str | int | float):
        kind = "null" if value is None else "a date or time"
        raise ManifestError(f"{where(key)}: {key}: {kind} cannot be used here; write a text", param=key)


def _instance(entry: str, base: Path, error: Callable[[str], ManifestError]) -> InstanceRef:
    """``openai``, ``edge=upstream``, ``./my_plugin.py`` or ``mine=./my_plugin.py``."""
    name, plugin = _instance_name(entry), entry.partition("=")[2] or entry
    if not INSTANCE_NAME.match(name):
        hint = "lower-case letters, digits, _ and -, beginning with a letter; name=plugin gives an instance its name"
        raise error(f"{name[:64]!r} is not an instance name: {hint}")
    if plugin.endswith(".py"):
        return InstanceRef(name, str((base / plugin).resolve()))
    if not _PLUGIN_NAME.match(plugin):
        raise error(f"{plugin[:64]!r} is neither the name of a plugin nor the path of a .py file")
    return InstanceRef(name, plugin)


def _instance_name(entry: str) -> str:
    name, equals, _ = entry.partition("=")
    return Path(name).stem if name.endswith(".py") and not equals else name


def _from_environment(environ: Mapping[str, str]) -> Iterator[Override]:
    for variable in sorted(environ):
        if not variable.startswith(_ENVIRONMENT):
            continue
        _refuse_foreign_bytes(variable + environ[variable], variable.encode(errors="replace").decode())
        path = tuple(variable.removeprefix(_ENVIRONMENT).lower().split("__"))
        if path[0] not in TOP_LEVEL:
            raise ManifestError(f"{variable}: unknown section {path[0]}{suggestion(path[0], TOP_LEVEL)}", param=path[0])
        if not all(path) or (len(path) == 1) != (path == ("enabled",)):
            raise ManifestError(f"{variable}: must be {_ENVIRONMENT}SECTION__KEY, such as JACKFIELD__KERNEL__LISTEN")
        yield Override(path, _value(environ[variable], variable), variable)


def _spell(override: Override, names: Mapping[str, Sequence[str]]) -> Override:
    """Variables have no dashes, dots or case: ``JACKFIELD__CONFIG__LLAMA_CPU__…`` means the instance ``llama-cpu``."""
    section, *rest = override.path
    for name in names.get(section, ()):
        if rest and re.sub(r"[^a-z0-9]", "_", name.lower()) == rest[0]:
            return override._replace(path=(section, name, *rest[1:]))
    return override


def _from_argument(text: str) -> Override:
    key, equals, value = text.partition("=")
    _refuse_foreign_bytes(text, "--set")
    if not equals:
        raise ManifestError(f"--set {key}: must be section.key=value, such as kernel.listen=127.0.0.1:8080")
    path = key_path(key.strip())
    if path is None:
        raise ManifestError(f'--set {key}: not a key path; write models."a b".context for a name with dots or spaces')
    if path[0] not in TOP_LEVEL:
        raise ManifestError(f"--set {key}: unknown section {path[0]}{suggestion(path[0], TOP_LEVEL)}", param=path[0])
    return Override(path, _value(value, f"--set {key}"), COMMAND_LINE)


def key_path(key: str) -> KeyPath | None:
    """The parts of a key path, quoted as in TOML; None where it is none."""
    try:
        parsed: object = tomli.loads(f"{key} = 0") if "\n" not in key else {}
    except tomli.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(parsed, dict) and len(parsed) == 1:
        ((part, parsed),) = parsed.items()
        path.append(part)
    return tuple(path) if path and parsed == 0 else None


def _refuse_foreign_bytes(text: str, origin: str) -> None:
    """Python hands bytes that are not UTF-8 over as lone surrogates, which no message between processes can carry."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ManifestError(f"{origin}: not UTF-8") from error


def _value(text: str, origin: str) -> OptionValue:
    """A JSON value; whatever is not JSON and does not try to be is a plain text."""
    try:
        value: OptionValue = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        if text.lstrip()[:1] in ("[", "{", '"'):
            raise ManifestError(f"{origin}: the value is not valid JSON") from error
        return text
    return value
