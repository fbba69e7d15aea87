"""What each route takes and answers, for the server's OpenAPI document."""

from __future__ import annotations

from typing import Final

import msgspec

from jackfield.ports.frontend import Operation, Parameter
from jackfield.ports.operating import ServerState
from jackfield_admin.records import (
    Caches,
    Configuration,
    ConfigurationChange,
    Models,
    Plugins,
    Queues,
    Restart,
    Running,
)


class Problem(msgspec.Struct):
    """What went wrong."""

    message: str
    code: str
    param: str | None = None


class ErrorBody(msgspec.Struct):
    """Body of every error."""

    error: Problem


_MODEL: Final = (Parameter(name="model", description="A name or an alias; all models without it."),)

PLUGINS: Final = Operation(summary="The enabled plugins", answer=Plugins, error=ErrorBody)
MODELS: Final = Operation(summary="The models, and what is known of them", answer=Models, error=ErrorBody)
WORKERS: Final = Operation(summary="The server and its processes", answer=ServerState, error=ErrorBody)
RESTART: Final = Operation(
    summary="Restart a model's worker",
    body=Restart,
    example={"now": False},
    answer=ServerState,
    error=ErrorBody,
    honoured=("now",),
)
QUEUES: Final = Operation(summary="What each model has to do", answer=Queues, error=ErrorBody)
SEQUENCES: Final = Operation(summary="What runs and waits", answer=Running, error=ErrorBody)
CACHES: Final = Operation(
    summary="What workers say of their prefix caches", answer=Caches, error=ErrorBody, parameters=_MODEL
)
CLEAR_CACHES: Final = Operation(
    summary="Forget cached prefixes that nobody reads", answer=Caches, error=ErrorBody, parameters=_MODEL
)
CONFIG: Final = Operation(summary="Every setting, and where it comes from", answer=Configuration, error=ErrorBody)
CHANGE_CONFIG: Final = Operation(
    summary="Change what can change live, until the manifest is read again",
    body=ConfigurationChange,
    example={"log_level": "info"},
    answer=ServerState,
    error=ErrorBody,
    honoured=("log_level",),
)
RELOAD: Final = Operation(
    summary="Read the manifest again: log level and the scheduler's options", answer=ServerState, error=ErrorBody
)
DRAIN: Final = Operation(summary="Finish running requests and end", answer=ServerState, error=ErrorBody)
