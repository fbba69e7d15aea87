"""What serves a loaded model: its loop, the intake in front of it, and the connections to gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard, runtime_checkable

from jackfield.errors import PluginError
from jackfield.ports.backend import Runner
from jackfield.ports.pooled import PooledRunner
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.intake import Intake
from jackfield.worker.links import GatewayLinks
from jackfield.worker.pooling.loop import PoolLoop
from jackfield.worker.pooling.preparation import PoolPreparation
from jackfield.worker.preparation import Preparation
from jackfield.worker.slot_files import NO_FOLDER, SlotFiles, SlotFolder
from jackfield.worker.stores import NO_STORES, Caching

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.cache_report import CacheCleared, CacheReport
    from jackfield.channel.messages import Submit
    from jackfield.ports.scheduler import Scheduler
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.worker.constraints import NamedConstraintEngine
    from jackfield.worker.links import RequestHandle


class Loop(Protocol):
    """What computes: an ``EngineLoop`` or a ``PoolLoop``."""

    def run(self) -> None:
        """Serve until stopped."""
        ...

    def wake(self) -> None:
        """Somebody has given up. Any thread."""
        ...

    def stop(self) -> None:
        """End ``run``. Any thread."""
        ...

    def busy_s(self) -> float:
        """How long the present step has been running, in seconds; 0 while idle. Any thread."""
        ...


@runtime_checkable
class CachingLoop(Protocol):
    """A loop that keeps prefixes: an ``EngineLoop``. Answers are given in its own thread, between two steps."""

    def cache_report(self, answer: Callable[[CacheReport], None]) -> None:
        """Tell *answer* how the prefix cache is. Any thread."""
        ...

    def cache_clear(self, answer: Callable[[CacheCleared], None]) -> None:
        """Forget all prefixes that nobody reads, and tell *answer* how much that was. Any thread."""
        ...


class Requests(Protocol):
    """What takes requests: the ``Intake`` of either loop."""

    def start(self) -> None:
        """Begin."""
        ...

    def put(self, handle: RequestHandle, message: Submit) -> None:
        """Take a request. Links thread."""
        ...

    def stop(self) -> None:
        """End after what was taken."""
        ...


class Serving(NamedTuple):
    """What exists once a model is loaded."""

    runner: Runner | PooledRunner
    links: GatewayLinks
    loop: Loop
    intake: Requests
    shapes: tuple[str, ...] = ()
    """Kinds of constraints that its answers can have."""


def assemble(
    runner: Runner | PooledRunner,
    scheduler: Scheduler,
    default_max_tokens: int,
    *,
    context_shift: bool,
    constraints: Callable[[Tokenizer], NamedConstraintEngine] | None = None,
    caching: Caching = NO_STORES,
    slot_folder: SlotFolder = NO_FOLDER,
) -> Serving:
    """Put together what serves *runner*.

    Parameters:
        runner: The loaded model.
        scheduler: Plans the steps of a model that generates.
        default_max_tokens: Where a request gives no limit.
        context_shift: Whether an answer goes on at the end of the context.
        constraints: Makes the constraint engine of a model that generates; None where no plugin hands one over.
        caching: Who shares computed prefixes, and stores for them, which are closed when the loop ends.
        slot_folder: Where slots are saved.

    Raises:
        ModelLoadError: The model's chat template cannot be used.
        PluginError: The backend loaded what is no runner, or no constraint engine can be made.
    """
    if _pools(runner):
        links = GatewayLinks()
        pool = PoolLoop(runner, links.flush, links.broadcast)
        return Serving(runner, links, pool, Intake(PoolPreparation(runner), pool.submit))
    if not _generates(runner):
        raise PluginError(f"the backend loaded {type(runner).__name__}, which has neither decode() nor pool()")
    compiling = constraints(runner.tokenizer) if constraints is not None else None
    preparation = Preparation(
        runner, default_max_tokens, context_shift=context_shift, constraints=compiling, sharing=caching.sharing
    )
    links = GatewayLinks()
    engine = EngineLoop(runner, scheduler, links.flush, links.broadcast, context_shift=context_shift, caching=caching)
    files = SlotFiles(slot_folder, runner.limits.state_layout, caching.sharing, engine)
    intake = Intake(preparation, engine.submit, engine.sequences, files.act)
    return Serving(runner, links, engine, intake, compiling.kinds if compiling is not None else ())


def _generates(runner: Runner | PooledRunner) -> TypeGuard[Runner]:
    return callable(getattr(runner, "decode", None))


def _pools(runner: Runner | PooledRunner) -> TypeGuard[PooledRunner]:
    return callable(getattr(runner, "pool", None))
