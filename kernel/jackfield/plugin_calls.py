"""Calls into plugins' code: whose code runs now, for how long it may, and whose fault it was.

Whatever of a plugin runs at start-up and shutdown goes through ``PluginCalls.run``: its import, its hooks and the
factories they hand over. What raises becomes a ``PluginError`` that names plugin, call and cause. What hangs is seen by
a ``Watch``, a thread that looks at the call in progress: past the call's documented deadline it logs a warning that
names it, and past the manifest's ``kernel.plugin_timeout_s`` it makes the process refuse to start.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, ParamSpec, TypeVar

import msgspec

from jackfield.errors import ManifestError, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = ParamSpec("P")
T = TypeVar("T")

IMPORT_DEADLINE_S: Final = 5.0
"""A plugin's module: heavy imports belong into its factories."""

FACTORY_DEADLINE_S: Final = 10.0
"""A factory imports what the plugin is built on, from a cold disk perhaps."""

HOOK_DEADLINE_S: Final = 1.0
"""A hook that only hands something over."""

HOOK_DEADLINES: Final[Mapping[str, float]] = {"jackfield_startup": 10.0, "jackfield_shutdown": 2.0}
"""Hooks that do more than hand something over."""

_LOOK_S: Final = 0.05
"""Between two looks at the call in progress."""


class Called(msgspec.Struct, frozen=True, tag="called"):
    """Code of a plugin is about to run: what a process says that may not live to say how it went."""

    plugin: str
    """Name of the instance."""
    what: str
    """As in ``Call``."""

    def __str__(self) -> str:
        return f"plugin {self.plugin}, {self.what}"


class Call(NamedTuple):
    """One call into a plugin's code."""

    plugin: str
    """Name of the instance."""
    what: str
    """``its import``, a hook, or ``its factory of NAME (hook)``."""
    deadline_s: float
    began: float
    """Monotonic seconds."""
    thread: int
    """Identifier of the thread it runs in."""


def hook_deadline(hook: str) -> float:
    """The documented deadline of *hook*, in seconds."""
    return HOOK_DEADLINES.get(hook, HOOK_DEADLINE_S)


class PluginCalls:
    """The call in progress, and what becomes of those that fail. One for each kernel.

    Attributes:
        current: The innermost call that has not returned yet; any thread may read it.
        listener: Told of every call before it is made; for tests of plugins that take the process down with them.
    """

    def __init__(self, listener: Callable[[Call], None] | None = None) -> None:
        self.current: Call | None = None
        self.listener = listener

    def run(
        self,
        plugin: str,
        what: str,
        deadline_s: float,
        function: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call *function*.

        Parameters:
            plugin: Whose code it is.
            what: What is called, for messages.
            deadline_s: After how many seconds a ``Watch`` warns.
            function: The plugin's code; called with the other arguments.

        Raises:
            PluginError: It raised, or asked the process to exit; the message names plugin, call and cause.
            ManifestError: It raised that itself; the message names a key.
        """
        before = self.current
        self.current = call = Call(plugin, what, deadline_s, time.monotonic(), threading.get_ident())
        if self.listener is not None:
            self.listener(call)
        try:
            return function(*args, **kwargs)
        except PluginError as error:
            if error.message.startswith(f"plugin {plugin}"):
                raise
            raise PluginError(f"plugin {plugin}: {what}: {error.message}", param=error.param) from error
        except ManifestError:
            raise  # it names a key
        except (Exception, SystemExit) as error:
            raise PluginError(f"plugin {plugin}: {what} raised {type(error).__name__}: {error}") from error
        finally:
            self.current = before


class Factory(Generic[P, T]):
    """A plugin's factory, called through ``PluginCalls`` wherever it is called.

    Parameters:
        calls: The kernel's.
        plugin: Whose factory it is.
        what: What it makes, for messages.
        make: The factory.
    """

    __slots__ = ("_calls", "_make", "_plugin", "_what")

    def __init__(self, calls: PluginCalls, plugin: str, what: str, make: Callable[P, T]) -> None:
        self._calls = calls
        self._plugin = plugin
        self._what = what
        self._make = make

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._calls.run(self._plugin, self._what, FACTORY_DEADLINE_S, self._make, *args, **kwargs)


class Watch:
    """Looks after the calls of one kernel; a context manager around what starts a process, or started for good.

    Parameters:
        calls: The kernel's.
        timeout_s: How long one call may take before the process gives up.
        refuse: Ends the process with the error it is given. Called by the watching thread, at most once: the thread
            that hangs cannot be brought back.

    A call that hangs in foreign code without giving up the interpreter lock cannot be seen by any thread: the
    supervisor ends such a process, which has no heartbeat either.
    """

    def __init__(self, calls: PluginCalls, timeout_s: float, refuse: Callable[[PluginError], None]) -> None:
        self._calls = calls
        self._timeout_s = timeout_s
        self._refuse = refuse
        self._done = threading.Event()
        self._warned: Call | None = None
        self._thread = threading.Thread(target=self._run, name="plugin-watch", daemon=True)

    def start(self) -> None:
        """Begin to look, until the process ends."""
        self._thread.start()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_LOOK_S):
            call = self._calls.current
            if call is None:
                continue
            elapsed = time.monotonic() - call.began
            if elapsed > self._timeout_s:
                self._refuse(_hang(call, elapsed))
                return
            if elapsed > call.deadline_s and call is not self._warned:
                self._warned = call
                _warn(call)


def run_bounded(function: Callable[[], None], timeout_s: float, name: str) -> bool:
    """Run *function* in a thread of its own and wait for it at most *timeout_s* seconds.

    Returns:
        Whether it ended. One that did not is left alone: its thread does not keep the process alive.
    """
    thread = threading.Thread(target=function, name=name, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()


def _warn(call: Call) -> None:
    import structlog  # importing jackfield must stay cheap, and this line is rare

    structlog.get_logger("jackfield.plugins").warning(
        "a plugin is slow", plugin=call.plugin, call=call.what, deadline_s=call.deadline_s, at=_place(call)
    )


def _hang(call: Call, elapsed: float) -> PluginError:
    return PluginError(
        f"plugin {call.plugin}: {call.what} has not returned after {elapsed:.0f} s ({_place(call)}); its deadline is"
        f" {call.deadline_s:g} s. kernel.plugin_timeout_s sets how long a start-up waits"
    )


def _place(call: Call) -> str:
    """Where the call stands: the innermost module and line, which need not be the plugin's own."""
    frame = sys._current_frames().get(call.thread)
    if frame is None:
        return "in no Python code"
    return f"in {frame.f_code.co_name} of {frame.f_globals.get('__name__', '?')}, line {frame.f_lineno}"
