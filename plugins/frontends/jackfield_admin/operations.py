"""What each route takes and answers, for the server's OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

import msgspec

from jackfield.errors import Conflict
from jackfield.ports.frontend import Operation, Parameter
from jackfield.ports.operating import ServerState
from jackfield_admin.key_records import KeyCreation, Keys, KeysCalled, KeyUpdate, MadeKey, RevokedKeys, Rotation
from jackfield_admin.records import (
    Caches,
    Configuration,
    ConfigurationChange,
    ConfigurationChanged,
    Models,
    Plugins,
    Queues,
    Restart,
    Running,
)


class Problem(msgspec.Struct):
    """What went wrong."""

    message: str
    type: str
    """The broad family, as OpenAI's clients know it."""
    code: str
    param: str | None


class ErrorBody(msgspec.Struct):
    """Body of every error."""

    error: Problem


_SWITCH: Final = Literal["true", "false"]
_DRY_RUN: Final = Parameter(name="dry_run", kind=_SWITCH, description="Only say what would change.")
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
    example={"settings": {"kernel.log_level": "info"}},
    answer=ConfigurationChanged,
    error=ErrorBody,
    parameters=(_DRY_RUN,),
    honoured=("settings",),
)
RELOAD: Final = Operation(
    summary="Read the manifest again: log level and the scheduler's options",
    answer=ConfigurationChanged,
    error=ErrorBody,
)
DRAIN: Final = Operation(summary="Finish running requests and end", answer=ServerState, error=ErrorBody)

_ISSUER: Final = Parameter(
    name="issuer", description="Name of the plugin instance whose keys are meant; the first one without it."
)
_LAST: Final = Parameter(
    name="last_admin",
    kind=_SWITCH,
    description="Whether the last good key that may manage keys may go too.",
)
_TAKEN: Final = Conflict(
    "there is a key laptop (5a0c1f, active); rotate or revoke it, or choose another name", param="name"
)
_LAST_ONE: Final = Conflict("that is the last good key that may manage keys, for all models", param="last_admin")
_BACK: Final = Conflict("it was revoked, which is for ever; create a new key")
_PROPERTIES: Final = (
    "owner",
    "user",
    "team",
    "tenant",
    "roles",
    "tags",
    "scopes",
    "models",
    "priority",
    "expires",
)
_GONE: Final = Conflict("laptop was revoked and cannot be rotated; create a new key")

KEYS: Final = Operation(summary="All keys, without themselves", answer=Keys, error=ErrorBody, parameters=(_ISSUER,))
CREATE_KEY: Final = Operation(
    summary="Make a key, which is shown this once",
    body=KeyCreation,
    example={"name": "laptop", "scopes": ["generate", "models:read"], "expires": "2099-01-31T00:00:00Z"},
    answer=MadeKey,
    status=HTTPStatus.CREATED,
    error=ErrorBody,
    refusals=(_TAKEN,),
    parameters=(_ISSUER,),
    honoured=("name", *_PROPERTIES),
)
KEY: Final = Operation(
    summary="A key by name, fingerprint or prefix, without itself",
    answer=KeysCalled,
    error=ErrorBody,
    parameters=(_ISSUER,),
)
CHANGE_KEY: Final = Operation(
    summary="Change whose a key is, what it may, and when it ends",
    body=KeyUpdate,
    example={"team": "search", "expires": "2099-01-31T00:00:00Z"},
    answer=KeysCalled,
    error=ErrorBody,
    refusals=(_LAST_ONE,),
    parameters=(_ISSUER, _LAST),
    honoured=_PROPERTIES,
)
BLOCK_KEY: Final = Operation(
    summary="Refuse a key until it is unblocked",
    answer=KeysCalled,
    error=ErrorBody,
    refusals=(_LAST_ONE,),
    parameters=(_ISSUER, _LAST),
)
UNBLOCK_KEY: Final = Operation(
    summary="Let a blocked key be good again",
    answer=KeysCalled,
    error=ErrorBody,
    refusals=(_BACK,),
    parameters=(_ISSUER,),
)
REVOKE_KEY: Final = Operation(
    summary="Refuse a key, by name, fingerprint or prefix, from now on and for ever",
    answer=RevokedKeys,
    error=ErrorBody,
    refusals=(_LAST_ONE,),
    parameters=(_ISSUER, _LAST),
)
ROTATE_KEY: Final = Operation(
    summary="Replace a key by a new one, which is shown this once",
    body=Rotation,
    example={"grace_s": 3600},
    answer=MadeKey,
    status=HTTPStatus.CREATED,
    error=ErrorBody,
    refusals=(_GONE,),
    parameters=(_ISSUER,),
    honoured=("grace_s", "expires"),
)
