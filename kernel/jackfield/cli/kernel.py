"""Plugins on the command line: one that hangs ends the command with its name, instead of for ever."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from jackfield import plugins
from jackfield.cli.errors import EXIT_USAGE, complain
from jackfield.plugin_calls import PluginCalls, Watch

if TYPE_CHECKING:
    from jackfield.errors import PluginError
    from jackfield.manifest import Manifest


def build_kernel(manifest: Manifest, *, fill: bool = True) -> plugins.Kernel:
    """As ``jackfield.plugins.build_kernel``, watched as long as the command runs."""
    return plugins.build_kernel(manifest, _watched(manifest.kernel.plugin_timeout_s), fill=fill)


@functools.cache
def _watched(timeout_s: float) -> PluginCalls:
    calls = PluginCalls()
    Watch(calls, timeout_s, _give_up).start()
    return calls


def _give_up(error: PluginError) -> None:
    complain(error.message)
    os._exit(EXIT_USAGE)  # the main thread is the one that hangs
