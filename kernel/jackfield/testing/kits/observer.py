"""What every ``Observer`` must pass.

Subclass ``ObserverKit`` in a test module and say which plugin it is about::

    class TestConformance(ObserverKit):
        manifest = 'enabled = ["my-plugin"]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import pytest

from jackfield.lifecycle import WorkerState
from jackfield.plugins import Kernel
from jackfield.ports.observer import (
    CacheStats,
    EngineStats,
    Exposition,
    RequestEnded,
    StoreStats,
    WorkerChanged,
    WorkerReported,
)
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from jackfield.ports.observer import ObservedEvent, ObserverFactory

_IDLE: Final = EngineStats(0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0)
_CACHE: Final = CacheStats(
    lookups=10**9,
    hits=10**9,
    cached_tokens=10**12,
    idle_tokens=3000,
    saved_bytes=10**15,
    restored_bytes=10**15,
    evicted_tokens=10**12,
    recomputed={"preempted": 10**6, "evicted": 10**6, "no_checkpoint": 0, "state_lost": 1, "no_room": 0},
    idle_cell_s=1e-7,
    restore_token_s=1e-5,
    kept=10**6,
    moved=10**6,
    stores=(
        StoreStats(name="memory", entries=1000, used_bytes=2**30, limit_bytes=2**33, hits=10**6, dropped=0),
        StoreStats(
            name="диск", entries=0, used_bytes=0, limit_bytes=2**40, hits=0, dropped=1, troubles={"disk_full": 10**6}
        ),
    ),
)
_BUSY: Final = EngineStats(
    8,
    3,
    1000,
    4096,
    10**9,
    10**12,
    10**12,
    4,
    1e6,
    1e3,
    1e4,
    mask_s=1e3,
    waiting_tokens=9000,
    wait_s=60.0,
    cache=_CACHE,
)


def ended(**fields: float | str | tuple[float, ...] | None) -> RequestEnded:
    """A request that ended well, but for *fields*."""
    usual = {
        "route": "/v1/chat/completions",
        "model": "demo",
        "status": 200,
        "code": "stop",
        "duration_s": 1.5,
        "queue_s": 0.001,
        "ttft_s": 0.2,
        "gaps_s": (0.02,) * 63,
        "prompt_tokens": 120,
        "completion_tokens": 64,
        "cached_tokens": 100,
    }
    return RequestEnded(**{**usual, **fields})  # type: ignore[arg-type]  # a keyword per field, as the Struct has them


EVENTS: Final[dict[str, ObservedEvent]] = {
    "an answer": ended(),
    "a refusal without a model": ended(
        route="", model="", status=404, code="unknown_url", queue_s=None, ttft_s=None, gaps_s=(), completion_tokens=0
    ),
    "a client that left": ended(status=499, code="stop", gaps_s=()),
    "a prompt that was cached whole": ended(prompt_tokens=100, cached_tokens=100),
    "all zeros": ended(duration_s=0.0, queue_s=0.0, ttft_s=0.0, gaps_s=(0.0,), prompt_tokens=0, cached_tokens=0),
    "a day": ended(duration_s=86400.0, queue_s=86400.0, ttft_s=86400.0, gaps_s=(86400.0,)),
    "a long answer": ended(gaps_s=(0.02,) * 10_000, completion_tokens=10_001),
    "a model with an odd name": ended(model='org/модель "7B"\n\\'),
    "a worker that reports nothing": WorkerReported(model="demo", stats=_IDLE),
    "a busy worker": WorkerReported(model="demo", stats=_BUSY),
    **{
        f"a worker is {state.value}": WorkerChanged(model="demo", state=state.value, restarts=index)
        for index, state in enumerate(WorkerState)
    },
    "a worker in a state of a later version": WorkerChanged(model="demo", state="migrating", restarts=0),
}
"""Events as the kernel sends them, and at their edges."""

ACCEPTS: Final = (
    "",
    "*/*",
    "text/plain",
    "application/openmetrics-text; version=1.0.0",
    "text/html, application/xhtml+xml;q=0.9",
    ";;;=,,q=",
    "x" * 8000,
)
"""``Accept`` headers: usual ones, a browser's, and nonsense."""


class ObserverKit(Kit):
    """Observers take whatever they are told, and their pages can be read."""

    @pytest.fixture
    def make_observer(self) -> ObserverFactory:
        """The factory that the plugin hands over."""
        factory: ObserverFactory = self.made(Kernel.observers)
        return factory

    @pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
    def test_every_event_is_taken(self, make_observer: ObserverFactory, event: ObservedEvent) -> None:
        """First thing, and again."""
        observer = make_observer()
        observer.observe(event)
        observer.observe(event)

    def test_an_unknown_event_is_ignored(self, make_observer: ObserverFactory) -> None:
        """Later versions of the kernel tell more."""
        make_observer().observe(cast("ObservedEvent", object()))

    def test_observers_share_nothing(self, make_observer: ObserverFactory) -> None:
        """Two kernels may live in one process."""
        first, second = make_observer(), make_observer()
        if not isinstance(first, Exposition) or not isinstance(second, Exposition):
            pytest.skip("has no page to compare")
        before = second.render("")
        for event in EVENTS.values():
            first.observe(event)
        assert second.render("") == before

    @pytest.mark.parametrize("accept", ACCEPTS)
    def test_a_page_is_given_for_any_accept(self, make_observer: ObserverFactory, accept: str) -> None:
        """A scraper, a browser or nonsense: a page, with its content type; before the first event, and after all."""
        observer = make_observer()
        if not isinstance(observer, Exposition):
            pytest.skip("has no page")
        for event in (None, *EVENTS.values()):
            if event is not None:
                observer.observe(event)
            content_type, body = observer.render(accept)
            assert "/" in content_type
            body.decode()

    def test_looking_changes_nothing(self, make_observer: ObserverFactory) -> None:
        """Several scrapers see the same."""
        observer = make_observer()
        if not isinstance(observer, Exposition):
            pytest.skip("has no page")
        for event in EVENTS.values():
            observer.observe(event)
        assert observer.render("") == observer.render("")
