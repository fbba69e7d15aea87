"""Bodies and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from jackfield.ports.frontend import ModelCard
from jackfield.ports.operating import CacheOf, PluginState, Setting, SettingChange, SettingValue, WorkerAnswer
from jackfield.questions import SequenceState


class Plugins(msgspec.Struct):
    """The enabled plugins, in the order they are asked."""

    plugins: list[PluginState]


class Models(msgspec.Struct):
    """The models, and all that is known of them."""

    models: list[ModelCard]


class Restart(msgspec.Struct):
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
    """What is in force, by key path."""

    settings: dict[str, Setting]


class ConfigurationChange(msgspec.Struct):
    """What is to be in force from now on, until the manifest is read again."""

    settings: Annotated[
        dict[str, SettingValue],
        Meta(min_length=1, max_length=64, description="By key path, such as kernel.log_level or config.fair.ageing_s."),
    ]


class ConfigurationChanged(msgspec.Struct):
    """What has changed, or would."""

    dry_run: bool
    changes: list[SettingChange]
    workers: list[WorkerAnswer]
    """Those that had to take new options over."""
    restart: list[str]
    """Keys that the manifest has other values for than the running server; they hold once it is restarted."""


class NoBody(msgspec.Struct):
    """Nothing."""
