"""Jackfield: a plugin microkernel for LLM inference.

What a plugin author imports: this module, ``jackfield.ports``, ``jackfield.types``, ``jackfield.errors``,
``jackfield.scheduling`` and ``jackfield.testing``. Importing it is cheap: no HTTP server, no numpy.
"""

from __future__ import annotations

from jackfield.hookspecs import hookimpl
from jackfield.plugin_instance import PluginInstance
from jackfield.plugin_modules import API_VERSION
from jackfield.plugins import Kernel, build_kernel

__version__ = "0.1.0"

__all__ = ["API_VERSION", "Kernel", "PluginInstance", "__version__", "build_kernel", "hookimpl"]
