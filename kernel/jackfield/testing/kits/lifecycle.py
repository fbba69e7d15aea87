"""What every plugin that hooks into ``jackfield_startup`` or ``jackfield_shutdown`` must pass.

Subclass ``LifecycleKit`` in a test module and say how the plugin is turned on::

    class TestLifecycle(LifecycleKit):
        manifest = 'enabled = ["my-plugin"]'
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from jackfield.errors import PluginError
    from jackfield.hookspecs import ProcessKind
    from jackfield.plugins import Kernel

_PROCESSES: Final = ("gateway", "worker")
_DESCRIPTORS: Final = Path("/proc/self/fd")

in_each_process: Final = pytest.mark.parametrize("process", _PROCESSES)


class LifecycleKit(Kit):
    """What start-up takes, shutdown gives back, in every kind of process."""

    @pytest.fixture(name="kernel")
    def kernel_of_the_test(self) -> Kernel:
        """A kernel with the plugin."""
        return self.new_kernel()

    @in_each_process
    def test_start_and_end_are_quiet(self, kernel: Kernel, process: ProcessKind) -> None:
        """Without an error."""
        _round(kernel, process)

    @in_each_process
    def test_nothing_is_left_behind(self, kernel: Kernel, process: ProcessKind) -> None:
        """No thread and no open file stays; the first round may fill caches."""
        _round(kernel, process)
        threads, files = set(threading.enumerate()), _open_files()
        _round(kernel, process)
        assert set(threading.enumerate()) <= threads
        assert _open_files() <= files

    @in_each_process
    def test_an_end_without_a_start_does_no_harm(self, kernel: Kernel, process: ProcessKind) -> None:
        """Another plugin's start-up may have failed before this one's turn came."""
        _shut_down(kernel, process)

    def test_two_kernels_live_in_one_process(self, kernel: Kernel) -> None:
        """The end of one does not take anything from the other."""
        other = self.new_kernel()
        kernel.startup("worker")
        other.startup("worker")
        _shut_down(kernel, "worker")
        _round(kernel, "worker")
        _shut_down(other, "worker")


def _round(kernel: Kernel, process: ProcessKind) -> None:
    kernel.startup(process)
    _shut_down(kernel, process)


def _shut_down(kernel: Kernel, process: ProcessKind) -> None:
    errors: list[PluginError] = []
    kernel.shutdown(process, errors.append)
    assert not errors, errors[0].message


def _open_files() -> int:
    """How many descriptors this process has; 0 where the system does not say."""
    return len(list(_DESCRIPTORS.iterdir())) if _DESCRIPTORS.is_dir() else 0
