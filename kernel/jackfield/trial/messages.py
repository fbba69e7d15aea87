"""Tasks for a trial, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from jackfield.channel.messages import Codec
from jackfield.error_record import ErrorRecord
from jackfield.plugin_calls import Called
from jackfield.ports.backend import ModelInfo
from jackfield.ports.check import CheckResult


class Rehearse(msgspec.Struct, frozen=True, tag="rehearse"):
    """Load the plugins and make what a gateway and a worker would make of them. Answered with ``Rehearsed``."""

    manifest: bytes


class Inspect(msgspec.Struct, frozen=True, tag="inspect"):
    """Ask a model's backend what the model is. Answered with ``Inspected``."""

    manifest: bytes
    model: str


class RunChecks(msgspec.Struct, frozen=True, tag="run-checks"):
    """Run checks, one after the other. Answered with ``Began`` and ``Ended`` for each."""

    manifest: bytes
    group: Literal["machine", "plugins"]
    skip: Sequence[str] = ()
    """Names of those that are done."""


Task: TypeAlias = Rehearse | Inspect | RunChecks


class Rehearsed(msgspec.Struct, frozen=True, tag="rehearsed"):
    """Everything can be made."""

    plugins: Sequence[str]


class Inspected(msgspec.Struct, frozen=True, tag="inspected"):
    """What the model is."""

    info: ModelInfo


class Began(msgspec.Struct, frozen=True, tag="began"):
    """A check begins."""

    name: str


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """A check has ended."""

    name: str
    result: CheckResult


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The task cannot be done."""

    error: ErrorRecord


Word: TypeAlias = Rehearsed | Inspected | Began | Ended | Called | Failed


def words() -> Codec[Word]:
    """A codec for what a trial says."""
    return Codec(msgspec.msgpack.Decoder(Word))


def read_task(data: bytes) -> Task:
    """The task in *data*; raises ``msgspec.MsgspecError`` for anything else."""
    task: Task = msgspec.msgpack.decode(data, type=Task)
    return task
