"""What all kits have in common: how they are told which plugin they are about.

A kit is a pytest class. A subclass names the plugin, and says what the kit needs to know of it::

    class TestMyBackend(BackendKit):
        manifest = 'enabled = ["my-plugin"]'
        needs = {"source": "/models/tiny.gguf"}

``jackfield verify`` makes such subclasses itself, from the same words in the author's ``pyproject.toml``. Where the
plugin's own tests want another object than the one its hook hands over, they override the kit's method that makes it.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from jackfield.errors import ManifestError, PluginError
from jackfield.manifest import refuse_unknown_keys
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import Kernel, build_kernel
from jackfield.secret import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.manifest import Table

T = TypeVar("T", bound=msgspec.Struct)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kit that needs to be told nothing."""


class Kit:
    """Base of all kits."""

    Needs: ClassVar[type[msgspec.Struct]] = Nothing
    """What the plugin's author must say; fields of type ``Secret`` must never be seen in the plugin's output."""

    manifest: ClassVar[str] = ""
    """Text of a ``plugins.toml`` that turns the plugin on; paths in it are absolute."""

    name: ClassVar[str] = ""
    """Which of the things that the plugins hand over is meant; empty: the first one."""

    needs: ClassVar[Table] = {}
    """What the author says: a table for ``Needs``."""

    folder: ClassVar[str] = "."
    """Where relative paths, of ``needs`` and of options, start."""

    def kernel(self) -> Kernel:
        """A kernel with the plugin, the same one for all tests."""
        return _shared_kernel(self.manifest, self.folder)

    def new_kernel(self) -> Kernel:
        """A kernel of this test's own."""
        return kernel_of(self.manifest, self.folder)

    def told(self, struct: type[T]) -> T:
        """``needs``, decoded.

        Raises:
            ManifestError: Something is missing, unknown or of the wrong type; the message names the key.
        """
        refuse_unknown_keys(self.needs, known=struct.__struct_encode_fields__, key="needs", where=lambda _: "the kit")
        try:
            return msgspec.convert(self.needs, struct, dec_hook=read)
        except (msgspec.ValidationError, ValueError) as error:
            raise ManifestError(f"the kit's needs: {error}", param="needs") from error

    def path(self, text: str) -> Path:
        """A path in ``needs``, absolute."""
        return Path(self.folder).absolute() / Path(text).expanduser()

    def made(self, ask: Callable[[Kernel], Mapping[str, Any]]) -> Any:
        """The factory called ``name`` among those that *ask* gets from the kernel."""
        return _factory(self.manifest, self.folder, ask, self.name)


def kernel_of(text: str, folder: str = ".") -> Kernel:
    """A kernel for the text of a ``plugins.toml`` that stands in *folder*; this machine's environment has no say."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "plugins.toml")
        file.write_text(text)
        manifest = load_manifest(file, environ={})
    home = str(Path(folder).absolute() / file.name)
    return build_kernel(msgspec.structs.replace(manifest, file=home))


@functools.cache
def _shared_kernel(text: str, folder: str) -> Kernel:
    return kernel_of(text, folder)


@functools.cache
def _factory(text: str, folder: str, ask: Callable[[Kernel], Mapping[str, Any]], name: str) -> Any:
    factories = ask(_shared_kernel(text, folder))
    name = name or next(iter(factories), "")
    if name not in factories:
        raise PluginError(f"no enabled plugin hands over {name!r}; there is {', '.join(factories) or 'nothing'}")
    return factories[name]
