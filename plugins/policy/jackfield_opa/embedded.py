"""Rego without a server: policies from a folder, evaluated by processes of our own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import ManifestError, PluginError, PolicyUnavailable
from jackfield_opa.answers import InvalidAnswer, decision_of, denied
from jackfield_opa.child import Child, EvaluatorDied, question_frame, value_of
from jackfield_opa.pool import Crashed, NoEvaluator, Overrun, Pool
from jackfield_opa.questions import NOT_ASKED, Unaskable, encode
from jackfield_opa.rehearsal import explained, rehearse, tested

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from jackfield.ports.policy import Decision, Explanation, PolicyInput, PolicyTest
    from jackfield_opa.bundle import Bundle
    from jackfield_opa.config import OpaConfig
    from jackfield_opa.failure import FailurePolicy
    from jackfield_opa.program import Program
    from jackfield_opa.sources import PolicySignature, PolicySource

LOOK_S: Final = 0.25
"""Between two looks at the policies' files."""


class EmbeddedEngine:
    """A ``PolicyEngine`` and ``PolicyWorkbench`` with a ``Condition``. Event loop thread.

    Parameters:
        name: Of the engine.
        config: How many processes, and how long they may take.
        source: The policies.
        failure: What becomes of what nobody decides.

    Raises:
        ManifestError: The policies must not go live.
        PluginError: No process can be started.
    """

    def __init__(self, name: str, config: OpaConfig, source: PolicySource, failure: FailurePolicy) -> None:
        self._name = name
        self._config = config
        self.source = source
        self._failure = failure
        self._log = structlog.get_logger("jackfield.opa")
        self._seen: PolicySignature | None = source.signature()
        self._bundle = source.read()
        self._tried: Bundle | None = self._bundle
        self._trouble = ""
        self._follows = True
        self._watching: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._retired: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._pool = self.made_pool(self._bundle)

    @property
    def troubles(self) -> Sequence[str]:
        """A broken edit, evaluators that are missing, and that it fails open."""
        self._watch()
        found = list(self._failure.troubles)
        if self._trouble:
            found.append(f"{self._trouble}; the policies that were loaded before hold")
        if self._pool.missing:
            found.append(f"{self._pool.missing} of {self._config.processes} evaluators are being replaced")
        return found

    @property
    def pids(self) -> Sequence[int]:
        """Of the processes that evaluate."""
        return self._pool.pids

    async def decide(self, question: PolicyInput) -> Decision:
        self._watch()
        try:
            reply = await self._asked(question_frame(0, encode(question)))
        except Unaskable:
            return NOT_ASKED
        except NoEvaluator as error:
            if self._ended.is_set():
                raise PolicyUnavailable(error.message) from error
            return self._failure.undecided(question, error.message)
        except (Overrun, Crashed) as error:
            # what the question itself has brought about is refused, also where fail is open
            self._log.error("an evaluator was lost", engine=self._name, reason=error.message)
            raise PolicyUnavailable(error.message) from error
        try:
            return decision_of(value_of(reply))
        except InvalidAnswer as error:
            return denied(self._name, error)

    async def explain(self, question: PolicyInput) -> Explanation:
        try:
            return await asyncio.to_thread(explained, self._bundle, self._config.decision, question)
        except (EvaluatorDied, InvalidAnswer, Unaskable) as error:
            raise PolicyUnavailable(f"the policies give no decision: {error}") from error

    async def test(self) -> Sequence[PolicyTest]:
        try:
            return await asyncio.to_thread(_tested, self._bundle)
        except EvaluatorDied as error:
            raise PolicyUnavailable(f"the policies' tests end the process that runs them: {error}") from error

    async def close(self) -> None:
        self._ended.set()
        if self._watching is not None:
            await asyncio.wait([self._watching])  # what it may be making now must be ended too
        await self._pool.close()
        while self._retired:
            await asyncio.wait(self._retired)

    def made_pool(self, bundle: Bundle) -> Pool:
        """Evaluators that have *bundle* loaded, which has passed its rehearsal; blocks.

        Raises:
            ManifestError: It must not go live.
        """
        deadline_s = self._config.deadline_ms / 1000
        children: list[Child] = []
        try:
            children.extend(Child() for _ in range(self._config.processes))
            program = rehearse(bundle, self._config.decision, deadline_s, children[0])
            for child in children[1:]:
                child.load(program)
        except EvaluatorDied as error:
            _close(children)
            raise ManifestError(f"the policies end the process that evaluates them: {error}") from error
        except BaseException:
            _close(children)
            raise
        return Pool(children, lambda: _loaded(program), deadline_s)

    def follow(self, *, files: bool) -> None:
        """Whether the policies' files matter."""
        self._follows = files
        if not files:
            self._trouble, self._tried = "", None

    async def change(self, bundle: Bundle, *, from_files: bool = False) -> None:
        """Go by *bundle* from now on.

        Parameters:
            bundle: The policies.
            from_files: Whether they are what the files say: where those do not matter by now, nothing happens.

        Raises:
            ManifestError: It must not go live; what was before holds.
        """
        async with self._changing:
            if bundle == self._bundle or (from_files and not self._follows):
                return
            pool = await self.prepared(bundle)
            self._pool, old = pool, self._pool
            self._bundle = bundle
            self._log.info("policies loaded", engine=self._name, modules=len(bundle.modules))
            self._later(old.retire())

    async def prepared(self, bundle: Bundle) -> Pool:
        """As ``made_pool``, in a thread; whoever does not wait for it leaves no process behind."""
        making = asyncio.ensure_future(asyncio.to_thread(self.made_pool, bundle))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._abandon)
            raise

    def _abandon(self, making: asyncio.Task[Pool]) -> None:
        if not making.cancelled() and making.exception() is None:
            self._later(making.result().close())

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _asked(self, frame: bytes) -> bytes:
        while True:
            pool = self._pool
            try:
                return await pool.ask(frame)
            except NoEvaluator:
                if pool is self._pool:
                    raise  # otherwise the policies have changed, and others answer now

    def _watch(self) -> None:
        """Begin to follow the files: a factory is called before there is an event loop."""
        if self._watching is None and not self._ended.is_set():
            with suppress(RuntimeError):
                self._watching = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._ended.wait()
            if self._follows and not self._ended.is_set():
                await self._look()

    async def _look(self) -> None:
        signature = await asyncio.to_thread(self.source.signature)
        if signature is not None and signature == self._seen:
            return
        self._seen = signature
        try:
            tried, self._tried = self._tried, None
            bundle = await asyncio.to_thread(self.source.read)
            self._tried = bundle
            if bundle == tried:
                return
            await self.change(bundle, from_files=True)
            self._trouble = ""
        except ManifestError as error:
            self._broke(error.message)
        except Exception as error:  # noqa: BLE001 -- a defect must not end the following
            self._tried = None  # it is not the policies: try again
            self._broke(error.message if isinstance(error, PluginError) else type(error).__name__)

    def _broke(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            self._log.error("changed policies are not used; those before hold", engine=self._name, reason=reason)


def _loaded(program: Program) -> Child:
    """Another evaluator with *program*; blocks."""
    child = Child()
    try:
        child.load(program)
    except BaseException:
        child.close()
        raise
    return child


def _close(children: Sequence[Child]) -> None:
    for child in children:
        child.close()


def _tested(bundle: Bundle) -> Sequence[PolicyTest]:
    with Child() as child:
        return tested(bundle, child)
