"""The constraint engine plugin as the worker calls it: measured, and named where it fails."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import BackendFault, InvalidRequest, JackfieldError, PluginError
from jackfield.logs import traceback_of
from jackfield.port_calls import CallTimes
from jackfield.ports.constraint import KINDS, LimitedEngine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.constraint import Constraint, ConstraintEngine, ConstraintEngineFactory, Grammar, Matcher
    from jackfield.ports.tokenizer import Tokenizer

log = structlog.get_logger("jackfield.worker")


def make_engine(name: str, factory: ConstraintEngineFactory, tokenizer: Tokenizer) -> NamedConstraintEngine:
    """The constraint engine of plugin *name* for the vocabulary of *tokenizer*. Main thread of the worker.

    Raises:
        PluginError: The factory failed, or made something else.
    """
    engine = factory(tokenizer)
    for method in ("compile", "kept"):
        if not callable(getattr(engine, method, None)):
            kind = type(engine).__name__
            raise PluginError(f"constraint engine {name}: its factory made {kind}, which has no {method}()")
    return NamedConstraintEngine(name, engine)


class NamedConstraintEngine:
    """A constraint engine; an exception that its port does not name costs one request. Any thread, several at once."""

    def __init__(self, name: str, engine: ConstraintEngine) -> None:
        self._name = name
        self._engine = engine
        self.kinds: Final = engine.kinds if isinstance(engine, LimitedEngine) else KINDS
        self._compiled = CallTimes("ConstraintEngine.compile", name)
        self._counting = threading.Lock()
        self._masks = MatcherTimes(name)

    def kept(self, constraint: Constraint, count: int) -> tuple[Matcher, ...] | None:
        """A matcher for each of *count* answers, where *constraint* was compiled before; else None.

        Raises:
            InvalidRequest: It is known to be refused.
            BackendFault: The plugin failed.
        """
        with self._faults():
            grammar = self._engine.kept(constraint)
            return None if grammar is None else self._matchers(grammar, count)

    def compiled(self, constraint: Constraint, count: int) -> tuple[Matcher, ...]:
        """Compile *constraint*; a matcher for each of *count* answers.

        Raises:
            InvalidRequest: It is malformed, or cannot be enforced.
            BackendFault: The plugin failed.
        """
        with self._faults():
            return self._matchers(self._compile(constraint), count)

    def _matchers(self, grammar: Grammar, count: int) -> tuple[Matcher, ...]:
        return tuple(NamedMatcher(grammar.matcher(), self._masks) for _ in range(count))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except JackfieldError:
            raise
        except Exception as error:
            log.critical("a constraint engine failed", plugin=self._name, traceback=traceback_of(error))
            raise BackendFault("the constraint could not be compiled") from error

    def _compile(self, constraint: Constraint) -> Grammar:
        began = time.perf_counter()
        try:
            return self._engine.compile(constraint)
        finally:
            with self._counting:
                self._compiled.took(time.perf_counter() - began)


class MatcherTimes:
    """How long the matchers of one plugin take; each of the times is written by one thread."""

    __slots__ = ("accept", "forced", "mask", "plugin")

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.mask = CallTimes("Matcher.mask", plugin)
        self.accept = CallTimes("Matcher.accept", plugin)
        self.forced = CallTimes("Matcher.forced", plugin)

    def broke(self, method: str, error: Exception) -> PluginError:
        """What ends the worker when *method* raised *error*."""
        return PluginError(f"constraint engine {self.plugin}: {method} raised {type(error).__name__}: {error}")


class NamedMatcher:
    """A matcher; an exception that its port does not name is a ``PluginError`` with the plugin's name."""

    __slots__ = ("_matcher", "_times")

    def __init__(self, matcher: Matcher, times: MatcherTimes) -> None:
        self._matcher = matcher
        self._times = times

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        """See ``Matcher``. Mask thread."""
        began = time.perf_counter()
        try:
            self._matcher.mask(out)
        except (BackendFault, InvalidRequest):
            raise
        except Exception as error:
            raise self._times.broke("mask()", error) from error
        finally:
            self._times.mask.took(time.perf_counter() - began)

    def accept(self, token: int) -> None:
        """See ``Matcher``."""
        began = time.perf_counter()
        try:
            self._matcher.accept(token)
        except (BackendFault, InvalidRequest):
            raise
        except Exception as error:
            raise self._times.broke("accept()", error) from error
        finally:
            self._times.accept.took(time.perf_counter() - began)

    def forced(self) -> Sequence[int]:
        """See ``Matcher``."""
        began = time.perf_counter()
        try:
            return self._matcher.forced()
        except (BackendFault, InvalidRequest):
            raise
        except Exception as error:
            raise self._times.broke("forced()", error) from error
        finally:
            self._times.forced.took(time.perf_counter() - began)

    @property
    def finished(self) -> bool:
        """See ``Matcher``."""
        try:
            return self._matcher.finished
        except (BackendFault, InvalidRequest):
            raise
        except Exception as error:
            raise self._times.broke("finished", error) from error

    def allows(self, tokens: Sequence[int]) -> int:
        """See ``Matcher``."""
        try:
            return self._matcher.allows(tokens)
        except (BackendFault, InvalidRequest):
            raise
        except Exception as error:
            raise self._times.broke("allows()", error) from error
