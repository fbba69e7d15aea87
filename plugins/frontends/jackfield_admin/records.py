"""Bodies and answers."""

from __future__ import annotations

import msgspec

from jackfield.ports.frontend import ModelCard
from jackfield.ports.operating import CacheOf, LogLevel, PluginState, Setting
from jackfield.questions import SequenceState


class Plugins(msgspec.Struct):
    """The enabled plugins, in the order they are asked."""

    plugins: list[PluginState]


class Models(msgspec.Struct):
    """The models, and all that is known of them."""

    models: list[ModelCard]


class Restart(msgspec.Struct, forbid_unknown_fields=True):
    """How a worker is restarted."""

    now: bool = False
    """Do not let its requests finish."""


class Queue(msgspec.Struct):
    """What a model has to do."""

    model: str
    slots: int
    running: int
    waiting: int


class Queues(msgspec.Struct):
    """What each model that serves has to do."""

    queues: list[Queue]


class Running(msgspec.Struct):
    """What runs and waits, of one model."""

    slots: int
    sequences: list[SequenceState]


class Caches(msgspec.Struct):
    """What workers say of their prefix caches."""

    caches: list[CacheOf]


class Configuration(msgspec.Struct):
    """Every setting by its key path."""

    settings: dict[str, Setting]


class ConfigurationChange(msgspec.Struct, forbid_unknown_fields=True):
    """What can be changed while the server runs."""

    log_level: LogLevel
