"""What type checkers must say about a plugin author's code. Checked by ``make lint``, never run.

An ignored error that stops being one is an error itself (mypy's ``warn_unused_ignores``), so refusals are tested too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, assert_type

import click
import msgspec

from jackfield import Kernel, PluginInstance, build_kernel, hookimpl
from jackfield.ports.backend import BackendFactory
from jackfield.ports.frontend import FrontendFactory
from jackfield.ports.observer import Observer, ObserverFactory
from jackfield.ports.scheduler import Chunk, Scheduler, SchedulerFactory, SchedulerView, StepPlan
from jackfield.types import GenerateEvent

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.manifest import Manifest
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.observer import ObservedEvent
    from jackfield.types import GenerateRequest


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plugin's own options."""

    width: int = 1


class OneByOne:
    """A scheduler without a base class."""

    def __init__(self, width: int) -> None:
        self._width = width

    def plan(self, view: SchedulerView) -> StepPlan:
        """The oldest first."""
        return StepPlan([Chunk(each.id, 1) for each in [*view.running, *view.waiting][: self._width]])


class Misspelt:
    """Not a scheduler."""

    def plann(self, view: SchedulerView) -> StepPlan:
        """Nobody calls it."""
        return StepPlan([])


class Silent:
    """An observer."""

    def observe(self, event: ObservedEvent) -> None:
        """Nothing."""


@hookimpl
def jackfield_config(instance: PluginInstance) -> type[msgspec.Struct]:
    """A hook keeps its type under the marker."""
    return Options


@hookimpl
def jackfield_schedulers(instance: PluginInstance) -> Mapping[str, SchedulerFactory]:
    """The configuration is typed by the Struct."""
    options = instance.config(Options)
    assert_type(options, Options)
    return {instance.name: lambda: OneByOne(options.width)}


def what_a_kernel_answers(kernel: Kernel, manifest: Manifest) -> None:
    """Types begin at the facade."""
    assert_type(build_kernel(manifest), Kernel)
    assert_type(kernel.backends(), Mapping[str, BackendFactory])
    assert_type(kernel.schedulers(), Mapping[str, SchedulerFactory])
    assert_type(kernel.frontends(), Mapping[str, FrontendFactory])
    assert_type(kernel.observers(), Mapping[str, ObserverFactory])
    assert_type(kernel.commands(), Sequence[tuple[PluginInstance, click.Command]])
    kernel.startup("supervisor")  # type: ignore[arg-type]  # it loads no plugin


def what_is_a_port() -> None:
    """By structure, not by inheritance."""
    takes_scheduler(OneByOne(1))
    takes_observer(Silent())
    takes_scheduler(Misspelt())  # type: ignore[arg-type]  # no method plan
    takes_scheduler(Silent())  # type: ignore[arg-type]  # an observer


def takes_scheduler(scheduler: Scheduler) -> None:
    """Any."""


def takes_observer(observer: Observer) -> None:
    """Any."""


def what_a_frontend_gets(gateway: Gateway, context: RequestContext, request: GenerateRequest) -> None:
    """One typed stream of events."""
    assert_type(gateway.generate(context, request), AsyncGenerator[GenerateEvent, None])
    gateway.generate(request, context)  # type: ignore[arg-type]  # the wrong way round
